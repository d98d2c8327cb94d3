/* test_share.c - the files that are shipped: every market, every partner, ZZ and its readable twin.
 *
 * What is asserted is what the documents say: the markets of the reports and where ChatGPT is offered, the elements of
 * a visible label in mainland China (GB 45438-2025, 5.1), the members of the European Union.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "partner/profile.h"
#include "policy/market.h"
#include "policy/yaml.h"

static const char *const markets[] = {"CN", "EU", "HK", "MO", "TW", "US", "ZZ"};
static const char *const partners[] = {"alibaba", "baidu",   "bytedance", "deepseek",
                                       "minimax", "openai", "tencent",   "zhipu"};
enum { MARKETS = sizeof markets / sizeof markets[0], PARTNERS = sizeof partners / sizeof partners[0] };

typedef struct text {
    char bytes[65536];
    size_t len;
} text;

static void share_read(const char *name, text *out)
{
    char path[1024];
    const char *share = getenv("TANDEM_TEST_SHARE");
    assert_non_null(share);
    snprintf(path, sizeof path, "%s/%s", share, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    out->len = fread(out->bytes, 1, sizeof out->bytes, f);
    assert_true(out->len < sizeof out->bytes);
    fclose(f);
}

/* As the repository's maker does it: YAML to canonical JSON with its type put in. */
static void profile_json(const char *name, tdm__buf *out)
{
    text t;
    json_t *v = NULL;
    tdm_error err = {0};
    share_read(name, &t);
    tdm__buf_init(out, 1 << 20);
    if (tdm__yaml_to_json((tdm__str){t.bytes, t.len}, name, &v, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    json_object_set_new(v, "_type", json_string("partner-profile"));
    assert_int_equal(tdm__json_canonical(v, out, &err), TDM_OK);
    json_decref(v);
}

static tdm__partner_profile *profile_of(const char *folder, const char *id)
{
    char name[128];
    tdm__buf json;
    tdm__partner_profile *p = NULL;
    tdm_error err = {0};
    snprintf(name, sizeof name, "%s/%s.yaml", folder, id);
    profile_json(name, &json);
    if (tdm__partner_profile_create(tdm__buf_str(&json), &p, &err) != TDM_OK)
        fail_msg("%s: %s", name, err.msg);
    tdm__buf_fini(&json);
    return p;
}

/* The demonstration's mapping: markets/XX/partners/ID.json comes from demo/partners/ID.yaml. */
static tdm_status sha256_of(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    (void)user;
    (void)err;
    char name[128];
    const char *id = strrchr(target_path, '/') + 1;
    tdm__buf json;
    snprintf(name, sizeof name, "demo/partners/%.*s.yaml", (int)(strlen(id) - 5), id);
    profile_json(name, &json);
    tdm__sha256_hex(json.ptr, json.len, out);
    tdm__buf_fini(&json);
    return TDM_OK;
}

static tdm__market_policy *policy_of(const char *market)
{
    static const tdm__market_resolver resolver = {sha256_of, NULL};
    text t;
    char name[64], *json = NULL;
    size_t len = 0;
    tdm__market_policy *p = NULL;
    tdm_error err = {0};
    snprintf(name, sizeof name, "markets/%s.yaml", market);
    share_read(name, &t);
    if (tdm__market_compile((tdm__str){t.bytes, t.len}, name, &resolver, &json, &len, &err) != TDM_OK ||
        tdm__market_policy_create((tdm__str){json, len}, &p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    free(json);
    assert_string_equal(p->market, market);
    return p;
}

static void assert_same_backend(const tdm__policy_backend *a, const tdm__policy_backend *b)
{
    assert_null(a->partner);
    assert_null(b->partner);
    assert_int_equal(a->role, b->role);
    assert_string_equal(a->model, b->model);
    assert_string_equal(a->model_name, b->model_name);
    assert_string_equal(a->model_date, b->model_date);
    assert_string_equal(a->model_sha256, b->model_sha256);
    assert_string_equal(a->data_region, b->data_region);
    assert_int_equal(a->profiles, b->profiles);
    assert_int_equal(a->canary_bp, b->canary_bp);
    assert_int_equal(a->is_killed, b->is_killed);
}

static void zz_and_its_readable_twin_say_the_same(void **state)
{
    (void)state;
    const tdm__market_policy *zz = tdm__market_policy_zz();
    tdm__market_policy *twin = policy_of("ZZ");
    assert_string_equal(zz->market, twin->market);
    assert_string_equal(zz->name_en, twin->name_en);
    assert_string_equal(zz->name_zh, twin->name_zh);
    assert_int_equal(zz->n_sold_in + twin->n_sold_in, 0);
    assert_int_equal(zz->version, twin->version);
    assert_string_equal(zz->sha256, twin->sha256);
    assert_int_equal(zz->is_demo, twin->is_demo);
    assert_int_equal(zz->shape, twin->shape);
    assert_int_equal(zz->needs_filing, twin->needs_filing);
    assert_int_equal(zz->needs_accreditation, twin->needs_accreditation);
    assert_int_equal(zz->needs_label, twin->needs_label);
    assert_string_equal(zz->label_en, twin->label_en);
    assert_string_equal(zz->label_zh, twin->label_zh);
    assert_int_equal(zz->grace_s, twin->grace_s);
    assert_string_equal(zz->dns_server, twin->dns_server);
    assert_int_equal(zz->n_packs + twin->n_packs, 0);
    assert_int_equal(zz->n_partners + twin->n_partners, 0);
    assert_int_equal(zz->n_cells, twin->n_cells);
    for (size_t i = 0; i < zz->n_cells; i++) {
        assert_string_equal(zz->cells[i].feature, twin->cells[i].feature);
        assert_int_equal(zz->cells[i].is_killed, twin->cells[i].is_killed);
        assert_int_equal(zz->cells[i].n_backends, 1);
        assert_int_equal(twin->cells[i].n_backends, 1);
        assert_same_backend(zz->cells[i].backends, twin->cells[i].backends);
        assert_ptr_equal(tdm__market_policy_cell(zz, zz->cells[i].feature), &zz->cells[i]); /* sorted */
    }
    tdm__market_policy_destroy(twin);
}

static const tdm__policy_partner *partner_in(const tdm__market_policy *p, const char *id)
{
    for (size_t i = 0; i < p->n_partners; i++)
        if (strcmp(p->partners[i].id, id) == 0)
            return &p->partners[i];
    return NULL;
}

/* Partner of the i-th back end, "own" for this device's model, "" where there is none. */
static const char *backend_at(const tdm__market_policy *p, const char *feature, size_t i)
{
    const tdm__policy_cell *cell = tdm__market_policy_cell(p, feature);
    if (!cell || i >= cell->n_backends)
        return "";
    return cell->backends[i].partner ? cell->backends[i].partner->id : "own";
}

static void mainland_china_is_as_in_the_reports(void **state)
{
    (void)state;
    tdm__market_policy *cn = policy_of("CN");
    assert_int_equal(cn->n_sold_in, 1);
    assert_string_equal(cn->sold_in[0], "CN");
    assert_true(cn->needs_filing && cn->needs_accreditation && cn->needs_label);
    assert_int_equal(cn->shape, TDM__SHAPE_OWN_AND_PARTNER);
    assert_int_equal(cn->grace_s, 0);
    /* the words have both elements: AI, and generation */
    assert_true(strstr(cn->label_zh, "人工智能") || strstr(cn->label_zh, "AI"));
    assert_true(strstr(cn->label_zh, "生成") || strstr(cn->label_zh, "合成"));
    assert_string_equal(backend_at(cn, "assistant", 0), "own");
    assert_string_equal(backend_at(cn, "assistant", 1), "alibaba");
    assert_string_equal(backend_at(cn, "assistant", 2), "");
    assert_string_equal(tdm__market_policy_cell(cn, "assistant")->backends[1].model_name, "Qwen 2.5 Max");
    assert_string_equal(tdm__market_policy_cell(cn, "assistant")->backends[1].model_date, "2025-01-25");
    assert_string_equal(backend_at(cn, "visual", 0), "baidu"); /* still at work on a feature of its own */
    static const char *const assessed[] = {"deepseek", "tencent", "bytedance", "minimax", "zhipu"};
    for (size_t i = 0; i < 5; i++) {
        assert_non_null(partner_in(cn, assessed[i]));
        for (size_t k = 0; k < cn->n_cells; k++)
            for (size_t n = 0; n < cn->cells[k].n_backends; n++)
                assert_string_not_equal(backend_at(cn, cn->cells[k].feature, n), assessed[i]);
    }
    assert_null(partner_in(cn, "openai"));
    tdm__market_policy_destroy(cn);
}

static void chatgpt_is_where_it_is_offered(void **state)
{
    static const struct {
        const char *market;
        bool offered;
    } cases[] = {{"CN", false}, {"HK", false}, {"MO", false}, {"TW", true}, {"US", true}, {"EU", true}, {"ZZ", false}};
    (void)state;
    tdm__partner_profile *real = profile_of("partners", "openai"), *stand_in = profile_of("demo/partners", "openai");
    for (size_t i = 0; i < MARKETS; i++) {
        tdm__market_policy *p = policy_of(cases[i].market);
        assert_int_equal(partner_in(p, "openai") != NULL, cases[i].offered);
        assert_string_equal(backend_at(p, "assistant", 1),
                            cases[i].offered ? "openai" : strcmp(cases[i].market, "CN") == 0 ? "alibaba" : "");
        assert_int_equal(tdm__partner_profile_serves(real, cases[i].market), cases[i].offered);
        assert_int_equal(tdm__partner_profile_serves(stand_in, cases[i].market), cases[i].offered);
        tdm__market_policy_destroy(p);
    }
    tdm__partner_profile_destroy(real);
    tdm__partner_profile_destroy(stand_in);
}

static void no_country_has_two_markets(void **state)
{
    (void)state;
    char seen[256][3];
    size_t n = 0;
    for (size_t i = 0; i < MARKETS; i++) {
        tdm__market_policy *p = policy_of(markets[i]);
        if (strcmp(markets[i], "EU") == 0)
            assert_int_equal(p->n_sold_in, 27);
        for (size_t k = 0; k < p->n_sold_in; k++) {
            for (size_t s = 0; s < n; s++)
                assert_string_not_equal(seen[s], p->sold_in[k]);
            snprintf(seen[n++], sizeof seen[0], "%.2s", p->sold_in[k]);
        }
        tdm__market_policy_destroy(p);
    }
    assert_int_equal(n, 32);
}

/* Everything that a partner of a demonstration's market is called must be said by its profile as well, and no byte may
 * leave this machine. */
static void a_demonstration_names_no_real_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < MARKETS; i++) {
        tdm__market_policy *p = policy_of(markets[i]);
        assert_true(p->is_demo || p->n_partners == 0);
        assert_string_equal(p->dns_server, "");
        for (size_t k = 0; k < p->n_partners; k++) {
            const tdm__policy_partner *partner = &p->partners[k];
            tdm__partner_profile *profile = profile_of("demo/partners", partner->id);
            assert_true(partner->is_emulated && profile->is_emulated);
            assert_true(strstr(profile->region, "EMULATED") != NULL);
            assert_true(strcmp(profile->endpoint.host, "127.0.0.1") == 0 || profile->endpoint.host[0] == '\0');
            assert_string_equal(profile->key_ref, "");
            assert_string_equal(profile->id, partner->id);
            assert_string_equal(profile->sha256, partner->profile_sha256);
            assert_string_equal(profile->legal_entity, partner->legal_entity);
            assert_string_equal(profile->name_en, partner->name_en);
            assert_string_equal(profile->name_zh, partner->name_zh);
            assert_true(tdm__partner_profile_serves(profile, p->market));
            tdm__partner_profile_destroy(profile);
        }
        tdm__market_policy_destroy(p);
    }
}

static void children_are_never_handed_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < MARKETS; i++) {
        tdm__market_policy *p = policy_of(markets[i]);
        for (size_t k = 0; k < p->n_cells; k++)
            for (size_t n = 0; n < p->cells[k].n_backends; n++)
                if (p->cells[k].backends[n].partner)
                    assert_int_equal(p->cells[k].backends[n].profiles, TDM__PROFILE_ADULT);
        tdm__market_policy_destroy(p);
    }
}

static void every_real_profile_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < PARTNERS; i++) {
        tdm__partner_profile *p = profile_of("partners", partners[i]), *demo = profile_of("demo/partners", partners[i]);
        assert_string_equal(p->id, partners[i]);
        assert_false(p->is_emulated);
        assert_string_equal(p->endpoint.scheme, "https");
        assert_int_equal(p->endpoint.port, 443);
        assert_int_equal(strncmp(p->key_ref, "env:", 4), 0);
        assert_string_equal(p->legal_entity, demo->legal_entity); /* the stand-in says whose place it takes */
        assert_true(p->n_facts > 0 && p->quirks.n_errors > 0);
        /* only the two whose whole way is built may be spoken to as if they were OpenAI */
        const bool full = strcmp(p->id, "alibaba") == 0 || strcmp(p->id, "openai") == 0;
        assert_int_equal(strcmp(p->dialect, "openai") == 0, full);
        tdm__partner_profile_destroy(p);
        tdm__partner_profile_destroy(demo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zz_and_its_readable_twin_say_the_same),
        cmocka_unit_test(mainland_china_is_as_in_the_reports),
        cmocka_unit_test(chatgpt_is_where_it_is_offered),
        cmocka_unit_test(no_country_has_two_markets),
        cmocka_unit_test(a_demonstration_names_no_real_host),
        cmocka_unit_test(children_are_never_handed_off),
        cmocka_unit_test(every_real_profile_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
