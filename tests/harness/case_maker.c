/* case_maker.c - entries put together by hand: every member may be replaced, and nothing is asked of the rules. */
#include "case_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "policy/envelope.h"

const char case_maker_new[] = "{\"id\":\"DEMO-CN-2025-0001\",\"market\":\"CN\",\"demo\":true,\"maker\":\"DEMO-MAKER\","
                              "\"provider\":\"PROVIDER\",\"features\":[\"assistant\",\"proofread\"],\"models\":["
                              "{\"partner\":\"\",\"model\":\"qwen2.5-coder-0.5b\","
                              "\"sha256\":\"719a0a67f61ad0e3beb0f4e6d5bd1f9a3f9d9f35d8ce0e9c0f2bbf8d9a4b1c2d\"},"
                              "{\"partner\":\"alibaba\",\"model\":\"qwen-max-2025-01-25\",\"date\":\"2025-01-25\"}]}";

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "case_maker: %s failed\n", what);
    abort();
}

const char *case_maker_fields(tdm__filing_action action, const char *section)
{
#define DOCUMENT                                                                                                       \
    "{\"name\":\"report.pdf\",\"bytes\":3,\"sha256\":"                                                                 \
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}"
    switch (action) {
    case TDM__FILING_NEW:
        return case_maker_new;
    case TDM__FILING_SUBMIT:
        return strcmp(section, "maker") == 0 ? "{\"section\":\"maker\",\"documents\":[" DOCUMENT "]}"
                                             : "{\"section\":\"provider\",\"documents\":[" DOCUMENT "]}";
    case TDM__FILING_ASK:
        return "{\"text\":\"which corpus was refused?\"}";
    case TDM__FILING_ANSWER:
        return "{\"text\":\"none, see the report\",\"documents\":[" DOCUMENT "]}";
    case TDM__FILING_APPROVE:
        return "{\"hypothetical\":true}";
    case TDM__FILING_REFUSE:
    case TDM__FILING_WITHDRAW:
        return "{\"text\":\"for a reason\"}";
    case TDM__FILING_REVIEW:
        break;
    }
    return "{}";
}

static void set_default(json_t *body, const char *key, json_t *value)
{
    if (json_object_get(body, key))
        json_decref(value);
    else
        check(json_object_set_new(body, key, value) == 0, key);
}

static const char *text_of(const json_t *envelope, const char *key)
{
    return json_string_value(json_object_get(tdm__envelope_signed(envelope), key));
}

static void set_links(json_t *body, const json_t *entries)
{
    char digest[TDM__SHA256_TEXT] = "";
    const size_t n = json_array_size(entries);
    if (n > 0) {
        check(tdm__envelope_digest(json_array_get(entries, n - 1), digest, NULL) == TDM_OK, "the digest");
        set_default(body, "case", json_string(text_of(json_array_get(entries, 0), "case")));
        set_default(body, "market", json_string(text_of(json_array_get(entries, 0), "market")));
    } else {
        const json_t *id = json_object_get(body, "id");
        set_default(body, "case", id ? json_copy((json_t *)id) : json_string("DEMO-CN-2025-0001"));
        set_default(body, "market", json_string("CN"));
        json_object_del(body, "id");
    }
    set_default(body, "previous", json_string(digest));
}

char *case_maker_forge(const char *json, tdm__filing_action action, signed_maker_who who, const char *fields,
                       int64_t at_unix_s)
{
    char date[TDM__RFC3339_TEXT];
    tdm__secret_key key;
    signed_maker_key(who, &key);
    tdm__rfc3339_put(at_unix_s, date);
    json_t *document = json ? json_loads(json, 0, NULL) : json_pack("{s:s, s:[]}", "_type", "filing-case", "entries");
    json_t *entries = json_object_get(document, "entries");
    json_t *body = fields ? json_loads(fields, 0, NULL) : json_object();
    check(entries && body, "reading the case or the fields");
    set_links(body, entries);
    set_default(body, "_type", json_string("filing-entry"));
    set_default(body, "action", json_string(tdm__filing_action_name(action)));
    set_default(body, "date", json_string(date));
    set_default(body, "signer", tdm__public_key_json(&key.public_key));
    check(json_array_append_new(entries, signed_maker_sign(body, who)) == 0, "signing");
    char *text = json_dumps(document, JSON_COMPACT);
    check(text != NULL, "writing the case");
    json_decref(document);
    return text;
}

typedef struct step {
    tdm__filing_action action;
    signed_maker_who who;
    const char *section;
} step;

static const step to_review[] = {
    {TDM__FILING_NEW, SIGNED_MAKER, NULL},
    {TDM__FILING_SUBMIT, SIGNED_MAKER, "maker"},
    {TDM__FILING_SUBMIT, SIGNED_PROVIDER, "provider"},
    {TDM__FILING_REVIEW, SIGNED_REGULATOR, NULL},
};

static char *take(char *json, tdm__filing_action action, signed_maker_who who, const char *fields, int n)
{
    char *more = case_maker_forge(json, action, who, fields, CASE_T0 + 10 * n);
    free(json);
    return more;
}

char *case_maker_in(const char *state)
{
    static const struct {
        const char *state;
        int n_steps; /* of to_review */
    } prefixes[] = {{"draft", 1},        {"draft+maker", 2}, {"draft+provider", 1}, {"submitted", 3},
                    {"under_review", 4}, {"asked", 4},       {"approved", 4},       {"ending", 4},
                    {"refused", 4},      {"withdrawn", 3},   {"revoked", 4}};
    char *json = NULL;
    int n_steps = 0, n = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strcmp(prefixes[i].state, state) == 0)
            n_steps = prefixes[i].n_steps;
    check(n_steps > 0, state);
    for (; n < n_steps; n++)
        json = take(json, to_review[n].action, to_review[n].who,
                    case_maker_fields(to_review[n].action, to_review[n].section), n);
    if (strcmp(state, "draft+provider") == 0)
        json = take(json, TDM__FILING_SUBMIT, SIGNED_PROVIDER, case_maker_fields(TDM__FILING_SUBMIT, "provider"), n++);
    if (strcmp(state, "asked") == 0)
        json = take(json, TDM__FILING_ASK, SIGNED_REGULATOR, case_maker_fields(TDM__FILING_ASK, NULL), n++);
    if (strcmp(state, "approved") == 0 || strcmp(state, "revoked") == 0)
        json = take(json, TDM__FILING_APPROVE, SIGNED_REGULATOR, case_maker_fields(TDM__FILING_APPROVE, NULL), n++);
    if (strcmp(state, "ending") == 0)
        json = take(json, TDM__FILING_APPROVE, SIGNED_REGULATOR,
                    "{\"hypothetical\":true,\"expires\":\"2025-02-11T08:16:40Z\"}", n++);
    if (strcmp(state, "refused") == 0)
        json = take(json, TDM__FILING_REFUSE, SIGNED_REGULATOR, case_maker_fields(TDM__FILING_REFUSE, NULL), n++);
    if (strcmp(state, "withdrawn") == 0)
        json = take(json, TDM__FILING_WITHDRAW, SIGNED_MAKER, case_maker_fields(TDM__FILING_WITHDRAW, NULL), n++);
    if (strcmp(state, "revoked") == 0)
        json = take(json, TDM__FILING_WITHDRAW, SIGNED_REGULATOR, case_maker_fields(TDM__FILING_WITHDRAW, NULL), n++);
    return json;
}
