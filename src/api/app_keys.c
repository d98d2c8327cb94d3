/* app_keys.c - the folder of keys: read as a whole, written a file at a time. */
#include "api/app_keys.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/sha256_stream.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/random.h"

enum { KEY_BYTES = 32, FOLDER_CAP = 640, PATH_CAP = 1024 };

static const char first_app[] = "default", ending[] = ".key";

bool tdm__app_name_is_fine(const char *name)
{
    const size_t n = strlen(name);
    return n > 0 && n <= TDM__APP_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static tdm_status check_name(const char *name, tdm_error *err)
{
    if (!tdm__app_name_is_fine(name))
        TDM_FAIL(err, TDM_ERR_INVAL, "'%.80s' is no name of an application: 1 to %d of a-z, 0-9 and '-'", name,
                 TDM__APP_NAME_MAX);
    return TDM_OK;
}

/* ---- reading ---- */

/* Of a digest, so that it tells nothing of the key. */
static uint64_t id_of(const uint8_t key[KEY_BYTES])
{
    static const char what[] = "tandem application";
    tdm__sha256_stream s;
    uint8_t digest[TDM__SHA256_BYTES];
    uint64_t id;
    tdm__sha256_begin(&s);
    tdm__sha256_push(&s, what, sizeof what);
    tdm__sha256_push(&s, key, KEY_BYTES);
    tdm__sha256_get(&s, digest);
    memcpy(&id, digest, sizeof id);
    return id | 1;
}

static tdm_status key_read(const char *path, tdm__app_key *k, tdm_error *err)
{
    char *text = NULL;
    size_t len = 0;
    unsigned mode = 0;
    uint8_t bytes[KEY_BYTES];
    int rc = tdm__file_read_private(path, TDM__APP_KEY_TEXT, &text, &len, &mode);
    if (rc == EPERM && mode != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s has mode %04o: others may use this key; draw a new one, with mode 0600",
                 path, mode);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the application's key %s cannot be read", path);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    const bool fine = tdm__hex_get((tdm__str){text, len}, bytes, sizeof bytes);
    if (fine) {
        memcpy(k->key, text, len); /* the rest is zero */
        k->id = id_of(bytes);
    }
    OPENSSL_cleanse(text, len);
    OPENSSL_cleanse(bytes, sizeof bytes);
    tdm__free(text);
    if (!fine)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s does not hold the 64 hexadecimal digits of a key", path);
    return TDM_OK;
}

/* The file's name to the application's. False: it is no key's file. */
static bool name_of(const char *file, char name[TDM__APP_NAME_TEXT + 1])
{
    const size_t n = strlen(file), n_ending = sizeof ending - 1;
    if (file[0] == '.' || n <= n_ending || strcmp(file + n - n_ending, ending) != 0)
        return false;
    snprintf(name, TDM__APP_NAME_TEXT + 1, "%.*s", (int)(n - n_ending), file);
    return true;
}

struct tdm__app_name {
    struct tdm__app_name *next;
    char text[TDM__APP_NAME_TEXT];
};

/* The one copy of that name; NULL without memory. */
static const char *name_keep(tdm__app_names *names, const char *text)
{
    for (const struct tdm__app_name *n = names->first; n; n = n->next)
        if (strcmp(n->text, text) == 0)
            return n->text;
    struct tdm__app_name *n = tdm__calloc(1, sizeof *n);
    if (!n)
        return NULL;
    memcpy(n->text, text, strlen(text));
    n->next = names->first;
    names->first = n;
    return n->text;
}

void tdm__app_names_close(tdm__app_names *names)
{
    struct tdm__app_name *n = names->first;
    names->first = NULL;
    while (n) {
        struct tdm__app_name *next = n->next;
        tdm__free(n);
        n = next;
    }
}

/* A folder while it is read. */
typedef struct reading {
    const char *folder;
    tdm__app_names *names;
    tdm__app_keys keys;
} reading;

static tdm_status keys_add(reading *r, const char *file, tdm_error *err)
{
    tdm__app_keys *k = &r->keys;
    char path[PATH_CAP], name[TDM__APP_NAME_TEXT + 1];
    if (!name_of(file, name))
        return TDM_OK;
    TDM_TRY(check_name(name, err));
    if (k->n == TDM__APPS_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s holds more than %d keys", r->folder, TDM__APPS_MAX);
    tdm__app_key *item = &k->items[k->n];
    *item = (tdm__app_key){.name = name_keep(r->names, name)};
    if (!item->name)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the applications' keys");
    snprintf(path, sizeof path, "%s/%s", r->folder, file);
    TDM_TRY(key_read(path, item, err));
    const tdm__app_key *other = tdm__app_keys_find(k, tdm__str_from(item->key));
    if (other)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s holds the same key as that of %s: each application has its own", path,
                 other->name);
    k->n++;
    return TDM_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tdm__app_key *)a)->name, ((const tdm__app_key *)b)->name);
}

static tdm_status folder_read(reading *r, DIR *dir, tdm_error *err)
{
    tdm__app_keys *k = &r->keys;
    const struct dirent *entry;
    k->items = tdm__calloc(TDM__APPS_MAX, sizeof *k->items);
    if (!k->items)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the applications' keys");
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0)
        TDM_TRY(keys_add(r, entry->d_name, err));
    if (errno != 0)
        return tdm__fail_os(err, errno, "the folder %s cannot be read", r->folder);
    qsort(k->items, k->n, sizeof *k->items, by_name);
    return TDM_OK;
}

tdm_status tdm__app_keys_read(const char *state_dir, tdm__app_names *names, tdm__app_keys *out, tdm_error *err)
{
    char folder[FOLDER_CAP];
    snprintf(folder, sizeof folder, "%.600s/apps", state_dir);
    DIR *dir = opendir(folder);
    if (!dir)
        return tdm__fail_os(err, errno, "the folder %s cannot be read", folder);
    reading r = {.folder = folder, .names = names};
    tdm_status s = folder_read(&r, dir, err);
    closedir(dir);
    if (s == TDM_OK)
        *out = r.keys;
    else
        tdm__app_keys_close(&r.keys);
    return s;
}

tdm_status tdm__app_keys_open(const char *state_dir, tdm__app_names *names, tdm__app_keys *out, tdm_error *err)
{
    char key[TDM__APP_KEY_TEXT];
    const tdm_status s = tdm__app_keys_read(state_dir, names, out, err);
    if (s != TDM_ERR_NOT_FOUND)
        return s;
    TDM_TRY(tdm__app_key_add(state_dir, first_app, key, err));
    OPENSSL_cleanse(key, sizeof key);
    return tdm__app_keys_read(state_dir, names, out, err);
}

void tdm__app_keys_close(tdm__app_keys *k)
{
    if (k->items)
        OPENSSL_cleanse(k->items, TDM__APPS_MAX * sizeof *k->items);
    tdm__free(k->items);
    *k = (tdm__app_keys){0};
}

const tdm__app_key *tdm__app_keys_find(const tdm__app_keys *k, tdm__str key)
{
    const tdm__app_key *found = NULL;
    if (key.len != TDM__APP_KEY_TEXT - 1)
        return NULL;
    for (size_t i = 0; i < k->n; i++) /* all of them, whatever was found */
        if (CRYPTO_memcmp(key.ptr, k->items[i].key, key.len) == 0)
            found = &k->items[i];
    return found;
}

/* ---- writing ---- */

static void path_of(const char *state_dir, const char *name, char path[PATH_CAP])
{
    snprintf(path, PATH_CAP, "%.600s/apps/%s%s", state_dir, name, ending);
}

tdm_status tdm__app_key_add(const char *state_dir, const char *name, char key[TDM__APP_KEY_TEXT], tdm_error *err)
{
    char folder[FOLDER_CAP], path[PATH_CAP];
    uint8_t random[KEY_BYTES];
    TDM_TRY(check_name(name, err));
    snprintf(folder, sizeof folder, "%.600s/apps", state_dir);
    path_of(state_dir, name, path);
    int rc = tdm__dir_make(folder, 0700);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the folder %s cannot be made", folder);
    if (access(path, F_OK) == 0)
        TDM_FAIL(err, TDM_ERR_BUSY, "%s is there: remove it first, no key is replaced", path);
    rc = tdm__random_fill(random, sizeof random);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot get random bytes for a key");
    tdm__hex_put(random, sizeof random, key);
    OPENSSL_cleanse(random, sizeof random);
    rc = tdm__file_write_atomic(path, key, TDM__APP_KEY_TEXT - 1, 0600);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the application's key cannot be written to %s", path);
}

tdm_status tdm__app_key_remove(const char *state_dir, const char *name, tdm_error *err)
{
    char path[PATH_CAP];
    TDM_TRY(check_name(name, err));
    path_of(state_dir, name, path);
    if (unlink(path) == 0)
        return TDM_OK;
    if (errno == ENOENT)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no application %s: tandem app list names them", name);
    return tdm__fail_os(err, errno, "the key %s cannot be removed", path);
}
