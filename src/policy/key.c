/* key.c - keys by libsodium. The seed comes from the kernel; what held it is wiped. A key file is written like any
 * other state, whole or not at all, and never over an existing one: a lost signing key cannot be made again.
 */
#include "policy/key.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/random.h"

enum { KEY_FILE_BYTES_MAX = 4096, SEED_BYTES = 32, SEED_TEXT = 2 * SEED_BYTES + 1 };
_Static_assert(SEED_BYTES == crypto_sign_SEEDBYTES, "libsodium's seed");
_Static_assert(TDM__SIGNATURE_BYTES == crypto_sign_BYTES, "libsodium's signature");

/* libsodium asks for it before anything else; it may be called by several threads, and again. */
static tdm_status sodium_begin(tdm_error *err)
{
    if (sodium_init() < 0)
        TDM_FAIL(err, TDM_ERR_IO, "libsodium cannot start");
    return TDM_OK;
}

static void set_id(tdm__public_key *k)
{
    char hex[65], object[160];
    tdm__hex_put(k->bytes, sizeof k->bytes, hex);
    int n = snprintf(object, sizeof object,
                     "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},\"scheme\":\"ed25519\"}", hex);
    tdm__sha256_hex(object, (size_t)n, k->id);
}

static void set_from_seed(const uint8_t seed[SEED_BYTES], tdm__secret_key *out)
{
    (void)crypto_sign_seed_keypair(out->public_key.bytes, out->bytes, seed);
    set_id(&out->public_key);
}

tdm_status tdm__key_generate(tdm__secret_key *out, tdm_error *err)
{
    uint8_t seed[SEED_BYTES];
    TDM_TRY(sodium_begin(err));
    int rc = tdm__random_fill(seed, sizeof seed);
    if (rc != 0)
        TDM_FAIL(err, TDM_ERR_IO, "the system gives no random bytes (error %d)", rc);
    set_from_seed(seed, out);
    sodium_memzero(seed, sizeof seed);
    return TDM_OK;
}

void tdm__key_wipe(tdm__secret_key *k) { sodium_memzero(k, sizeof *k); }

static tdm_status path_append(const char *path, const char *suffix, char out[PATH_MAX], tdm_error *err)
{
    int n = snprintf(out, PATH_MAX, "%s%s", path, suffix);
    if (n < 0 || n >= PATH_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of a key has %zu bytes, %d are the most", strlen(path), PATH_MAX - 6);
    return TDM_OK;
}

/* path with the suffix, unless it has it. */
static tdm_status path_with(const char *path, const char *suffix, char out[PATH_MAX], tdm_error *err)
{
    size_t len = strlen(path), n_suffix = strlen(suffix);
    bool has = len > n_suffix && strcmp(path + len - n_suffix, suffix) == 0;
    return path_append(path, has ? "" : suffix, out, err);
}

static tdm_status refuse_existing(const char *path, tdm_error *err)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%.200s exists, and keys are not replaced", path);
    return TDM_OK;
}

tdm_status tdm__key_save(const tdm__secret_key *k, const char *path_base, tdm_error *err)
{
    char secret_path[PATH_MAX], public_path[PATH_MAX], seed[SEED_TEXT], hex[65], secret[200], object[200];
    TDM_TRY(path_append(path_base, ".key", secret_path, err));
    TDM_TRY(path_append(path_base, ".pub", public_path, err));
    TDM_TRY(refuse_existing(secret_path, err));
    TDM_TRY(refuse_existing(public_path, err));
    tdm__hex_put(k->bytes, SEED_BYTES, seed); /* a secret key begins with its seed */
    tdm__hex_put(k->public_key.bytes, sizeof k->public_key.bytes, hex);
    int n_secret = snprintf(secret, sizeof secret,
                            "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"seed\":\"%s\"}\n", seed);
    int n_object = snprintf(object, sizeof object,
                            "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},\"scheme\":\"ed25519\"}\n", hex);
    int rc = tdm__file_write_atomic(secret_path, secret, (size_t)n_secret, 0600);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be written", secret_path);
    rc = tdm__file_write_atomic(public_path, object, (size_t)n_object, 0644);
    if (rc == 0)
        return TDM_OK;
    unlink(secret_path); /* a pair, or nothing */
    return tdm__fail_os(err, rc, "%.200s cannot be written", public_path);
}

static tdm_status read_json(const char *path, json_t **out, tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int rc = tdm__file_read(path, KEY_FILE_BYTES_MAX, &bytes, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.200s is longer than %d bytes and no key", path, KEY_FILE_BYTES_MAX);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    tdm_status s = tdm__json_parse((tdm__str){bytes, len}, path, KEY_FILE_BYTES_MAX, out, err);
    sodium_memzero(bytes, len);
    tdm__free(bytes);
    return s;
}

static tdm_status expect_text(const json_t *object, const char *key, const char *wanted, const char *what,
                              tdm_error *err)
{
    const char *text = NULL;
    TDM_TRY(tdm__json_get_str(object, key, what, &text, err));
    if (strcmp(text, wanted) != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is %.40s, only %s is taken", what, key, text, wanted);
    return TDM_OK;
}

static tdm_status read_secret(const json_t *object, const char *what, tdm__secret_key *out, tdm_error *err)
{
    static const char *const known[] = {"keytype", "scheme", "seed", NULL};
    uint8_t seed[SEED_BYTES];
    const char *text = NULL;
    TDM_TRY(tdm__json_check_keys(object, what, known, err));
    TDM_TRY(expect_text(object, "keytype", "ed25519", what, err));
    TDM_TRY(expect_text(object, "scheme", "ed25519", what, err));
    TDM_TRY(tdm__json_get_str(object, "seed", what, &text, err));
    if (!tdm__hex_get(tdm__str_from(text), seed, sizeof seed))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: seed must be %d lower-case hexadecimal digits", what, 2 * SEED_BYTES);
    set_from_seed(seed, out);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero((char *)text, strlen(text)); /* jansson's own copy, which it frees as it is */
    return TDM_OK;
}

tdm_status tdm__key_load(const char *path, tdm__secret_key *out, tdm_error *err)
{
    char file[PATH_MAX];
    json_t *object = NULL;
    TDM_TRY(sodium_begin(err));
    TDM_TRY(path_with(path, ".key", file, err));
    TDM_TRY(read_json(file, &object, err));
    tdm_status s = read_secret(object, file, out, err);
    json_decref(object);
    return s;
}

tdm_status tdm__public_key_load(const char *path, tdm__public_key *out, tdm_error *err)
{
    char file[PATH_MAX];
    json_t *object = NULL;
    TDM_TRY(path_with(path, ".pub", file, err));
    TDM_TRY(read_json(file, &object, err));
    tdm_status s = tdm__public_key_parse(object, file, out, err);
    json_decref(object);
    return s;
}

tdm_status tdm__public_key_parse(const json_t *object, const char *what, tdm__public_key *out, tdm_error *err)
{
    const json_t *keyval = NULL;
    const char *hex = NULL;
    tdm__public_key k;
    TDM_TRY(sodium_begin(err));
    if (!json_is_object(object))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a key must be an object, it is %s", what, tdm__json_kind(object));
    TDM_TRY(expect_text(object, "keytype", "ed25519", what, err));
    TDM_TRY(expect_text(object, "scheme", "ed25519", what, err));
    TDM_TRY(tdm__json_get_object(object, "keyval", what, &keyval, err));
    TDM_TRY(tdm__json_get_str(keyval, "public", what, &hex, err));
    if (!tdm__hex_get(tdm__str_from(hex), k.bytes, sizeof k.bytes))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a public key must be %zu lower-case hexadecimal digits", what,
                 2 * sizeof k.bytes);
    set_id(&k);
    *out = k;
    return TDM_OK;
}

json_t *tdm__public_key_json(const tdm__public_key *k)
{
    char hex[65];
    tdm__hex_put(k->bytes, sizeof k->bytes, hex);
    return json_pack("{s:s, s:{s:s}, s:s}", "keytype", "ed25519", "keyval", "public", hex, "scheme", "ed25519");
}
