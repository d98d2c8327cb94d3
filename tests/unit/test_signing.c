/* test_signing.c - strict JSON, the canonical form, times, keys, envelopes and the keyring.
 *
 * The key pair is the first of RFC 8032, 7.1; its id, the canonical form and the signature over it were made by
 * securesystemslib 1.6.0 (tests/e2e/test_canonical_json.py compares thousands of documents with it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "base/sha256.h"
#include "os/file.h"
#include "policy/envelope.h"
#include "policy/keyring.h"

#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEYID "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916"
#define DOCUMENT                                                                                                       \
    "{\"text\":\"a \\\"b\\\" \\\\ \\u00e9 \\u4e2d \\ud83d\\ude00\",\"_type\":\"device-record\",\"n\":-5,"              \
    "\"list\":[1,true,null,{}],\"z\":{\"b\":1,\"a\":2,\"ab\":3,\"\\u00e9\":4,\"\\ud83d\\ude00\":5,\"\\uffff\":6}}"
#define CANONICAL                                                                                                      \
    "{\"_type\":\"device-record\",\"list\":[1,true,null,{}],\"n\":-5,"                                                 \
    "\"text\":\"a \\\"b\\\" \\\\ \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80\","                                            \
    "\"z\":{\"a\":2,\"ab\":3,\"b\":1,\"\xc3\xa9\":4,\"\xef\xbf\xbf\":6,\"\xf0\x9f\x98\x80\":5}}"
#define DIGEST "0c8f3a215191a996403ae2785007f2bfa7da15be8a53cf40734788f48625594d"
#define SIGNATURE                                                                                                      \
    "a44224811bfeef1bb7d876478a7657fbf9082197be5514ea2a6118941f9f502a"                                                 \
    "c2e3a295fec4d0ef02fc4dad4633c6520a7f627cc8be9a5b08fbf4eac5a0cf0c"

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    tdm_error err = {0};
    if (tdm__json_parse(tdm__str_from(text), "text", 1 << 20, &v, &err) != TDM_OK)
        fail_msg("%s: %s", text, err.msg);
    return v;
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(tdm__file_write_atomic(path, text, strlen(text), 0600), 0);
}

static char *temporary_dir(void)
{
    static char dir[64];
    snprintf(dir, sizeof dir, "/tmp/tandem-signing-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void load_known_key(tdm__secret_key *k)
{
    char *dir = temporary_dir(), path[96];
    snprintf(path, sizeof path, "%s/a.key", dir);
    write_text(path, "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"seed\":\"" SEED "\"}");
    assert_int_equal(tdm__key_load(path, k, NULL), TDM_OK);
    unlink(path);
    rmdir(dir);
}

static void json_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "empty"},
        {"{\"a\":1}x", "follows"},
        {"{\"a\":1,\"a\":2}", "twice"},
        {"{\"a\":\"\xff\"}", "UTF-8"},
        {"{\"a\":\"\\u0000\"}", "U+0000"},
        {"{\"a\":\"\\ud800\"}", "surrogate"},
        {"{\"a\":99999999999999999999}", "too large"},
        {"{\"a\":", "too early"},
        {"17", "syntax"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = NULL;
        tdm_error err = {0};
        assert_int_equal(tdm__json_parse(tdm__str_from(cases[i].text), "the record", 1000, &v, &err), TDM_ERR_FORMAT);
        assert_null(v);
        assert_non_null(strstr(err.msg, "the record"));
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.msg, cases[i].says);
    }
    json_t *v = NULL;
    assert_int_equal(tdm__json_parse(TDM_STR("{\"a\":1}"), "the record", 6, &v, NULL), TDM_ERR_LIMIT);
}

static void members_that_are_missing_or_of_another_type_are_named(void **state)
{
    (void)state;
    json_t *o = parse("{\"s\":\"x\",\"i\":7,\"b\":true,\"a\":[1,2],\"o\":{},"
                      "\"t\":\"2025-02-11T08:00:00Z\",\"bad\":\"now\"}");
    const char *s;
    const json_t *v;
    int64_t n;
    bool b;
    tdm_error err = {0};
    assert_int_equal(tdm__json_get_str(o, "s", "x", &s, &err), TDM_OK);
    assert_int_equal(tdm__json_get_str(o, "i", "record", &s, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "record: i must be a string, it is an integer");
    assert_int_equal(tdm__json_get_str(o, "zz", "record", &s, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "record: zz must be a string, it is missing");
    assert_int_equal(tdm__json_get_int(o, "i", "record", 0, 7, &n, &err), TDM_OK);
    assert_int_equal(tdm__json_get_int(o, "i", "record", 0, 6, &n, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "record: i is 7, 0 to 6 is allowed");
    assert_int_equal(tdm__json_get_bool(o, "b", "record", &b, &err), TDM_OK);
    assert_int_equal(tdm__json_get_bool(o, "i", "record", &b, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__json_get_array(o, "a", "record", 2, &v, &err), TDM_OK);
    assert_int_equal(tdm__json_get_array(o, "a", "record", 1, &v, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__json_get_object(o, "o", "record", &v, &err), TDM_OK);
    assert_int_equal(tdm__json_get_object(o, "a", "record", &v, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__json_get_time(o, "t", "record", &n, &err), TDM_OK);
    assert_int_equal(n, 1739260800);
    assert_int_equal(tdm__json_get_time(o, "bad", "record", &n, &err), TDM_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "record: bad: \"now\""));
    json_decref(o);
}

static void an_unknown_key_gets_the_nearest_known_one(void **state)
{
    (void)state;
    static const char *const known[] = {"sold_in", "profile", NULL};
    json_t *o = parse("{\"sold_on\":1}"), *fine = parse("{\"sold_in\":1}");
    tdm_error err = {0};
    assert_int_equal(tdm__json_check_keys(o, "record", known, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "record: sold_on is not known, sold_in is the nearest");
    assert_int_equal(tdm__json_check_keys(fine, "record", known, &err), TDM_OK);
    json_decref(o);
    json_decref(fine);
}

static void the_canonical_form_is_securesystemslibs(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 4096);
    json_t *v = parse(DOCUMENT);
    assert_int_equal(tdm__json_canonical(v, &b, NULL), TDM_OK);
    assert_string_equal(tdm__buf_cstr(&b), CANONICAL);
    json_decref(v);
    tdm__buf_fini(&b);
}

static void what_has_no_one_canonical_form_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"[1.5]", "[1e3]", "[\"\\n\"]", "[\"\\u001f\"]", "[\"\\u007f\"]", "{\"\\t\":1}"};
    tdm__buf b;
    tdm__buf_init(&b, 64);
    assert_int_equal(tdm__buf_append_z(&b, "kept"), TDM_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = parse(cases[i]);
        assert_int_equal(tdm__json_canonical(v, &b, NULL), TDM_ERR_FORMAT);
        assert_string_equal(tdm__buf_cstr(&b), "kept");
        json_decref(v);
    }
    json_t *deep = json_array(); /* made by a program, where no parser bounded it */
    for (int i = 0; i < 2 * TDM__JSON_DEPTH_MAX; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = outer;
    }
    tdm__buf_fini(&b);
    tdm__buf_init(&b, 4096);
    assert_int_equal(tdm__json_canonical(deep, &b, NULL), TDM_ERR_FORMAT);
    json_decref(deep);
    tdm__buf_fini(&b);
}

static void times_go_there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_s; /* by date -u +%s */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},          {"2000-02-29T23:59:59Z", 951868799},
        {"2025-02-11T08:00:00Z", 1739260800}, {"2024-12-31T23:59:59Z", 1735689599},
        {"2100-03-01T00:00:00Z", 4107542400}, {"9999-12-31T23:59:59Z", 253402300799},
    };
    char text[TDM__RFC3339_TEXT];
    int64_t t = -1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tdm__rfc3339_parse(tdm__str_from(cases[i].text), &t, NULL), TDM_OK);
        assert_int_equal(t, cases[i].unix_s);
        tdm__rfc3339_put(t, text);
        assert_string_equal(text, cases[i].text);
    }
    for (int64_t day = 0; day < 200000; day += 1) { /* to the year 2517 */
        int64_t there = day * 86400 + day % 86400;
        tdm__rfc3339_put(there, text);
        assert_int_equal(tdm__rfc3339_parse(tdm__str_from(text), &t, NULL), TDM_OK);
        assert_int_equal(t, there);
    }
}

static void times_of_another_form_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "2025-02-11",
                                        "2025-02-11T08:00:00",
                                        "2025-02-11T08:00:00+00:00",
                                        "2025-02-11t08:00:00z",
                                        "2025-02-11T08:00:00.5Z",
                                        "2025-02-29T08:00:00Z",
                                        "2100-02-29T08:00:00Z",
                                        "2025-13-01T08:00:00Z",
                                        "2025-00-01T08:00:00Z",
                                        "2025-01-00T08:00:00Z",
                                        "2025-01-01T24:00:00Z",
                                        "2025-01-01T23:60:00Z",
                                        "2016-12-31T23:59:60Z",
                                        "1969-12-31T23:59:59Z",
                                        "+025-01-01T00:00:00Z",
                                        " 2025-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t t = 0;
        assert_int_equal(tdm__rfc3339_parse(tdm__str_from(cases[i]), &t, NULL), TDM_ERR_FORMAT);
    }
}

static void hexadecimal_text_has_one_spelling(void **state)
{
    (void)state;
    uint8_t bytes[3] = {0};
    char text[7];
    assert_true(tdm__hex_get(TDM_STR("00ff1a"), bytes, 3));
    tdm__hex_put(bytes, 3, text);
    assert_string_equal(text, "00ff1a");
    assert_false(tdm__hex_get(TDM_STR("00FF1a"), bytes, 3));
    assert_false(tdm__hex_get(TDM_STR("00ff1"), bytes, 3));
    assert_false(tdm__hex_get(TDM_STR("00ff1a0"), bytes, 3));
    assert_false(tdm__hex_get(TDM_STR("00ff1g"), bytes, 3));
    char digest[TDM__SHA256_TEXT];
    tdm__sha256_hex("abc", 3, digest); /* FIPS 180-4's example */
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tdm__sha256_hex(NULL, 0, digest);
    assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_keys_id_is_securesystemslibs(void **state)
{
    (void)state;
    tdm__secret_key k;
    load_known_key(&k);
    assert_string_equal(k.public_key.id, KEYID);
    json_t *object = tdm__public_key_json(&k.public_key);
    assert_string_equal(json_string_value(json_object_get(json_object_get(object, "keyval"), "public")), PUBLIC);
    tdm__public_key again;
    assert_int_equal(tdm__public_key_parse(object, "key", &again, NULL), TDM_OK);
    assert_string_equal(again.id, KEYID);
    json_decref(object);
    tdm__key_wipe(&k);
    static const tdm__secret_key zero;
    assert_memory_equal(&k, &zero, sizeof k);
}

static void keys_are_saved_once_and_for_their_owner_alone(void **state)
{
    (void)state;
    char *dir = temporary_dir(), base[96], secret_path[96], public_path[96];
    snprintf(base, sizeof base, "%s/maker", dir);
    snprintf(secret_path, sizeof secret_path, "%s/maker.key", dir);
    snprintf(public_path, sizeof public_path, "%s/maker.pub", dir);
    tdm__secret_key k, back;
    tdm__public_key public_key;
    assert_int_equal(tdm__key_generate(&k, NULL), TDM_OK);
    assert_int_equal(tdm__key_save(&k, base, NULL), TDM_OK);
    struct stat st;
    assert_int_equal(stat(secret_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tdm__key_save(&k, base, NULL), TDM_ERR_INVAL);
    assert_int_equal(unlink(secret_path), 0);
    assert_int_equal(tdm__key_save(&k, base, NULL), TDM_ERR_INVAL); /* the public half alone also stays */
    assert_int_equal(stat(secret_path, &st), -1);
    assert_int_equal(unlink(public_path), 0);
    assert_int_equal(tdm__key_save(&k, base, NULL), TDM_OK);
    assert_int_equal(tdm__key_load(base, &back, NULL), TDM_OK);
    assert_memory_equal(&k, &back, sizeof k);
    assert_int_equal(tdm__public_key_load(public_path, &public_key, NULL), TDM_OK);
    assert_string_equal(public_key.id, k.public_key.id);
    write_text(secret_path, "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"seed\":\"short\"}");
    assert_int_equal(tdm__key_load(base, &back, NULL), TDM_ERR_FORMAT);
    write_text(public_path, "{\"keytype\":\"rsa\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"" PUBLIC "\"}}");
    assert_int_equal(tdm__public_key_load(base, &public_key, NULL), TDM_ERR_FORMAT);
    unlink(secret_path);
    unlink(public_path);
    assert_int_equal(tdm__key_load(base, &back, NULL), TDM_ERR_NOT_FOUND);
    rmdir(dir);
}

static void an_envelope_verifies_as_securesystemslib_signed_it(void **state)
{
    (void)state;
    json_t *e = NULL;
    char digest[TDM__SHA256_TEXT];
    tdm__secret_key k;
    load_known_key(&k);
    static const char text[] =
        "{\"signed\":" DOCUMENT ",\"signatures\":[{\"keyid\":\"" KEYID "\",\"sig\":\"" SIGNATURE "\"}]}";
    assert_int_equal(tdm__envelope_parse(tdm__str_from(text), "device-record", "record", &e, NULL), TDM_OK);
    assert_string_equal(tdm__envelope_signer(e), KEYID);
    assert_int_equal(tdm__envelope_verify(e, &k.public_key, "record", NULL), TDM_OK);
    assert_int_equal(tdm__envelope_digest(e, digest, NULL), TDM_OK);
    assert_string_equal(digest, DIGEST);

    json_t *ours = tdm__envelope_create(json_object_get(e, "signed"));
    assert_null(tdm__envelope_signer(ours));
    assert_int_equal(tdm__envelope_sign(ours, &k, NULL), TDM_OK);
    assert_int_equal(tdm__envelope_sign(ours, &k, NULL), TDM_OK); /* in the place of the first */
    assert_true(json_equal(ours, e));

    json_object_set_new(json_object_get(e, "signed"), "n", json_integer(-6)); /* ours has the same "signed" */
    assert_int_equal(tdm__envelope_verify(e, &k.public_key, "record", NULL), TDM_ERR_INTEGRITY);
    tdm__secret_key other;
    assert_int_equal(tdm__key_generate(&other, NULL), TDM_OK);
    assert_int_equal(tdm__envelope_verify(e, &other.public_key, "record", NULL), TDM_ERR_INTEGRITY);
    json_decref(ours);
    json_decref(e);
}

static void good_signatures_are_counted_by_key(void **state)
{
    (void)state;
    tdm__secret_key k[3];
    const tdm__public_key *keys[3];
    json_t *signed_part = parse(DOCUMENT), *e = tdm__envelope_create(signed_part);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tdm__key_generate(&k[i], NULL), TDM_OK);
        keys[i] = &k[i].public_key;
    }
    size_t n = 9;
    assert_int_equal(tdm__envelope_count_good(e, keys, 3, &n, NULL), TDM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(tdm__envelope_sign(e, &k[0], NULL), TDM_OK);
    assert_int_equal(tdm__envelope_sign(e, &k[2], NULL), TDM_OK);
    assert_int_equal(tdm__envelope_count_good(e, keys, 3, &n, NULL), TDM_OK);
    assert_int_equal(n, 2);
    assert_null(tdm__envelope_signer(e));
    json_decref(signed_part);
    json_decref(e);
}

static void envelopes_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]", "must be an object"},
        {"{\"signatures\":[]}", "signed must be an object"},
        {"{\"signed\":{},\"signatures\":[]}", "_type must be a string"},
        {"{\"signed\":{\"_type\":\"verdict\"},\"signatures\":[]}", "_type is verdict, device-record is needed"},
        {"{\"signed\":{\"_type\":\"device-record\"}}", "signatures must be an array"},
        {"{\"signed\":{\"_type\":\"device-record\"},\"signatures\":[1]}", "signatures[0] must be an object"},
        {"{\"signed\":{\"_type\":\"device-record\"},\"signatures\":[{\"keyid\":\"a\"}]}", "sig must be a string"},
        {"{\"signed\":{\"_type\":\"device-record\"},\"signatures\":[{\"keyid\":\"\",\"sig\":\"\"}]}", "keyid of 0"},
        {"{\"signed\":{\"_type\":\"device-record\"},\"signatures\":[{\"keyid\":\"a\",\"sig\":\"\"},"
         "{\"keyid\":\"a\",\"sig\":\"00\"}]}",
         "signs it twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *e = NULL;
        tdm_error err = {0};
        assert_int_equal(tdm__envelope_parse(tdm__str_from(cases[i].text), "device-record", "record", &e, &err),
                         TDM_ERR_FORMAT);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.msg, cases[i].says);
    }
}

#define KEY_OBJECT(hex) "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"" hex "\"},\"scheme\":\"ed25519\"}"
#define ENTRY(id, hex, role, more)                                                                                     \
    "{\"id\":\"" id "\",\"key\":" KEY_OBJECT(hex) ",\"name\":{\"en\":\"N\",\"zh\":\"\xe5\x90\x8d\"},\"role\":\"" role  \
    "\",\"markets\":[\"CN\",\"HK\"],\"valid_from\":\"2025-01-01T00:00:00Z\",\"valid_to\":\"2026-01-01T00:00:00Z\""     \
    more "}"
#define KEYS(demo, list) "{\"_type\":\"keys\",\"demo\":" demo ",\"keys\":[" list "]}"
#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"

enum { IN_2025 = 1739260800 };

static void a_keyring_says_why_a_signer_is_not_believed(void **state)
{
    (void)state;
    json_t *keys = parse(KEYS("true", ENTRY("DEMO-CAC", PUBLIC, "regulator", "") "," ENTRY(
                                          "OLD", ZERO_KEY, "maker", ",\"revoked\":true")));
    tdm__keyring *k = NULL;
    tdm__key_fault fault;
    assert_int_equal(tdm__keyring_create(keys, true, &k, NULL), TDM_OK);
    json_decref(keys); /* the keyring has a reference of its own */
    assert_int_equal(tdm__keyring_n(k), 2);
    const tdm__keyring_entry *e = tdm__keyring_find(k, KEYID, TDM__KEY_REGULATOR, "CN", IN_2025, &fault);
    assert_non_null(e);
    assert_int_equal(fault, TDM__KEY_FINE);
    assert_string_equal(e->id, "DEMO-CAC");
    assert_string_equal(e->name_en, "N");
    assert_true(e->is_demo);
    assert_ptr_equal(tdm__keyring_find(k, KEYID, TDM__KEY_REGULATOR, NULL, IN_2025, &fault), e);
    assert_null(tdm__keyring_find(k, KEYID, TDM__KEY_REGULATOR, "US", IN_2025, &fault));
    assert_int_equal(fault, TDM__KEY_OTHER_MARKET);
    assert_null(tdm__keyring_find(k, KEYID, TDM__KEY_MAKER, "CN", IN_2025, &fault));
    assert_int_equal(fault, TDM__KEY_OTHER_ROLE);
    assert_null(tdm__keyring_find(k, KEYID, TDM__KEY_REGULATOR, "CN", IN_2025 + 31536000, &fault));
    assert_int_equal(fault, TDM__KEY_NOT_VALID_THEN);
    assert_null(tdm__keyring_find(k, KEYID, TDM__KEY_REGULATOR, "CN", IN_2025 - 31536000, &fault));
    assert_int_equal(fault, TDM__KEY_NOT_VALID_THEN);
    assert_null(tdm__keyring_find(k, tdm__keyring_at(k, 1)->key.id, TDM__KEY_MAKER, "CN", IN_2025, &fault));
    assert_int_equal(fault, TDM__KEY_REVOKED);
    assert_null(tdm__keyring_find(k, DIGEST, TDM__KEY_MAKER, "CN", IN_2025, &fault));
    assert_int_equal(fault, TDM__KEY_UNKNOWN);
    assert_null(tdm__keyring_find(k, NULL, TDM__KEY_MAKER, "CN", IN_2025, &fault));
    assert_int_equal(fault, TDM__KEY_UNKNOWN);
    tdm__keyring_destroy(k);
}

static void keyrings_that_mix_or_are_not_understood_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_demo_root;
        tdm_status status;
    } cases[] = {
        {KEYS("true", ""), false, TDM_ERR_INTEGRITY},
        {KEYS("false", ""), true, TDM_ERR_INTEGRITY},
        {KEYS("false", ENTRY("A", PUBLIC, "maker", ",\"demo\":true")), false, TDM_ERR_INTEGRITY},
        {KEYS("false", ENTRY("A", PUBLIC, "owner", "")), false, TDM_ERR_FORMAT},
        {KEYS("false", ENTRY("A", PUBLIC, "maker", ",\"may_sign\":1")), false, TDM_ERR_FORMAT},
        {KEYS("false", ENTRY("A", PUBLIC, "maker", "") "," ENTRY("B", PUBLIC, "maker", "")), false, TDM_ERR_FORMAT},
        {KEYS("false", ENTRY("A", PUBLIC, "maker", "") "," ENTRY("A", ZERO_KEY, "maker", "")), false, TDM_ERR_FORMAT},
        {KEYS("false", ENTRY("", PUBLIC, "maker", "")), false, TDM_ERR_FORMAT},
        {KEYS("false", ENTRY("A", "00", "maker", "")), false, TDM_ERR_FORMAT},
        {"{\"_type\":\"policy\",\"demo\":false,\"keys\":[]}", false, TDM_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *keys = parse(cases[i].text);
        tdm__keyring *k = NULL;
        assert_int_equal(tdm__keyring_create(keys, cases[i].is_demo_root, &k, NULL), cases[i].status);
        assert_null(k);
        json_decref(keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(members_that_are_missing_or_of_another_type_are_named),
        cmocka_unit_test(an_unknown_key_gets_the_nearest_known_one),
        cmocka_unit_test(the_canonical_form_is_securesystemslibs),
        cmocka_unit_test(what_has_no_one_canonical_form_is_refused),
        cmocka_unit_test(times_go_there_and_back),
        cmocka_unit_test(times_of_another_form_are_refused),
        cmocka_unit_test(hexadecimal_text_has_one_spelling),
        cmocka_unit_test(a_keys_id_is_securesystemslibs),
        cmocka_unit_test(keys_are_saved_once_and_for_their_owner_alone),
        cmocka_unit_test(an_envelope_verifies_as_securesystemslib_signed_it),
        cmocka_unit_test(good_signatures_are_counted_by_key),
        cmocka_unit_test(envelopes_of_another_shape_are_refused),
        cmocka_unit_test(a_keyring_says_why_a_signer_is_not_believed),
        cmocka_unit_test(keyrings_that_mix_or_are_not_understood_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
