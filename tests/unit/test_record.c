/* test_record.c - device records and tokens: what is believed, and the one reason for which a thing is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/envelope.h"
#include "route/record.h"
#include "signed_maker.h"

enum { T0 = 1739260800, DAY = 86400 }; /* 2025-02-11T08:00:00Z */

static tdm__keyring *keys;

static int open_keys(void **state)
{
    (void)state;
    keys = signed_maker_keyring();
    return 0;
}

static int close_keys(void **state)
{
    (void)state;
    tdm__keyring_destroy(keys);
    return 0;
}

static tdm__device_record plain(void)
{
    tdm__secret_key device;
    signed_maker_key(SIGNED_DEVICE, &device);
    return (tdm__device_record){.device = "DEMO-0001",
                                .device_key = device.public_key,
                                .sku = "A3108-CN/256",
                                .sold_in = "CN",
                                .profile = TDM__PROFILE_ADULT,
                                .issued_unix_s = T0,
                                .expires_unix_s = T0 + 365 * DAY,
                                .is_demo = true};
}

static char *make(const tdm__device_record *r, signed_maker_who who)
{
    tdm__secret_key key;
    tdm_error err = {0};
    char *json = NULL;
    signed_maker_key(who, &key);
    if (tdm__device_record_make(r, &key, &json, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return json;
}

/* Parses and judges; a record that does not parse is FORMAT or SIGNATURE by its status. */
static tdm__record_fault judge(const char *json, const tdm__keyring *by, bool is_demo_root, int64_t now, tdm_error *err)
{
    tdm__device_record r;
    json_t *envelope = NULL;
    *err = (tdm_error){0};
    tdm_status s = tdm__device_record_parse(tdm__str_from(json), &r, &envelope, err);
    if (s != TDM_OK)
        return s == TDM_ERR_INTEGRITY ? TDM__RECORD_SIGNATURE : TDM__RECORD_FORMAT;
    tdm__record_fault f = tdm__device_record_verify(envelope, &r, by, is_demo_root, now, err);
    json_decref(envelope);
    assert_true((f == TDM__RECORD_FINE) == (err->msg[0] == '\0'));
    return f;
}

static void expect(char *json, int64_t now, tdm__record_fault want, const char *words)
{
    tdm_error err;
    tdm__record_fault got = judge(json, keys, true, now, &err);
    if (got != want || !strstr(err.msg, words))
        fail_msg("%d \"%s\" was expected, %d \"%s\" came", want, words, got, err.msg);
    free(json);
}

static void what_is_made_is_read_back_and_believed(void **state)
{
    (void)state;
    tdm__device_record r = plain(), back;
    char *json = make(&r, SIGNED_MAKER);
    assert_int_equal(tdm__device_record_parse(tdm__str_from(json), &back, NULL, NULL), TDM_OK);
    assert_string_equal(back.device, r.device);
    assert_string_equal(back.sku, r.sku);
    assert_string_equal(back.sold_in, "CN");
    assert_int_equal(back.profile, TDM__PROFILE_ADULT);
    assert_true(back.issued_unix_s == T0 && back.expires_unix_s == T0 + 365 * DAY && back.is_demo);
    assert_memory_equal(&back.device_key, &r.device_key, sizeof r.device_key);
    assert_int_equal(strlen(back.sha256), 64);
    expect(json, T0 + 1, TDM__RECORD_FINE, "");
}

static void each_cause_of_disbelief_is_its_own(void **state)
{
    (void)state;
    tdm__device_record r = plain();
    expect(make(&r, SIGNED_STRANGER), T0, TDM__RECORD_KEY_UNKNOWN, "is not in the keyring");
    expect(make(&r, SIGNED_REGULATOR), T0, TDM__RECORD_KEY_UNKNOWN, "is no maker's");
    expect(make(&r, SIGNED_REVOKED), T0, TDM__RECORD_KEY_REVOKED, "was revoked");
    expect(make(&r, SIGNED_MAKER), T0 - 301, TDM__RECORD_NOT_YET_VALID, "begins on 2025-02-11T08:00:00Z");
    expect(make(&r, SIGNED_MAKER), T0 - 300, TDM__RECORD_FINE, "");
    expect(make(&r, SIGNED_MAKER), r.expires_unix_s - 1, TDM__RECORD_FINE, "");
    expect(make(&r, SIGNED_MAKER), r.expires_unix_s, TDM__RECORD_EXPIRED, "ended on 2026-02-11T08:00:00Z");
    r.issued_unix_s = T0 - 365 * DAY; /* before the maker's key began */
    expect(make(&r, SIGNED_MAKER), T0, TDM__RECORD_KEY_UNKNOWN, "was not valid when it was issued");
}

static void a_demonstrations_record_and_a_real_policy_do_not_mix(void **state)
{
    (void)state;
    tdm__device_record r = plain();
    tdm_error err;
    char *json = make(&r, SIGNED_MAKER);
    assert_int_equal(judge(json, keys, false, T0, &err), TDM__RECORD_DEMO);
    free(json);
    r.is_demo = false;
    snprintf(r.device, sizeof r.device, "0001");
    expect(make(&r, SIGNED_MAKER), T0, TDM__RECORD_DEMO, "no demonstration's");
    json = make(&r, SIGNED_MAKER); /* a real record by a demonstration's key */
    assert_int_equal(judge(json, keys, false, T0, &err), TDM__RECORD_DEMO);
    free(json);
}

static void a_maker_key_revoked_later_takes_its_records_with_it(void **state)
{
    (void)state;
    tdm__device_record r = plain();
    tdm_error err;
    tdm__keyring *fewer = NULL;
    char *json = make(&r, SIGNED_MAKER);
    json_t *less = signed_maker_keys_json(SIGNED_MAKER);
    assert_int_equal(tdm__keyring_create(less, true, &fewer, &err), TDM_OK);
    assert_int_equal(judge(json, fewer, true, T0, &err), TDM__RECORD_KEY_REVOKED);
    tdm__keyring_destroy(fewer);
    json_decref(less);
    free(json);
}

/* The signed part with one member replaced (value JSON; NULL: left out), signed anew or still with the old signature.
 */
static char *change(const char *json, const char *key, const char *value, bool sign_anew, signed_maker_who who)
{
    json_t *envelope = json_loads(json, 0, NULL), *body = json_object_get(envelope, "signed");
    if (value)
        json_object_set_new(body, key, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(body, key);
    json_t *result = sign_anew ? signed_maker_sign(json_incref(body), who) : json_incref(envelope);
    char *text = json_dumps(result, 0);
    json_decref(result);
    json_decref(envelope);
    return text;
}

static void a_region_written_over_is_seen(void **state)
{
    (void)state;
    tdm__device_record r = plain();
    char *json = make(&r, SIGNED_MAKER);
    expect(change(json, "sold_in", "\"US\"", false, SIGNED_MAKER), T0, TDM__RECORD_SIGNATURE, "");
    expect(change(json, "profile", "\"child\"", false, SIGNED_MAKER), T0, TDM__RECORD_SIGNATURE, "");
    expect(change(json, "sold_in", "\"US\"", true, SIGNED_DEVICE), T0, TDM__RECORD_SIGNATURE, "signed it itself");
    free(json);
}

static void malformed_members_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *words;
    } bad[] = {
        {"sold_in", "\"cn\"", "sold_in"},
        {"sold_in", "\"CHN\"", "sold_in"},
        {"sold_in", "\"C\"", "sold_in"},
        {"sold_in", "null", "sold_in"},
        {"sold_in", NULL, "sold_in"},
        {"profile", "\"teen\"", "profile"},
        {"profile", "\"ADULT\"", "profile"},
        {"device", "\"\"", "device"},
        {"device", "\"DEMO-a b\"", "device"},
        {"device", "\"0001\"", "DEMO-"},
        {"sku", "\"0123456789012345678901234567890123456789012345678901234567890123456789\"", "sku has 70"},
        {"issued", "\"2027-01-01T00:00:00Z\"", "ends before it begins"},
        {"issued", "\"2025-02-11\"", "issued"},
        {"expires", "1770000000", "expires"},
        {"device_key", "\"\"", "device_key"},
        {"device_key", "{\"keytype\":\"rsa\",\"keyval\":{\"public\":\"00\"},\"scheme\":\"ed25519\"}", "device_key"},
        {"demo", "0", "demo"},
        {"region", "\"US\"", "region"},
        {"_type", "\"filing-entry\"", "_type"},
    };
    tdm__device_record r = plain();
    char *json = make(&r, SIGNED_MAKER);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(change(json, bad[i].key, bad[i].value, true, SIGNED_MAKER), T0, TDM__RECORD_FORMAT, bad[i].words);
    free(json);
}

static void what_is_no_record_is_not_made(void **state)
{
    (void)state;
    tdm__secret_key key;
    char *json = NULL;
    signed_maker_key(SIGNED_MAKER, &key);
    tdm__device_record r = plain();
    memcpy(r.sold_in, "us", 3);
    assert_int_equal(tdm__device_record_make(&r, &key, &json, NULL), TDM_ERR_INVAL);
    r = plain();
    r.expires_unix_s = r.issued_unix_s;
    assert_int_equal(tdm__device_record_make(&r, &key, &json, NULL), TDM_ERR_INVAL);
    r = plain();
    r.is_demo = false;
    assert_int_equal(tdm__device_record_make(&r, &key, &json, NULL), TDM_ERR_INVAL);
    r = plain();
    r.profile = (tdm__profile)0;
    assert_int_equal(tdm__device_record_make(&r, &key, &json, NULL), TDM_ERR_INVAL);
    assert_null(json);
}

static void no_changed_byte_and_no_beginning_is_another_record(void **state)
{
    (void)state;
    tdm__device_record r = plain(), back, good;
    char *json = make(&r, SIGNED_MAKER);
    const size_t len = strlen(json);
    assert_int_equal(tdm__device_record_parse(tdm__str_from(json), &good, NULL, NULL), TDM_OK);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            tdm_error err;
            json[i] = (char)(json[i] ^ (1 << bit));
            if (judge(json, keys, true, T0, &err) == TDM__RECORD_FINE) {
                assert_int_equal(tdm__device_record_parse(tdm__str_from(json), &back, NULL, NULL), TDM_OK);
                assert_string_equal(back.sha256, good.sha256); /* white space */
            }
            json[i] = (char)(json[i] ^ (1 << bit));
        }
    for (size_t n = 0; n < len - 1; n++)
        assert_int_not_equal(tdm__device_record_parse((tdm__str){json, n}, &back, NULL, NULL), TDM_OK);
    free(json);
    char *long_one = calloc(1, TDM__RECORD_BYTES_MAX + 2);
    memset(long_one, ' ', TDM__RECORD_BYTES_MAX + 1);
    assert_int_equal(tdm__device_record_parse(tdm__str_from(long_one), &back, NULL, NULL), TDM_ERR_LIMIT);
    free(long_one);
}

/* ---- tokens ---- */

static tdm__device_record read_plain(void)
{
    tdm__device_record r = plain();
    char *json = make(&r, SIGNED_MAKER);
    assert_int_equal(tdm__device_record_parse(tdm__str_from(json), &r, NULL, NULL), TDM_OK);
    free(json);
    return r;
}

static tdm__device_token token_of(const tdm__device_record *r)
{
    tdm__device_token t = {.gateway = "gateway.demo",
                           .nonce = "000102030405060708090a0b0c0d0e0f",
                           .consent = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                           .issued_unix_s = T0,
                           .expires_unix_s = T0 + TDM__TOKEN_LIFE_MAX_S};
    memcpy(t.record_sha256, r->sha256, sizeof t.record_sha256);
    return t;
}

static char *make_token(const tdm__device_token *t, signed_maker_who who)
{
    tdm__secret_key key;
    char *json = NULL;
    tdm_error err = {0};
    signed_maker_key(who, &key);
    if (tdm__device_token_make(t, &key, &json, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return json;
}

static void expect_token(char *json, const tdm__device_record *r, const char *gateway, int64_t now, tdm_status want,
                         const char *words)
{
    tdm__device_token t = {.nonce = "untouched"};
    tdm_error err = {0};
    tdm_status s = tdm__device_token_verify(tdm__str_from(json), r, gateway, now, &t, &err);
    if (s != want || !strstr(err.msg, words))
        fail_msg("%d \"%s\" was expected, %d \"%s\" came", want, words, s, err.msg);
    assert_true((s == TDM_OK) != (strcmp(t.nonce, "untouched") == 0));
    free(json);
}

static void a_token_is_good_for_its_minutes_its_gateway_its_record(void **state)
{
    (void)state;
    tdm__device_record r = read_plain(), other = plain();
    tdm__device_token t = token_of(&r);
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0, TDM_OK, "");
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0 + 299, TDM_OK, "");
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0 + 300, TDM_ERR_TIMEOUT, "ended 0 s ago");
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0 - 60, TDM_OK, "");
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0 - 61, TDM_ERR_TIMEOUT, "begins 61 s from now");
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.other", T0, TDM_ERR_INTEGRITY, "another gateway");
    expect_token(make_token(&t, SIGNED_MAKER), &r, "gateway.demo", T0, TDM_ERR_INTEGRITY, "not signed by the key");
    expect_token(make_token(&t, SIGNED_STRANGER), &r, "gateway.demo", T0, TDM_ERR_INTEGRITY, "not signed by the key");
    memcpy(other.sold_in, "US", 3); /* the same device and key, another region of sale */
    char *json = make(&other, SIGNED_MAKER);
    assert_int_equal(tdm__device_record_parse(tdm__str_from(json), &other, NULL, NULL), TDM_OK);
    free(json);
    expect_token(make_token(&t, SIGNED_DEVICE), &other, "gateway.demo", T0, TDM_ERR_INTEGRITY, "another device record");
}

/* What a gateway keeps to see a replay: the nonce of a good token, which a changed copy cannot have. */
static void a_replay_shows_by_its_nonce(void **state)
{
    (void)state;
    tdm__device_record r = read_plain();
    tdm__device_token t = token_of(&r), first, second;
    char *json = make_token(&t, SIGNED_DEVICE);
    assert_int_equal(tdm__device_token_verify(tdm__str_from(json), &r, "gateway.demo", T0, &first, NULL), TDM_OK);
    assert_int_equal(tdm__device_token_verify(tdm__str_from(json), &r, "gateway.demo", T0 + 9, &second, NULL), TDM_OK);
    assert_string_equal(first.nonce, t.nonce);
    assert_string_equal(second.nonce, first.nonce);
    assert_string_equal(first.consent, t.consent);
    expect_token(change(json, "nonce", "\"00000000000000000000000000000000\"", false, SIGNED_DEVICE), &r,
                 "gateway.demo", T0, TDM_ERR_INTEGRITY, "");
    expect_token(change(json, "expires", "\"2025-02-11T08:04:00Z\"", false, SIGNED_DEVICE), &r, "gateway.demo", T0,
                 TDM_ERR_INTEGRITY, "");
    free(json);
}

static void malformed_tokens_are_refused_whoever_signs(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *words;
    } bad[] = {
        {"expires", "\"2025-02-11T08:05:01Z\"", "lives 301 s"},
        {"expires", "\"2025-02-11T08:00:00Z\"", "lives 0 s"},
        {"nonce", "\"0001\"", "hexadecimal"},
        {"nonce", "\"\"", "hexadecimal"},
        {"nonce", NULL, "nonce"},
        {"consent", "\"yes\"", "hexadecimal"},
        {"record", "\"\"", "hexadecimal"},
        {"gateway", "\"\"", "gateway is empty"},
        {"gateway", "\"0123456789012345678901234567890123456789012345678901234567890123456789\"", "gateway has 70"},
        {"region", "\"US\"", "region"},
        {"_type", "\"device-record\"", "_type"},
    };
    tdm__device_record r = read_plain();
    tdm__device_token t = token_of(&r);
    char *json = make_token(&t, SIGNED_DEVICE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_token(change(json, bad[i].key, bad[i].value, true, SIGNED_DEVICE), &r, "gateway.demo", T0,
                     TDM_ERR_FORMAT, bad[i].words);
    for (size_t n = 0; n < strlen(json); n++)
        assert_int_not_equal(tdm__device_token_verify((tdm__str){json, n}, &r, "gateway.demo", T0, &t, NULL), TDM_OK);
    free(json);
    t = token_of(&r);
    t.consent[0] = '\0'; /* without consent: the gateway decides what that is worth */
    expect_token(make_token(&t, SIGNED_DEVICE), &r, "gateway.demo", T0, TDM_OK, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_is_read_back_and_believed),
        cmocka_unit_test(each_cause_of_disbelief_is_its_own),
        cmocka_unit_test(a_demonstrations_record_and_a_real_policy_do_not_mix),
        cmocka_unit_test(a_maker_key_revoked_later_takes_its_records_with_it),
        cmocka_unit_test(a_region_written_over_is_seen),
        cmocka_unit_test(malformed_members_are_refused_by_name),
        cmocka_unit_test(what_is_no_record_is_not_made),
        cmocka_unit_test(no_changed_byte_and_no_beginning_is_another_record),
        cmocka_unit_test(a_token_is_good_for_its_minutes_its_gateway_its_record),
        cmocka_unit_test(a_replay_shows_by_its_nonce),
        cmocka_unit_test(malformed_tokens_are_refused_whoever_signs),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
