/* test_market.c - market policies: every member read back, every mistake with its line, ZZ and its readable twin. */
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
#include "policy/market.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_0 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* All profiles are there but "absent". */
static tdm_status sha256_of(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    snprintf(user, 256, "%s", target_path);
    if (strstr(target_path, "absent"))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no %s", target_path);
    memcpy(out, HASH_A, sizeof HASH_A);
    return TDM_OK;
}

static char asked_for[256];
static const tdm__market_resolver resolver = {sha256_of, asked_for};

static tdm__market_policy *compiled(const char *yaml, char **json)
{
    size_t len = 0;
    tdm_error err = {0};
    tdm__market_policy *p = NULL;
    if (tdm__market_compile(tdm__str_from(yaml), "t.yaml", &resolver, json, &len, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(strlen(*json), len);
    if (tdm__market_policy_create((tdm__str){*json, len}, &p, &err) != TDM_OK)
        fail_msg("what was compiled is refused: %s", err.msg);
    return p;
}

/* A line an entry, so that a mistake can be put into any of them. */
static const char *const base[] = {
    "market: CN",                                                             /* 1 */
    "name: {en: Mainland China, zh: 中国大陆}",                               /* 2 */
    "sold_in: [CN, XA]",                                                      /* 3 */
    "version: 7",                                                             /* 4 */
    "demo: true",                                                             /* 5 */
    "shape: own-and-partner",                                                 /* 6 */
    "needs_filing: true",                                                     /* 7 */
    "needs_accreditation: true",                                              /* 8 */
    "label: {visible: true, en: AI-generated, zh: 人工智能生成}",             /* 9 */
    "grace_hours: 2",                                                         /* 10 */
    "dns_server: 223.5.5.5:53",                                               /* 11 */
    "packs: [packs/demo.yaml, packs/more.yaml]",                              /* 12 */
    "partners:",                                                              /* 13 */
    "  alibaba:",                                                             /* 14 */
    "    name: {en: Alibaba, zh: 阿里巴巴}",                                  /* 15 */
    "    legal_entity: Alibaba Cloud",                                        /* 16 */
    "    profile: partners/alibaba.yaml",                                     /* 17 */
    "    accreditation: {number: ACC-1, expires: 2031-01-01T00:00:00Z}",      /* 18 */
    "    emulated: true",                                                     /* 19 */
    "  baidu: {name: {en: B, zh: 百}, legal_entity: Baidu, profile: partners/baidu.yaml}", /* 20 */
    "features:",                                                              /* 21 */
    "  rewrite:",                                                             /* 22 */
    "    kill: true",                                                         /* 23 */
    "    backends:",                                                          /* 24 */
    "      - {backend: own, role: engine, model: m-1, model_name: M 1, model_sha256: " HASH_0 "}", /* 25 */
    "      - backend: alibaba",                                               /* 26 */
    "        role: hand-off",                                                 /* 27 */
    "        model: qwen-max",                                                /* 28 */
    "        model_name: Qwen 2.5 Max",                                       /* 29 */
    "        model_date: 2025-01-25",                                         /* 30 */
    "        data_region: CN",                                                /* 31 */
    "        profiles: [adult, managed]",                                     /* 32 */
    "        canary: 12.34",                                                  /* 33 */
    "        kill: true",                                                     /* 34 */
    "  assistant:",                                                           /* 35 */
    "    backends:",                                                          /* 36 */
    "      - backend: baidu",                                                 /* 37 */
    "        role: filter",                                                   /* 38 */
    "        model: ernie",                                                   /* 39 */
    "        model_name: ERNIE",                                              /* 40 */
    "        model_date: 2024-06-28",                                         /* 41 */
    "        data_region: CN",                                                /* 42 */
};
enum { BASE_LINES = sizeof base / sizeof base[0] };

/* The base with one line replaced (0: none). */
static void base_with(size_t line, const char *text, char *out, size_t cap)
{
    size_t len = 0;
    for (size_t i = 1; i <= BASE_LINES; i++) {
        const char *l = i == line ? text : base[i - 1];
        len += (size_t)snprintf(out + len, cap - len, "%s\n", l);
        assert_true(len < cap);
    }
}

static void assert_root(const tdm__market_policy *p)
{
    assert_string_equal(p->market, "CN");
    assert_string_equal(p->name_en, "Mainland China");
    assert_string_equal(p->name_zh, "中国大陆");
    assert_int_equal(p->n_sold_in, 2);
    assert_string_equal(p->sold_in[0], "CN");
    assert_string_equal(p->sold_in[1], "XA");
    assert_int_equal(p->version, 7);
    assert_true(p->is_demo);
    assert_int_equal(p->shape, TDM__SHAPE_OWN_AND_PARTNER);
    assert_true(p->needs_filing);
    assert_true(p->needs_accreditation);
    assert_true(p->needs_label);
    assert_string_equal(p->label_en, "AI-generated");
    assert_string_equal(p->label_zh, "人工智能生成");
    assert_int_equal(p->grace_s, 7200);
    assert_string_equal(p->dns_server, "223.5.5.5:53");
    assert_int_equal(p->n_packs, 2);
    assert_string_equal(p->packs[0], "markets/CN/packs/demo.json");
    assert_string_equal(p->packs[1], "markets/CN/packs/more.json");
}

static void assert_partners(const tdm__market_policy *p)
{
    assert_int_equal(p->n_partners, 2);
    const tdm__policy_partner *alibaba = &p->partners[0], *baidu = &p->partners[1];
    if (strcmp(alibaba->id, "alibaba") != 0) {
        alibaba = &p->partners[1];
        baidu = &p->partners[0];
    }
    assert_string_equal(alibaba->id, "alibaba");
    assert_string_equal(alibaba->name_en, "Alibaba");
    assert_string_equal(alibaba->name_zh, "阿里巴巴");
    assert_string_equal(alibaba->legal_entity, "Alibaba Cloud");
    assert_string_equal(alibaba->profile_path, "markets/CN/partners/alibaba.json");
    assert_string_equal(alibaba->profile_sha256, HASH_A);
    assert_string_equal(alibaba->accreditation, "ACC-1");
    assert_int_equal(alibaba->accreditation_expires_unix_s, 1924992000);
    assert_true(alibaba->is_emulated);
    /* without accreditation it compiles: the decision refuses it with a reason */
    assert_string_equal(baidu->id, "baidu");
    assert_string_equal(baidu->accreditation, "");
    assert_int_equal(baidu->accreditation_expires_unix_s, 0);
    assert_false(baidu->is_emulated);
}

static void assert_cells(const tdm__market_policy *p)
{
    assert_int_equal(p->n_cells, 2);
    const tdm__policy_cell *assistant = tdm__market_policy_cell(p, "assistant");
    const tdm__policy_cell *rewrite = tdm__market_policy_cell(p, "rewrite");
    assert_ptr_equal(assistant, &p->cells[0]); /* sorted */
    assert_ptr_equal(rewrite, &p->cells[1]);
    assert_null(tdm__market_policy_cell(p, "chat"));
    assert_null(tdm__market_policy_cell(p, ""));
    assert_string_equal(rewrite->feature, "rewrite");
    assert_true(rewrite->is_killed);
    assert_false(assistant->is_killed);
    assert_int_equal(rewrite->n_backends, 2);
    const tdm__policy_backend *own = &rewrite->backends[0], *handoff = &rewrite->backends[1];
    assert_null(own->partner);
    assert_int_equal(own->role, TDM__ROLE_ENGINE);
    assert_string_equal(own->model, "m-1");
    assert_string_equal(own->model_name, "M 1");
    assert_string_equal(own->model_date, "");
    assert_string_equal(own->model_sha256, HASH_0);
    assert_string_equal(own->data_region, "device");
    assert_int_equal(own->profiles, TDM__PROFILE_ADULT | TDM__PROFILE_CHILD | TDM__PROFILE_MANAGED);
    assert_int_equal(own->canary_bp, 10000);
    assert_false(own->is_killed);
    assert_string_equal(handoff->partner->id, "alibaba");
    assert_int_equal(handoff->role, TDM__ROLE_HANDOFF);
    assert_string_equal(handoff->model, "qwen-max");
    assert_string_equal(handoff->model_name, "Qwen 2.5 Max");
    assert_string_equal(handoff->model_date, "2025-01-25");
    assert_string_equal(handoff->model_sha256, "");
    assert_string_equal(handoff->data_region, "CN");
    assert_int_equal(handoff->profiles, TDM__PROFILE_ADULT | TDM__PROFILE_MANAGED);
    assert_int_equal(handoff->canary_bp, 1234);
    assert_true(handoff->is_killed);
    assert_int_equal(assistant->backends[0].role, TDM__ROLE_FILTER);
    assert_int_equal(assistant->backends[0].profiles, TDM__PROFILE_ADULT); /* a partner's, unless it is stated */
}

static void every_member_is_read_back(void **state)
{
    (void)state;
    char yaml[8192], sha256[TDM__SHA256_TEXT], *json = NULL;
    base_with(0, NULL, yaml, sizeof yaml);
    tdm__market_policy *p = compiled(yaml, &json);
    assert_root(p);
    assert_partners(p);
    assert_cells(p);
    tdm__sha256_hex(json, strlen(json), sha256);
    assert_string_equal(p->sha256, sha256);
    assert_int_equal(strncmp(asked_for, "markets/CN/partners/", 20), 0);
    tdm__market_policy_destroy(p);
    free(json);
}

static void the_same_text_gives_the_same_bytes(void **state)
{
    (void)state;
    char yaml[8192], *one = NULL, *two = NULL;
    base_with(0, NULL, yaml, sizeof yaml);
    tdm__market_policy_destroy(compiled(yaml, &one));
    base_with(33, "        canary: 12.340 # the same", yaml, sizeof yaml);
    tdm__market_policy_destroy(compiled(yaml, &two));
    assert_string_equal(one, two);
    assert_null(strstr(one, "12.34")); /* signed are integers */
    assert_null(strstr(one, "grace_hours"));
    free(one);
    free(two);
}

static const struct {
    size_t line;
    const char *text;    /* in its place */
    size_t line_named;
    const char *says;
} mistakes[] = {
    /* members of the policy */
    {1, "markt: CN", 1, "markt: 'markt' is not known; did you mean 'market'?"},
    {1, "market: cn", 1, "market: two capital letters are needed"},
    {1, "market: CHN", 1, "market: two capital letters are needed"},
    {1, "market: 12", 1, "market: two capital letters are needed"},
    {1, "market: ZZ", 3, "sold_in: ZZ is the market of no sold device"},
    {1, "_type: pack\nmarket: CN", 1, "_type: 'pack' stands here, it must be 'market-policy'"},
    {1, "market: CN\nmarket: CN", 2, "'market' stands here for the second time; the first is on line 1"},
    {2, "name: {en: China}", 2, "name: 'zh' is missing"},
    {2, "name: China", 2, "name: an object is needed, a string stands here"},
    {2, "name: {en: '', zh: x}", 2, "name.en: 0 bytes, 1 to 96 are allowed"},
    {2, "name: {en: a, zh: b, ja: c}", 2, "name.ja: 'ja' is not known"},
    {2, "name: {en: a, zh: \"b\\nc\"}", 2, "name.zh: '?' at byte 1 is not allowed in it"},
    {3, "sold_in: []", 3, "sold_in: ZZ is the market of no sold device"},
    {3, "sold_in: CN", 3, "sold_in: an array is needed, a string stands here"},
    {3, "sold_in: [CN, China]", 3, "sold_in: 'China' is no ISO 3166-1 alpha-2 code"},
    {3, "sold_in: [CN, no]", 3, "sold_in: 'no' is no ISO 3166-1 alpha-2 code"},
    {3, "sold_in: [CN,\n  HK, CN]", 4, "sold_in[2]: 'CN' stands here for the second time"},
    {3, "sold_in: [CN, 12]", 3, "sold_in[1]: a string is needed, an integer stands here"},
    {3, "soldin: [CN]", 3, "soldin: 'soldin' is not known; did you mean 'sold_in'?"},
    {4, "version: 0", 4, "version: 0 stands here, 1 to 9007199254740991 is allowed"},
    {4, "version: 1.5", 4, "version: an integer is needed, a "},
    {4, "version: '7'", 4, "version: an integer is needed, a string stands here"},
    {4, "version: 007", 4, "version: an integer is needed, a string stands here"},
    {4, "verison: 7", 4, "verison: 'verison' is not known; did you mean 'version'?"},
    {4, "# no version", 1, "'version' is missing"},
    {5, "demo: yes", 5, "demo: true or false is needed, a string stands here"},
    {6, "shape: own-and-partners", 6, "shape: 'own-and-partners' is not known; did you mean 'own-and-partner'?"},
    {6, "shape: [own-only]", 6, "shape: a string is needed, an array stands here"},
    {6, "# no shape", 1, "'shape' is missing"},
    {7, "# no word about filings", 1, "'needs_filing' is missing"},
    {7, "need_filing: true", 7, "need_filing: 'need_filing' is not known; did you mean 'needs_filing'?"},
    {8, "needs_accreditation: 1", 8, "needs_accreditation: true or false is needed, an integer stands here"},
    {9, "label: {visible: true}", 9, "label: a visible label needs words in en or zh"},
    {9, "label: {}", 9, "label: 'visible' is missing"},
    {9, "label: {visible: true, eng: x}", 9, "label.eng: 'eng' is not known"},
    {10, "grace_hours: -1", 10, "grace_hours: whole hours are needed, 0 to 720"},
    {10, "grace_hours: 721", 10, "grace_hours: whole hours are needed, 0 to 720"},
    {10, "grace_hours: 1.5", 10, "grace_hours: whole hours are needed, 0 to 720"},
    {10, "grace_hours: 2h", 10, "grace_hours: whole hours are needed, 0 to 720"},
    {10, "grace_s: 7200", 10, "grace_s: 'grace_s' is not known"},
    {10, "grace_hour: 2", 10, "grace_hour: 'grace_hour' is not known; did you mean 'grace_hours'?"},
    {11, "dns_server: dns.example", 11, "dns_server: 'dns.example' is not address:port"},
    {11, "dns_server: 223.5.5.5", 11, "dns_server: '223.5.5.5' is not address:port"},
    {11, "dns_server: 223.5.5.5:65536", 11, "dns_server: '223.5.5.5:65536' is not address:port"},
    {11, "dns_server: 223.5.5.256:53", 11, "dns_server: '223.5.5.256:53' is not address:port"},
    {11, "dns_server: '[::1:53'", 11, "dns_server: '[::1:53' is not address:port"},
    {12, "packs: [packs/demo.json]", 12, "packs[0]: a file beside the policy is needed: packs/NAME.yaml"},
    {12, "packs: [packs/../../x.yaml]", 12, "packs[0]: a file beside the policy is needed"},
    {12, "packs: [packs/demo.yaml,\n  /etc/x.yaml]", 13, "packs[1]: a file beside the policy is needed"},
    {12, "packs: packs/demo.yaml", 12, "packs: an array is needed, a string stands here"},
    /* partners */
    {13, "partner:", 13, "partner: 'partner' is not known; did you mean 'partners'?"},
    {14, "  own:", 14, "partners.own: own is this device's model, no partner"},
    {14, "  Alibaba:", 14, "partners.Alibaba: 'Alibaba' is no id"},
    {15, "    nmae: {en: a, zh: b}", 15, "partners.alibaba.nmae: 'nmae' is not known; did you mean 'name'?"},
    {16, "    # whose?", 14, "partners.alibaba: 'legal_entity' is missing"},
    {17, "    # where?", 14, "partners.alibaba: 'profile' is missing"},
    {17, "    profile: partners/absent.yaml", 17,
     "partners.alibaba.profile: there is no markets/CN/partners/absent.json"},
    {17, "    profile: https://example.com/x.yaml", 17, "partners.alibaba.profile: a file beside the policy is needed"},
    {17, "    profile: partners/alibaba.yaml\n    profile_sha256: " HASH_A, 18, "'profile_sha256' is not known"},
    {18, "    accreditation: {number: A}", 18, "partners.alibaba.accreditation: 'expires' is missing"},
    {18, "    accreditation: {number: A, expires: 2031-01-01}", 18, "'2031-01-01' is no time; it is written like"},
    {18, "    accreditation: {number: A, expires: 2031-02-30T00:00:00Z}", 18, "'2031-02-30T00:00:00Z' is no time"},
    {18, "    acreditation: {number: A}", 18, "did you mean 'accreditation'?"},
    {19, "    emulated: on", 19, "partners.alibaba.emulated: true or false is needed, a string stands here"},
    {20, "  baidu: []", 20, "partners.baidu: an object is needed, an array stands here"},
    {20, "  alibaba: {}", 20, "'alibaba' stands here for the second time; the first is on line 14"},
    /* features and back ends */
    {21, "feature:", 21, "feature: 'feature' is not known; did you mean 'features'?"},
    {22, "  rewrites:", 22, "features.rewrites: 'rewrites' is no feature; did you mean 'rewrite'?"},
    {22, "  translate:", 22, "features.translate: 'translate' is no feature"},
    {22, "  chat:\n  rewrite:", 22, "chat has no value"},
    {22, "  chat: {}\n  rewrite:", 22, "features.chat: 'backends' is missing"},
    {22, "  chat: {backends: []}\n  rewrite:", 22, "features.chat.backends: nothing could answer"},
    {22, "  chat: [own]\n  rewrite:", 22, "features.chat: an object is needed, an array stands here"},
    {22, "  chat: {backends: own}\n  rewrite:", 22, "features.chat.backends: an array is needed, a string stands here"},
    {22, "  chat: {backends: [own]}\n  rewrite:", 22, "features.chat.backends[0]: an object is needed, a string"},
    {23, "    killed: true", 23, "features.rewrite.killed: 'killed' is not known"},
    {24, "    backend:", 24, "features.rewrite.backend: 'backend' is not known; did you mean 'backends'?"},
    {25, "      - {backend: own, role: engine, model: m, model_name: M, model_sha256: abc}", 25,
     "features.rewrite.backends[0].model_sha256: 64 lower-case hexadecimal digits are needed"},
    {25, "      - {backend: own, role: hand-off, model: m, model_name: M}", 25,
     "features.rewrite.backends[0].role: this device's model is no hand-off"},
    {25, "      - {backend: own, role: engine, model: m, model_name: M, data_region: US}", 25,
     "features.rewrite.backends[0].data_region: this device's model keeps everything on the device"},
    {25, "      - {backend: own, role: engine, model: m, model_name: M, model_date: 2025-01-01}", 25,
     "features.rewrite.backends[0].model_date: this device's model is known by its file"},
    {25, "      - {backend: own, role: engine, model: 'm 1', model_name: M}", 25,
     "features.rewrite.backends[0].model: ' ' at byte 1 is not allowed in it"},
    {25, "      - {backend: own, role: engine, model: m, model_name: M}\n"
         "      - {backend: own, role: engine, model: m, model_name: N}", 26,
     "features.rewrite.backends[1]: the same as backends[0]"},
    {26, "      - backend: alibab", 26, "'alibab' is no partner of this policy; did you mean 'alibaba'?"},
    {26, "      - backend: openai", 26, "features.rewrite.backends[1].backend: 'openai' is no partner of this policy"},
    {26, "      - backend: [alibaba]", 26, "own or a partner's id is needed, an array stands here"},
    {26, "      - bakend: alibaba", 26, "features.rewrite.backends[1].bakend: 'bakend' is not known; did you mean "
                                       "'backend'?"},
    {27, "        role: handoff", 27, "role: 'handoff' is not known; did you mean 'hand-off'?"},
    {27, "        rol: hand-off", 27, "rol: 'rol' is not known; did you mean 'role'?"},
    {27, "        # no role", 26, "features.rewrite.backends[1]: 'role' is missing"},
    {28, "        model:", 28, "model has no value"},
    {29, "        # nameless", 26, "features.rewrite.backends[1]: 'model_name' is missing"},
    {30, "        # no date", 26, "features.rewrite.backends[1]: 'model_date' is missing: the date that the partner"},
    {30, "        model_date: January 2025", 30, "model_date: 'January 2025' is no day; it is written like 2025-02-11"},
    {30, "        model_date: 2025-02-29", 30, "model_date: '2025-02-29' is no day"},
    {30, "        model_date: 2025-01-25\n        model_sha256: " HASH_0, 31,
     "features.rewrite.backends[1].model_sha256: a partner's model is known by id and date only"},
    {31, "        # nowhere", 26, "features.rewrite.backends[1]: 'data_region' is missing"},
    {32, "        profiles: [adult, adults]", 32, "profiles[1]: 'adults' is not known; did you mean 'adult'?"},
    {32, "        profiles: []", 32, "profiles: 0 entries, 1 to 32 are allowed"},
    {32, "        profiles: adult", 32, "profiles: an array is needed, a string stands here"},
    {33, "        canary: 100.01", 33, "canary: a percentage is needed, 0 to 100 with at most two decimals"},
    {33, "        canary: -1", 33, "canary: a percentage is needed"},
    {33, "        canary: 0.123", 33, "canary: a percentage is needed"},
    {33, "        canary: 5%", 33, "canary: a percentage is needed"},
    {33, "        canary_bp: 500", 33, "canary_bp: 'canary_bp' is not known"},
    {33, "        canry: 5", 33, "canry: 'canry' is not known; did you mean 'canary'?"},
    {34, "        kill: 1", 34, "kill: true or false is needed, an integer stands here"},
    {35, "  rewrite:", 35, "'rewrite' stands here for the second time; the first is on line 22"},
    {37, "      - backend: *alibaba", 37, "the alias *alibaba is not taken"},
    {37, "      - &b\n        backend: baidu", 37, "the anchor &b is not taken"},
    {37, "      - backend: !partner baidu", 37, "the tag !partner is not taken"},
    {42, "        data_region: CN\n---\nmarket: CN", 43, "a second document begins"},
    {42, "\tdata_region: CN", 42, ""},
};

static void every_mistake_has_its_line_and_nearest_name(void **state)
{
    (void)state;
    char yaml[8192], says[512];
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char *json = NULL;
        size_t len = 0;
        tdm_error err = {0};
        base_with(mistakes[i].line, mistakes[i].text, yaml, sizeof yaml);
        const tdm_status s = tdm__market_compile(tdm__str_from(yaml), "t.yaml", &resolver, &json, &len, &err);
        snprintf(says, sizeof says, "t.yaml:%zu: ", mistakes[i].line_named);
        if (s >= 0 || json || strncmp(err.msg, says, strlen(says)) != 0 || !strstr(err.msg, mistakes[i].says))
            fail_msg("%s\ngives %d \"%s\", not \"%s..%s\"", mistakes[i].text, s, err.msg, says, mistakes[i].says);
    }
}

static void assert_json_refused(const char *json, const char *says)
{
    tdm__market_policy *p = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__market_policy_create(tdm__str_from(json), &p, &err), TDM_ERR_FORMAT);
    assert_null(p);
    if (strncmp(err.msg, "market policy", 13) != 0 || !strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

#define JSON_POLICY(type, more, features)                                                                              \
    "{\"_type\":\"" type "\",\"market\":\"CN\",\"name\":{\"en\":\"a\",\"zh\":\"b\"},\"sold_in\":[\"CN\"],"             \
    "\"version\":1,\"shape\":\"own-only\",\"needs_filing\":true,\"needs_accreditation\":true,"                         \
    "\"label\":{\"visible\":false}," more "\"features\":{" features "}}"
#define JSON_OWN(more) "\"chat\":{\"backends\":[{\"backend\":\"own\",\"role\":\"engine\",\"model\":\"m\"," more        \
                       "\"model_name\":\"M\"}]}"

static void the_signed_form_is_as_strict(void **state)
{
    (void)state;
    tdm__market_policy *p = NULL;
    tdm_error err = {0};
    const char *fine = JSON_POLICY("market-policy", "", JSON_OWN("\"canary_bp\":10000,"));
    assert_int_equal(tdm__market_policy_create(tdm__str_from(fine), &p, &err), TDM_OK);
    assert_int_equal(p->cells[0].backends[0].canary_bp, 10000);
    tdm__market_policy_destroy(p);
    p = NULL;
    /* a feature of a newer policy is nobody's error */
    assert_int_equal(tdm__market_policy_create(
                         tdm__str_from(JSON_POLICY("market-policy", "",
                                                   "\"compose\":{\"backends\":[{\"backend\":\"own\","
                                                   "\"role\":\"engine\",\"model\":\"m\",\"model_name\":\"M\"}]}")),
                         &p, &err), TDM_OK);
    tdm__market_policy_destroy(p);
    assert_json_refused(JSON_POLICY("pack", "", JSON_OWN("")), "_type: 'pack' stands here");
    assert_json_refused(JSON_POLICY("market-policy", "\"grace_hours\":1,", ""), "'grace_hours' is not known");
    assert_json_refused(JSON_POLICY("market-policy", "\"grace_s\":1.0,", ""), "grace_s: an integer is needed");
    assert_json_refused(JSON_POLICY("market-policy", "\"grace_s\":2592001,", ""), "grace_s: 2592001 stands here");
    assert_json_refused(JSON_POLICY("market-policy", "\"extra\":1,", ""), "extra: 'extra' is not known");
    assert_json_refused(JSON_POLICY("market-policy", "", JSON_OWN("\"canary\":1,")), "did you mean 'canary_bp'?");
    assert_json_refused(JSON_POLICY("market-policy", "", JSON_OWN("\"canary_bp\":10001,")),
                        "features.chat.backends[0].canary_bp: 10001 stands here, 0 to 10000 is allowed");
    assert_json_refused(JSON_POLICY("market-policy", "", JSON_OWN("\"canary_bp\":-1,")), "canary_bp: -1 stands here");
    assert_json_refused(JSON_POLICY("market-policy", "\"market\":\"CN\",", ""), "a key comes twice");
    assert_json_refused("[]", "an object is needed, an array stands here");
    assert_json_refused("{}", "'_type' is missing");
    assert_json_refused("", "JSON");
}

/* 100 partners, 64 features of 16 back ends: 1,024 rules. */
static char *large_policy(size_t n_partners, size_t n_features, size_t n_backends)
{
    json_t *partners = json_object(), *features = json_object();
    char id[32], profile[96];
    for (size_t i = 0; i < n_partners; i++) {
        snprintf(id, sizeof id, "p%zu", i);
        snprintf(profile, sizeof profile, "markets/CN/partners/p%zu.json", i);
        json_object_set_new(partners, id, json_pack("{s{ss ss} ss ss ss}", "name", "en", id, "zh", id, "legal_entity",
                                                    id, "profile", profile, "profile_sha256", HASH_A));
    }
    for (size_t i = 0; i < n_features; i++) {
        json_t *backends = json_array();
        for (size_t k = 0; k < n_backends; k++) {
            snprintf(id, sizeof id, "p%zu", (i + k) % n_partners);
            json_array_append_new(backends, json_pack("{ss ss ss ss ss ss}", "backend", id, "role", "hand-off", "model",
                                                      "m", "model_name", "M", "model_date", "2025-01-25",
                                                      "data_region", "CN"));
        }
        snprintf(id, sizeof id, "f%zu", i);
        json_object_set_new(features, id, json_pack("{so}", "backends", backends));
    }
    json_t *all = json_pack("{ss ss s{ss ss} s[s] si ss sb sb s{sb} so so}", "_type", "market-policy", "market", "CN",
                            "name", "en", "a", "zh", "b", "sold_in", "CN", "version", 1, "shape", "own-and-partner",
                            "needs_filing", 1, "needs_accreditation", 1, "label", "visible", 0, "partners", partners,
                            "features", features);
    assert_non_null(all);
    char *text = json_dumps(all, 0);
    json_decref(all);
    return text;
}

static void a_large_policy_is_read_and_a_larger_one_refused(void **state)
{
    (void)state;
    tdm__market_policy *p = NULL;
    tdm_error err = {0};
    char *text = large_policy(100, 64, 16);
    if (tdm__market_policy_create(tdm__str_from(text), &p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(p->n_partners, 100);
    assert_int_equal(p->n_cells, 64);
    for (size_t i = 0; i < 64; i++) {
        assert_ptr_equal(tdm__market_policy_cell(p, p->cells[i].feature), &p->cells[i]);
        assert_int_equal(p->cells[i].n_backends, 16);
    }
    tdm__market_policy_destroy(p);
    free(text);
    static const struct {
        size_t partners, features, backends;
        const char *says;
    } beyond[] = {
        {257, 1, 1, "partners: 257 entries, 256 are the most"},
        {1, 257, 1, "features: 257 entries, 256 are the most"},
        {20, 1, 17, "features.f0.backends: 17 entries, 1 to 16 are allowed"},
    };
    for (size_t i = 0; i < 3; i++) {
        text = large_policy(beyond[i].partners, beyond[i].features, beyond[i].backends);
        assert_json_refused(text, beyond[i].says);
        free(text);
    }
}

static void a_dns_server_is_an_address(void **state)
{
    static const char *const fine[] = {"223.5.5.5:53", "127.0.0.1:5353", "'[2001:db8::1]:53'", "'[::1]:65535'", "''"};
    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char yaml[8192], line[64], *json = NULL;
        snprintf(line, sizeof line, "dns_server: %s", fine[i]);
        base_with(11, line, yaml, sizeof yaml);
        tdm__market_policy_destroy(compiled(yaml, &json));
        free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_read_back),
        cmocka_unit_test(the_same_text_gives_the_same_bytes),
        cmocka_unit_test(every_mistake_has_its_line_and_nearest_name),
        cmocka_unit_test(the_signed_form_is_as_strict),
        cmocka_unit_test(a_large_policy_is_read_and_a_larger_one_refused),
        cmocka_unit_test(a_dns_server_is_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
