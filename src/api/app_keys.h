/* app_keys.h - which application asks: a key a file, STATE/apps/NAME.key.
 *
 * A key is 256 random bits as 64 hexadecimal digits, for its owner alone (0600): a file that group or others may read
 * is refused with its name and mode, and with it all of them, because a key that others know says nothing about who
 * asks. The file's name is the application's: a-z, 0-9 and hyphens. A first start, told by the missing folder, makes
 * one for the application "default". Comparisons take the same time for every guess.
 */
#ifndef TDM_API_APP_KEYS_H
#define TDM_API_APP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/app_name.h"
#include "base/str.h"
#include "tandem/status.h"

enum { TDM__APPS_MAX = 256, TDM__APP_KEY_TEXT = 65 };

/* Names live as long as the daemon, so that whoever serves an application may keep a pointer to its name while keys
 * come and go. Zeroed memory holds none. */
typedef struct tdm__app_names {
    struct tdm__app_name *first;
} tdm__app_names;

void tdm__app_names_close(tdm__app_names *n);

typedef struct tdm__app_key {
    const char *name; /* of a tdm__app_names */
    char key[TDM__APP_KEY_TEXT];
    uint64_t id; /* of this key, not 0: what a name that is removed and added again does not keep */
} tdm__app_key;

/* Zeroed memory holds none. */
typedef struct tdm__app_keys {
    tdm__app_key *items; /* [n], by name */
    size_t n;
} tdm__app_keys;

/* Reads all of STATE/apps. ERR_NOT_FOUND when there is no such folder, ERR_INVAL for a file that
 * others may read, ERR_FORMAT for one that holds no key or a name that is none, or for one key under two names,
 * ERR_LIMIT beyond TDM__APPS_MAX. */
tdm_status tdm__app_keys_read(const char *state_dir, tdm__app_names *names, tdm__app_keys *out, tdm_error *err);

/* The same; makes the folder with its first key when there is none. */
tdm_status tdm__app_keys_open(const char *state_dir, tdm__app_names *names, tdm__app_keys *out, tdm_error *err);
void tdm__app_keys_close(tdm__app_keys *k);

/* The application whose key this is; NULL: nobody's. */
const tdm__app_key *tdm__app_keys_find(const tdm__app_keys *k, tdm__str key);

bool tdm__app_name_is_fine(const char *name);

/* Draws a key and writes its file. ERR_INVAL for a bad name, ERR_BUSY when the file is there: no key is replaced. */
tdm_status tdm__app_key_add(const char *state_dir, const char *name, char key[TDM__APP_KEY_TEXT], tdm_error *err);

/* ERR_NOT_FOUND, ERR_INVAL. */
tdm_status tdm__app_key_remove(const char *state_dir, const char *name, tdm_error *err);

#endif
