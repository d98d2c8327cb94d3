/* settings.h - what an operator may set, as one table: the configuration file, the flags of tandem serve, its help,
 * --print-config and docs/formats/daemon.md are all made from it.
 *
 * The file is YAML, read strictly (policy/yaml.h): no aliases, a duration and a size have a unit (30s, 512MiB), 010 is
 * no number, a key that is none is refused with its line and the nearest. Flags win over the file. Nothing here names a
 * partner: whom this device may speak to is signed by its market, and a file that tries is refused with that sentence.
 */
#ifndef TDM_API_SETTINGS_H
#define TDM_API_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/http_server.h"
#include "tandem/status.h"

/* In the order of the table. */
typedef enum tdm__setting_id {
    TDM__SET_MODEL = 0,
    TDM__SET_DEVICE,
    TDM__SET_LISTEN,
    TDM__SET_HOSTS,
    TDM__SET_TLS_CERT,
    TDM__SET_TLS_KEY,
    TDM__SET_BEHIND_TLS_PROXY,
    TDM__SET_KEYS_REQUIRED,
    TDM__SET_APP_TOKENS_PER_HOUR,
    TDM__SET_APP_REQUESTS_AT_ONCE,
    TDM__SET_PARALLEL,
    TDM__SET_QUEUE,
    TDM__SET_CONTEXT,
    TDM__SET_KV,
    TDM__SET_THREADS,
    TDM__SET_DRAFT,
    TDM__SET_PREFIX,
    TDM__SET_PREFIX_CACHE,
    TDM__SET_CONNECTIONS,
    TDM__SET_BODY_SIZE,
    TDM__SET_HEAD_TIMEOUT,
    TDM__SET_BODY_TIMEOUT,
    TDM__SET_IDLE_TIMEOUT,
    TDM__SET_WRITE_TIMEOUT,
    TDM__SET_DRAIN_TIME,
    TDM__SET_LOG,
    TDM__SET_LOG_LINES_PER_SECOND,
    TDM__SET_STAGE,
    TDM__N_SETTINGS,
} tdm__setting_id;

typedef enum tdm__setting_kind {
    TDM__SETTING_TEXT = 0,
    TDM__SETTING_NAMES, /* texts without blanks: a list in the file, a flag that may come again */
    TDM__SETTING_COUNT,
    TDM__SETTING_TIME,  /* kept in ms */
    TDM__SETTING_SIZE,  /* kept in bytes */
    TDM__SETTING_CHOICE,
    TDM__SETTING_FLAG,
} tdm__setting_kind;

enum { TDM__SETTING_TEXT_MAX = 1023 };

typedef struct tdm__setting {
    const char *key;   /* in the file */
    const char *flag;  /* on the command line */
    const char *value; /* what the help calls the value; of CHOICE the choices, "text|json"; NULL of FLAG */
    tdm__setting_kind kind;
    uint64_t min, max;   /* of COUNT, TIME, SIZE */
    const char *initial; /* as it would be written in the file */
    bool is_reloadable;
    const char *help;
} tdm__setting;

extern const tdm__setting tdm__settings_table[TDM__N_SETTINGS];

/* TEXT, NAMES (with one blank between two), CHOICE: text. All others: number. */
typedef struct tdm__setting_value {
    uint64_t number;
    char text[TDM__SETTING_TEXT_MAX + 1];
} tdm__setting_value;

typedef struct tdm__settings {
    tdm__setting_value values[TDM__N_SETTINGS];
} tdm__settings;

/* What came on the command line: as in the file, NULL for what did not. Borrowed. */
typedef struct tdm__settings_flags {
    const char *texts[TDM__N_SETTINGS];
} tdm__settings_flags;

/* The defaults, over them a file's text (NULL: none; path is what its lines are named by), over it the flags; then what
 * settings must be together. ERR_INVAL, ERR_FORMAT, ERR_UNSUPPORTED. */
tdm_status tdm__settings_read(const tdm__str *yaml, const char *path, const tdm__settings_flags *flags,
                              tdm__settings *out, tdm_error *err);

/* The same with the regular file at path (NULL: none). ERR_NOT_FOUND, ERR_IO, too. */
tdm_status tdm__settings_load(const char *path, const tdm__settings_flags *flags, tdm__settings *out, tdm_error *err);

/* One value from its text; name is what the sentence calls it. ERR_INVAL. */
tdm_status tdm__setting_parse(const tdm__setting *row, const char *name, const char *text, tdm__setting_value *out,
                              tdm_error *err);

/* settings_print.c: the value as the file has it. */
tdm_status tdm__setting_put(tdm__buf *out, const tdm__setting *row, const tdm__setting_value *v);

/* All that is in force, as a file that --config takes. */
tdm_status tdm__settings_put(tdm__buf *out, const tdm__settings *s);

/* The first setting that differs and cannot change while the daemon runs; TDM__N_SETTINGS: none. */
tdm__setting_id tdm__settings_find_fixed(const tdm__settings *before, const tdm__settings *after);

/* ---- settings_check.c: where this daemon is reached from, and what that asks for ---- */

typedef struct tdm__reach {
    tdm__http_address address;
    char only_from[TDM__HTTP_HOST_TEXT]; /* the proxy, or "" */
    bool has_tls;     /* our own */
    bool is_outside;  /* others than this device may reach it: keys are needed */
} tdm__reach;

/* ERR_INVAL: an address, a name or an origin that is none, a certificate without key. ERR_UNSUPPORTED: an address that
 * others reach, without TLS. */
tdm_status tdm__settings_check(const tdm__settings *s, tdm__reach *out, tdm_error *err);

static inline const char *tdm__settings_text(const tdm__settings *s, tdm__setting_id id) { return s->values[id].text; }

static inline uint64_t tdm__settings_number(const tdm__settings *s, tdm__setting_id id)
{
    return s->values[id].number;
}

#endif
