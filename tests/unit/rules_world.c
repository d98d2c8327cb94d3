/* rules_world.c - see rules_world.h. */
#include "rules_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_maker.h"
#include "os/file.h"

static const char *const markets[] = {"CN", "HK", "MO", "TW", "US", "EU"};

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "rules_world: %s failed\n", what);
    abort();
}

static json_t *keys_json(void)
{
    json_t *keys = signed_maker_keys_json(SIGNED_ALL), *entry;
    size_t i;
    json_array_foreach(json_object_get(keys, "keys"), i, entry)
    {
        if (i > SIGNED_REGULATOR)
            continue;
        json_t *all = json_array();
        for (size_t m = 0; m < sizeof markets / sizeof markets[0]; m++)
            check(json_array_append_new(all, json_string(markets[m])) == 0, "a list of markets");
        check(json_object_set_new(entry, "markets", all) == 0, "a key's markets");
    }
    return keys;
}

char *rules_keys_json(void)
{
    json_t *keys = keys_json();
    char *text = json_dumps(keys, JSON_COMPACT);
    check(text != NULL, "keys.json");
    json_decref(keys);
    return text;
}

tdm__keyring *rules_keyring(void)
{
    tdm__keyring *k = NULL;
    tdm_error err = {0};
    json_t *keys = keys_json();
    check(tdm__keyring_create(keys, true, &k, &err) == TDM_OK, err.msg);
    json_decref(keys);
    return k;
}

static tdm_status sha256_of(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    (void)user;
    (void)err;
    tdm__sha256_hex(target_path, strlen(target_path), out); /* which file it is does not matter here */
    return TDM_OK;
}

char *rules_policy_json(const char *market)
{
    static const tdm__market_resolver resolver = {sha256_of, NULL};
    const char *share = getenv("TANDEM_TEST_SHARE");
    char path[512], *yaml = NULL, *json = NULL;
    size_t len = 0, json_len = 0;
    tdm_error err = {0};
    snprintf(path, sizeof path, "%s/markets/%s.yaml", share ? share : "share", market);
    check(tdm__file_read(path, 1 << 20, &yaml, &len) == 0, path);
    check(tdm__market_compile((tdm__str){yaml, len}, path, &resolver, &json, &json_len, &err) == TDM_OK, err.msg);
    free(yaml);
    return json;
}

char *rules_record_json(const char *sold_in, tdm__profile profile, signed_maker_who maker)
{
    tdm__device_record r = {.device = "DEMO-1",
                            .sku = "PHONE-1",
                            .profile = profile,
                            .issued_unix_s = RULES_NOW - 10 * RULES_DAY,
                            .expires_unix_s = RULES_NOW + 10 * RULES_DAY,
                            .is_demo = true};
    tdm__secret_key key, device;
    tdm_error err = {0};
    char *json = NULL;
    signed_maker_key(SIGNED_DEVICE, &device);
    signed_maker_key(maker, &key);
    r.device_key = device.public_key;
    snprintf(r.sold_in, sizeof r.sold_in, "%s", sold_in);
    check(tdm__device_record_make(&r, &key, &json, &err) == TDM_OK, err.msg);
    return json;
}

typedef struct step {
    tdm__filing_action action;
    signed_maker_who who;
    const char *section;
} step;

static const step steps[] = {
    {TDM__FILING_NEW, SIGNED_MAKER, NULL},
    {TDM__FILING_SUBMIT, SIGNED_MAKER, "maker"},
    {TDM__FILING_SUBMIT, SIGNED_PROVIDER, "provider"},
    {TDM__FILING_REVIEW, SIGNED_REGULATOR, NULL},
};

/* How a state is reached: so many of the steps above, then an action, perhaps another. */
static const struct {
    const char *state;
    size_t n_steps;
    tdm__filing_action then, at_last;
    const char *fields;
} ways[] = {
    {"draft", 1, 0, 0, NULL},
    {"submitted", 3, 0, 0, NULL},
    {"under_review", 4, 0, 0, NULL},
    {"approved", 4, TDM__FILING_APPROVE, 0, NULL},
    {"ending", 4, TDM__FILING_APPROVE, 0, "{\"hypothetical\":true,\"expires\":\"2025-02-13T08:00:00Z\"}"},
    {"refused", 4, TDM__FILING_REFUSE, 0, NULL},
    {"withdrawn", 3, TDM__FILING_WITHDRAW, 0, NULL},
    {"revoked", 4, TDM__FILING_APPROVE, TDM__FILING_WITHDRAW, NULL},
};

static char *extend(char *json, tdm__filing_action action, signed_maker_who who, const char *fields, int n)
{
    char *more = case_maker_forge(json, action, who, fields, RULES_NOW - RULES_DAY + 10 * n);
    free(json);
    return more;
}

static char *new_fields(const char *id, const char *market, const char *feature, const char *partner,
                        const char *model, const char *date_or_sha256)
{
    json_t *m = partner[0] ? json_pack("{s:s, s:s, s:s}", "partner", partner, "model", model, "date", date_or_sha256)
                           : json_pack("{s:s, s:s, s:s}", "partner", "", "model", model, "sha256", date_or_sha256);
    json_t *fields = json_pack("{s:s, s:s, s:b, s:s, s:s, s:[s], s:[o]}", "id", id, "market", market, "demo", 1,
                               "maker", "DEMO-MAKER", "provider", "DEMO-PROVIDER", "features", feature, "models", m);
    char *text = json_dumps(fields, JSON_COMPACT);
    check(text != NULL, "a new case's fields");
    json_decref(fields);
    return text;
}

char *rules_case_json(const char *state, const char *id, const char *market, const char *feature, const char *partner,
                      const char *model, const char *date_or_sha256)
{
    char *json = NULL, *fields = new_fields(id, market, feature, partner, model, date_or_sha256);
    size_t w = 0;
    int n = 0;
    while (w < sizeof ways / sizeof ways[0] && strcmp(ways[w].state, state) != 0)
        w++;
    check(w < sizeof ways / sizeof ways[0], state);
    for (size_t i = 0; i < ways[w].n_steps; i++)
        json = extend(json, steps[i].action, steps[i].who,
                      i == 0 ? fields : case_maker_fields(steps[i].action, steps[i].section), n++);
    const tdm__filing_action last[] = {ways[w].then, ways[w].at_last};
    for (size_t i = 0; i < 2 && last[i]; i++) {
        bool by_filer = last[i] == TDM__FILING_WITHDRAW && ways[w].n_steps < 4;
        json = extend(json, last[i], by_filer ? SIGNED_MAKER : SIGNED_REGULATOR,
                      ways[w].fields ? ways[w].fields : case_maker_fields(last[i], NULL), n++);
    }
    free(fields);
    return json;
}

tdm__filing_case *rules_case(const char *json)
{
    tdm__filing_case *c = NULL;
    tdm_error err = {0};
    tdm__keyring *keys = rules_keyring();
    check(tdm__filing_case_create(tdm__str_from(json), keys, RULES_NOW, &c, &err) == TDM_OK, err.msg);
    tdm__keyring_destroy(keys);
    return c;
}

void rules_trust(tdm__trust *out, const char *keys, const rules_policy *policies)
{
    static const char *const paths[] = {"markets/CN/policy.json", "markets/HK/policy.json", "markets/MO/policy.json",
                                        "markets/TW/policy.json", "markets/US/policy.json", "markets/EU/policy.json"};
    *out = (struct tdm__trust){.is_demo = true, .expires_unix_s = RULES_NOW + RULES_DAY, .version = 7};
    out->targets[out->n++] = (tdm__trust_target){.path = "keys.json", .bytes = tdm__str_from(keys)};
    for (; policies->market; policies++)
        for (size_t i = 0; i < sizeof markets / sizeof markets[0]; i++)
            if (strcmp(markets[i], policies->market) == 0)
                out->targets[out->n++] =
                    (tdm__trust_target){.path = paths[i], .bytes = tdm__str_from(policies->json)};
}
