/* authority.c - opening the demonstration's authority, and publishing what it says. */
#include "desk/authority.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/repository.h"
#include "policy/trust.h"

enum { FILE_BYTES_MAX = 4 << 20 };

void tdm__authority_path(const tdm__authority *a, char out[TDM__AUTHORITY_PATH_MAX], const char *fmt, ...)
{
    int n = snprintf(out, TDM__AUTHORITY_PATH_MAX, "%s/", a->dir);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out + n, TDM__AUTHORITY_PATH_MAX - (size_t)n, fmt, ap);
    va_end(ap);
}

bool tdm__authority_is_name(const char *name)
{
    const size_t n = strlen(name);
    return n > 0 && n <= TDM__AUTHORITY_NAME_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static tdm_status read_text(const char *path, char **out, size_t *len, tdm_error *err)
{
    int rc = tdm__file_read(path, FILE_BYTES_MAX, out, len);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "%s cannot be read", path);
}

tdm_status tdm__authority_read_json(const tdm__authority *a, const char *name, json_t **out, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX], *text = NULL;
    size_t len = 0;
    tdm__authority_path(a, path, "%s", name);
    TDM_TRY(read_text(path, &text, &len, err));
    tdm_status s = tdm__json_parse((tdm__str){text, len}, name, FILE_BYTES_MAX, out, err);
    tdm__free(text);
    return s;
}

/* The repository as a phone would see it: keyring, version, and that it is a demonstration's. */
static tdm_status look_at_repository(tdm__authority *a, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX], *root = NULL;
    size_t root_len = 0;
    tdm__trust_source source;
    tdm__trust *trust = NULL;
    tdm__trust_fault fault;
    tdm__trust_target keys;
    tdm__keyring *ring = NULL;
    json_t *json = NULL;
    tdm__authority_path(a, path, "repo/metadata/1.root.json");
    TDM_TRY(read_text(path, &root, &root_len, err));
    tdm__authority_path(a, path, "repo");
    tdm_status s = tdm__trust_source_folder(path, &source, err);
    if (s == TDM_OK) {
        s = tdm__trust_verify((tdm__str){root, root_len}, &source, tdm__clock_unix_s(), &trust, &fault, err);
        tdm__trust_source_fini(&source);
    }
    tdm__free(root);
    if (s == TDM_OK && !tdm__trust_is_demo(trust))
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "%s is no demonstration's repository: desks open demo keys only", path);
    if (s == TDM_OK)
        s = tdm__trust_get_target(trust, "keys.json", &keys, err);
    if (s == TDM_OK)
        s = tdm__json_parse(keys.bytes, "keys.json", keys.bytes.len, &json, err);
    if (s == TDM_OK)
        s = tdm__keyring_create(json, true, &ring, err);
    if (s == TDM_OK) {
        tdm__keyring_destroy(a->keys);
        a->keys = ring;
        a->version = tdm__trust_version(trust);
    }
    json_decref(json);
    tdm__trust_destroy(trust);
    return s;
}

/* A timestamp that ran out while nothing ran is signed anew before anybody looks. */
static tdm_status open_repository(tdm__authority *a, tdm_error *err)
{
    if (look_at_repository(a, err) == TDM_OK)
        return TDM_OK;
    TDM_TRY(tdm__authority_publish(a, tdm__clock_unix_s(), err));
    return TDM_OK;
}

tdm_status tdm__authority_open(const char *dir, tdm__authority *out, tdm_error *err)
{
    tdm__authority a = {0};
    char path[TDM__AUTHORITY_PATH_MAX], *key = NULL;
    size_t len = 0;
    if (strlen(dir) >= sizeof a.dir)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the authority's path has %zu bytes, the limit is %zu", strlen(dir),
                 sizeof a.dir - 1);
    memcpy(a.dir, dir, strlen(dir) + 1);
    tdm__authority_path(&a, path, "desk.key");
    TDM_TRY(read_text(path, &key, &len, err));
    while (len > 0 && key[len - 1] == '\n')
        len--;
    const bool fine = len == sizeof a.desk_key - 1;
    if (fine)
        memcpy(a.desk_key, key, len);
    tdm__free(key);
    if (!fine)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s does not hold 64 hexadecimal digits", path);
    tdm_status s = open_repository(&a, err);
    if (s != TDM_OK) {
        tdm__authority_close(&a);
        return s;
    }
    *out = a;
    return TDM_OK;
}

void tdm__authority_close(tdm__authority *a)
{
    tdm__keyring_destroy(a->keys);
    *a = (tdm__authority){0};
}

/* ---- publishing ---- */

/* Signs what waits for the role with every key of it that is here. A role that nothing waits for is passed over. */
static tdm_status sign_role(tdm__authority *a, const char *role, int64_t now_unix_s, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX], repo[TDM__AUTHORITY_PATH_MAX];
    tdm__authority_path(a, repo, "repo");
    tdm__authority_path(a, path, "keys/%s.key", role);
    tdm__secret_key key;
    TDM_TRY(tdm__key_load(path, &key, err));
    tdm_status s = tdm__repository_sign(repo, role, &key, now_unix_s, err);
    tdm__key_wipe(&key);
    return s == TDM_ERR_NOT_FOUND ? TDM_OK : s;
}

static tdm_status sign_markets(tdm__authority *a, int64_t now_unix_s, tdm_error *err)
{
    const tdm__keyring *ring = a->keys;
    char done[256] = " ";
    for (size_t i = 0; ring && i < tdm__keyring_n(ring); i++) {
        const tdm__keyring_entry *e = tdm__keyring_at(ring, i);
        for (size_t k = 0; k < e->n_markets; k++) {
            char role[32], word[32];
            snprintf(word, sizeof word, " %.8s ", e->markets[k]);
            if (strstr(done, word) || strlen(done) + strlen(word) >= sizeof done)
                continue;
            snprintf(done + strlen(done), sizeof done - strlen(done), "%s", word + 1);
            snprintf(role, sizeof role, "market-%.8s", e->markets[k]);
            TDM_TRY(sign_role(a, role, now_unix_s, err));
        }
    }
    return TDM_OK;
}

tdm_status tdm__authority_publish(tdm__authority *a, int64_t now_unix_s, tdm_error *err)
{
    char in[TDM__AUTHORITY_PATH_MAX], repo[TDM__AUTHORITY_PATH_MAX];
    tdm__authority_path(a, in, "in");
    tdm__authority_path(a, repo, "repo");
    TDM_TRY(tdm__repository_make(in, repo, now_unix_s, err));
    TDM_TRY(sign_role(a, "targets", now_unix_s, err));
    TDM_TRY(sign_markets(a, now_unix_s, err));
    TDM_TRY(sign_role(a, "snapshot", now_unix_s, err));
    TDM_TRY(sign_role(a, "timestamp", now_unix_s, err));
    return look_at_repository(a, err);
}

tdm_status tdm__authority_renew(tdm__authority *a, int64_t now_unix_s, tdm_error *err)
{
    TDM_TRY(sign_role(a, "timestamp", now_unix_s, err));
    return look_at_repository(a, err);
}
