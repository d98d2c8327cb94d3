/* fuzz_filing.c - approval cases over arbitrary bytes, and over arbitrary entries that are well signed and linked.
 *
 * Bytes alone hardly get past the first signature. So an input that is a JSON array is read as a list of entries to be:
 * each is linked, signed by the key that its "who" names, and only then given to the reader. What is accepted must be
 * safe as a file's name, must have come its whole way, and must read back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "case_maker.h"
#include "fuzz.h"
#include "policy/envelope.h"

enum { NOW = CASE_T0 + 100000 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_case(const tdm__filing_case *c)
{
    const char *id = tdm__filing_case_id(c);
    check(id[0] != '\0' && id[0] != '-' && !strpbrk(id, "/.") && strlen(id) <= TDM__FILING_ID_MAX);
    check(tdm__filing_case_is_demo(c) && tdm__filing_case_n_features(c) > 0 && tdm__filing_case_n_models(c) > 0);
    const tdm__filing_state s = tdm__filing_case_state(c, NOW);
    check(s != TDM__FILING_NONE);
    if (s == TDM__FILING_APPROVED || s == TDM__FILING_EXPIRED)
        check(tdm__filing_case_has_section(c, "maker") && tdm__filing_case_has_section(c, "provider") &&
              tdm__filing_case_is_hypothetical(c) && tdm__filing_case_n_entries(c) >= 5);
    check(tdm__filing_case_check_growth(c, c, NULL) == TDM_OK);
    json_t *view = tdm__filing_case_json(c, NOW);
    check(view != NULL);
    json_decref(view);
}

static void read_case(tdm__str json, const tdm__keyring *keys)
{
    tdm__filing_case *c = NULL, *unchecked = NULL;
    tdm_error err = {0};
    const tdm_status s = tdm__filing_case_create(json, keys, NOW, &c, &err);
    check((s == TDM_OK) == (c != NULL) && (c || err.msg[0] != '\0'));
    (void)tdm__filing_case_create_unchecked(json, NOW, &unchecked, NULL);
    check(!c || unchecked); /* a keyring only ever takes away */
    if (c)
        check_case(c);
    tdm__filing_case_destroy(unchecked);
    tdm__filing_case_destroy(c);
}

static void set_default(json_t *body, const char *key, json_t *value)
{
    if (!json_object_get(body, key))
        json_object_set(body, key, value);
    json_decref(value);
}

/* The entry that body wants to be; NULL when it cannot be signed. */
static json_t *make_entry(json_t *body, const json_t *entries)
{
    char digest[TDM__SHA256_TEXT] = "";
    const size_t n = json_array_size(entries);
    const json_int_t wanted = json_integer_value(json_object_get(body, "who"));
    const signed_maker_who who = wanted >= 0 && wanted < SIGNED_ALL ? (signed_maker_who)wanted : SIGNED_STRANGER;
    tdm__secret_key key;
    json_object_del(body, "who");
    if (n > 0 && tdm__envelope_digest(json_array_get(entries, n - 1), digest, NULL) != TDM_OK)
        return NULL;
    signed_maker_key(who, &key);
    set_default(body, "_type", json_string("filing-entry"));
    set_default(body, "case", json_string("DEMO-CN-2025-0001"));
    set_default(body, "market", json_string("CN"));
    set_default(body, "date", json_string("2025-02-11T08:00:00Z"));
    set_default(body, "previous", json_string(digest));
    set_default(body, "signer", tdm__public_key_json(&key.public_key));
    return signed_maker_sign(json_incref(body), who);
}

static void read_entries(const json_t *bodies, const tdm__keyring *keys)
{
    json_t *document = json_pack("{s:s, s:[]}", "_type", "filing-case", "entries"), *one;
    json_t *entries = json_object_get(document, "entries");
    size_t i;
    check(entries != NULL);
    json_array_foreach(bodies, i, one)
    {
        json_t *entry = json_is_object(one) && i < 16 ? make_entry(one, entries) : NULL;
        if (entry)
            json_array_append_new(entries, entry);
    }
    char *text = json_dumps(document, JSON_COMPACT);
    if (text)
        read_case(tdm__str_from(text), keys);
    free(text);
    json_decref(document);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__keyring *keys = signed_maker_keyring();
    const tdm__str bytes = {(const char *)data, len};
    json_t *bodies = NULL;
    if (tdm__json_parse(bytes, "input", 65536, &bodies, NULL) == TDM_OK && json_is_array(bodies))
        read_entries(bodies, keys);
    else
        read_case(bytes, keys);
    json_decref(bodies);
    tdm__keyring_destroy(keys);
    return 0;
}
