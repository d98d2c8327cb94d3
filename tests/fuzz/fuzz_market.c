/* fuzz_market.c - market policies and partner profiles over arbitrary bytes, as people write them and as they are
 * signed. What compiles must be what a device takes, the same each time; what is taken must keep its promises. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "partner/profile.h"
#include "policy/market.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static tdm_status sha256_of(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    (void)user;
    (void)err;
    check(strncmp(target_path, "markets/", 8) == 0 && !strstr(target_path, "..")); /* no way out of the market */
    tdm__sha256_hex(target_path, strlen(target_path), out);
    return TDM_OK;
}

static void check_backend(const tdm__market_policy *p, const tdm__policy_backend *b)
{
    check(b->role >= TDM__ROLE_ENGINE && b->role <= TDM__ROLE_FILTER && b->canary_bp <= TDM__BASIS_POINTS);
    check(b->profiles != 0 && (b->profiles & ~7u) == 0 && b->model[0] && b->model_name[0] && b->data_region[0]);
    check(b->partner || (b->role != TDM__ROLE_HANDOFF && strcmp(b->data_region, "device") == 0));
    check(!b->partner || (b->partner >= p->partners && b->partner < p->partners + p->n_partners && b->model_date[0]));
}

static void check_policy(const tdm__market_policy *p)
{
    check(tdm__market_code_is_fine(p->market) && p->version >= 1 && p->grace_s >= 0 && strlen(p->sha256) == 64);
    check(p->shape >= TDM__SHAPE_OWN_AND_PARTNER && p->shape <= TDM__SHAPE_PARTNER_ONLY);
    check(p->n_sold_in > 0 || strcmp(p->market, "ZZ") == 0);
    check(!p->needs_label || p->label_en[0] || p->label_zh[0]);
    for (size_t i = 0; i < p->n_partners; i++)
        check(p->partners[i].id[0] && strcmp(p->partners[i].id, "own") != 0 && p->partners[i].legal_entity[0]);
    for (size_t i = 0; i < p->n_cells; i++) {
        check(p->cells[i].n_backends >= 1 && p->cells[i].n_backends <= TDM__CELL_BACKENDS_MAX);
        check(tdm__market_policy_cell(p, p->cells[i].feature) == &p->cells[i]);
        for (size_t k = 0; k < p->cells[i].n_backends; k++)
            check_backend(p, &p->cells[i].backends[k]);
    }
}

static void compile(tdm__str yaml)
{
    static const tdm__market_resolver resolver = {sha256_of, NULL};
    char *json = NULL, *again = NULL;
    size_t len = 0, len_again = 0;
    tdm_error err = {0};
    const tdm_status status = tdm__market_compile(yaml, "fuzz.yaml", &resolver, &json, &len, &err);
    if (status < 0) {
        check(!json && err.code == status && err.msg[0]);
        return;
    }
    tdm__market_policy *p = NULL;
    check(tdm__market_policy_create((tdm__str){json, len}, &p, &err) == TDM_OK);
    check_policy(p);
    check(tdm__market_compile(yaml, "fuzz.yaml", &resolver, &again, &len_again, &err) == TDM_OK);
    check(len == len_again && memcmp(json, again, len) == 0);
    tdm__market_policy_destroy(p);
    free(json);
    free(again);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const tdm__str bytes = {(const char *)data, len};
    tdm__market_policy *policy = NULL;
    tdm__partner_profile *profile = NULL;
    tdm_error err = {0};
    compile(bytes);
    if (tdm__market_policy_create(bytes, &policy, &err) == TDM_OK)
        check_policy(policy);
    if (tdm__partner_profile_create(bytes, &profile, &err) == TDM_OK) {
        check(profile->n_markets > 0 && profile->total_timeout_ms >= profile->connect_timeout_ms);
        check(!profile->endpoint.host[0] || profile->endpoint.path[0] == '/');
        check((strcmp(profile->auth, "none") == 0) == (profile->key_ref[0] == '\0'));
    }
    tdm__market_policy_destroy(policy);
    tdm__partner_profile_destroy(profile);
    return 0;
}
