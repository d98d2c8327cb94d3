/* test_filing.c - approval cases: who may do what in which state, and what no forger, editor or replayer gets through.
 *
 * The table of steps is written from the words that ordered it (two filers with a section each; the regulator reviews,
 * asks, decides; before the verdict a filer withdraws, after it the regulator; only time leads to expired), not from
 * the code's own table, and every other combination is expected to be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "case_maker.h"
#include "policy/envelope.h"

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

enum { LATER = CASE_T0 + 100000 };

static tdm__filing_case *read_at(const char *json, int64_t now, tdm_status *status, tdm_error *err)
{
    tdm__filing_case *c = NULL;
    *err = (tdm_error){0};
    *status = tdm__filing_case_create(tdm__str_from(json), keys, now, &c, err);
    assert_true((*status == TDM_OK) == (c != NULL));
    return c;
}

static tdm__filing_case *read_good(const char *json)
{
    tdm_status s;
    tdm_error err;
    tdm__filing_case *c = read_at(json, LATER, &s, &err);
    if (!c)
        fail_msg("%s", err.msg);
    return c;
}

/* json (which is freed) is no case, with that status and those words. */
static void expect_bad(char *json, tdm_status status, const char *words)
{
    tdm_status s;
    tdm_error err;
    tdm__filing_case *c = read_at(json, LATER, &s, &err);
    if (c || s != status || !strstr(err.msg, words))
        fail_msg("\"%s\" was expected, status %d and \"%s\" came", words, s, err.msg);
    free(json);
}

/* json (which is freed) with one more entry is no case. */
static void expect_bad_entry(char *json, tdm__filing_action action, signed_maker_who who, const char *fields,
                             int64_t at, tdm_status status, const char *words)
{
    char *more = case_maker_forge(json, action, who, fields, at);
    free(json);
    expect_bad(more, status, words);
}

/* ---- the table ---- */

typedef struct allowed {
    const char *from;
    tdm__filing_action action;
    signed_maker_who who;
    tdm__filing_state to;
} allowed;

static const allowed steps[] = {
    {"none", TDM__FILING_NEW, SIGNED_MAKER, TDM__FILING_DRAFT},
    {"none", TDM__FILING_NEW, SIGNED_PROVIDER, TDM__FILING_DRAFT},
    {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER, TDM__FILING_DRAFT},
    {"draft", TDM__FILING_SUBMIT, SIGNED_PROVIDER, TDM__FILING_DRAFT},
    {"draft+maker", TDM__FILING_SUBMIT, SIGNED_PROVIDER, TDM__FILING_SUBMITTED},
    {"draft+provider", TDM__FILING_SUBMIT, SIGNED_MAKER, TDM__FILING_SUBMITTED},
    {"submitted", TDM__FILING_REVIEW, SIGNED_REGULATOR, TDM__FILING_UNDER_REVIEW},
    {"submitted", TDM__FILING_REVIEW, SIGNED_REGULATOR_2, TDM__FILING_UNDER_REVIEW},
    {"under_review", TDM__FILING_ASK, SIGNED_REGULATOR, TDM__FILING_UNDER_REVIEW},
    {"under_review", TDM__FILING_ASK, SIGNED_REGULATOR_2, TDM__FILING_UNDER_REVIEW},
    {"asked", TDM__FILING_ASK, SIGNED_REGULATOR, TDM__FILING_UNDER_REVIEW},
    {"asked", TDM__FILING_ASK, SIGNED_REGULATOR_2, TDM__FILING_UNDER_REVIEW},
    {"asked", TDM__FILING_ANSWER, SIGNED_MAKER, TDM__FILING_UNDER_REVIEW},
    {"asked", TDM__FILING_ANSWER, SIGNED_PROVIDER, TDM__FILING_UNDER_REVIEW},
    {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, TDM__FILING_APPROVED},
    {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR_2, TDM__FILING_APPROVED},
    {"under_review", TDM__FILING_REFUSE, SIGNED_REGULATOR, TDM__FILING_REFUSED},
    {"under_review", TDM__FILING_REFUSE, SIGNED_REGULATOR_2, TDM__FILING_REFUSED},
    {"asked", TDM__FILING_APPROVE, SIGNED_REGULATOR, TDM__FILING_APPROVED},
    {"asked", TDM__FILING_APPROVE, SIGNED_REGULATOR_2, TDM__FILING_APPROVED},
    {"asked", TDM__FILING_REFUSE, SIGNED_REGULATOR, TDM__FILING_REFUSED},
    {"asked", TDM__FILING_REFUSE, SIGNED_REGULATOR_2, TDM__FILING_REFUSED},
    {"draft", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"draft", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"draft+maker", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"draft+maker", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"draft+provider", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"draft+provider", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"submitted", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"submitted", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"under_review", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"under_review", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"asked", TDM__FILING_WITHDRAW, SIGNED_MAKER, TDM__FILING_WITHDRAWN},
    {"asked", TDM__FILING_WITHDRAW, SIGNED_PROVIDER, TDM__FILING_WITHDRAWN},
    {"approved", TDM__FILING_WITHDRAW, SIGNED_REGULATOR, TDM__FILING_WITHDRAWN},
    {"approved", TDM__FILING_WITHDRAW, SIGNED_REGULATOR_2, TDM__FILING_WITHDRAWN},
};

enum { N_STEPS = sizeof steps / sizeof steps[0] };

static const char *const froms[] = {"none",  "draft",    "draft+maker", "draft+provider", "submitted", "under_review",
                                    "asked", "approved", "ended",       "refused",        "withdrawn", "revoked"};

static const allowed *find_step(const char *from, tdm__filing_action action, signed_maker_who who)
{
    for (size_t i = 0; i < N_STEPS; i++)
        if (strcmp(steps[i].from, from) == 0 && steps[i].action == action && steps[i].who == who)
            return &steps[i];
    return NULL;
}

static char *case_from(const char *from)
{
    if (strcmp(from, "none") == 0)
        return NULL;
    return case_maker_in(strcmp(from, "ended") == 0 ? "ending" : from);
}

/* The step as a forger would take it, and as extend takes it: both say the same. */
static void try_step(const char *from, const char *json, tdm__filing_action action, signed_maker_who who,
                     const char *section)
{
    const allowed *want = find_step(from, action, who);
    if (action == TDM__FILING_SUBMIT && strcmp(section, who == SIGNED_PROVIDER ? "provider" : "maker") != 0)
        want = NULL; /* nobody submits the other's section */
    const char *fields = case_maker_fields(action, section);
    const int64_t at = CASE_T0 + 5000;
    tdm__secret_key key;
    tdm_status s;
    tdm_error err;
    char *forged = case_maker_forge(json, action, who, fields, at), *made = NULL;
    tdm__filing_case *c = read_at(forged, LATER, &s, &err);
    if ((c != NULL) != (want != NULL) || (!c && s != TDM_ERR_INTEGRITY && s != TDM_ERR_FORMAT))
        fail_msg("%s, %s by %d: read gives %d, %s", from, tdm__filing_action_name(action), who, s, err.msg);
    if (c)
        assert_int_equal(tdm__filing_case_state(c, at), want->to);
    tdm__filing_case *before = json ? read_good(json) : NULL;
    json_t *f = json_loads(fields, 0, NULL);
    signed_maker_key(who, &key);
    err = (tdm_error){0};
    s = tdm__filing_case_extend(before, action, f, &key, keys, at, &made, &err);
    if ((s == TDM_OK) != (want != NULL) || (s != TDM_OK && s != TDM_ERR_REFUSED))
        fail_msg("%s, %s by %d: extend gives %d, %s", from, tdm__filing_action_name(action), who, s, err.msg);
    if (c) { /* the same bytes are signed, whoever puts them together */
        tdm__filing_case *again = read_good(made);
        assert_string_equal(tdm__filing_case_head(again), tdm__filing_case_head(c));
        tdm__filing_case_destroy(again);
    }
    tdm__filing_case_destroy(before);
    tdm__filing_case_destroy(c);
    json_decref(f);
    free(made);
    free(forged);
}

static void every_state_action_and_signer_is_as_ordered(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t f = 0; f < sizeof froms / sizeof froms[0]; f++) {
        char *json = case_from(froms[f]);
        for (int a = TDM__FILING_NEW; a <= TDM__FILING_WITHDRAW; a++)
            for (int w = 0; w < SIGNED_ALL; w++, n++) {
                try_step(froms[f], json, (tdm__filing_action)a, (signed_maker_who)w, "maker");
                if (a == TDM__FILING_SUBMIT)
                    try_step(froms[f], json, (tdm__filing_action)a, (signed_maker_who)w, "provider");
            }
        free(json);
    }
    assert_int_equal(n, 12 * 8 * SIGNED_ALL);
}

static void time_alone_ends_an_approval(void **state)
{
    (void)state;
    char *json = case_maker_in("ending");
    tdm__filing_case *c = read_good(json);
    assert_int_equal(tdm__filing_case_expires_unix_s(c), CASE_T0 + 1000);
    assert_int_equal(tdm__filing_case_state(c, CASE_T0 + 999), TDM__FILING_APPROVED);
    assert_int_equal(tdm__filing_case_state(c, CASE_T0 + 1000), TDM__FILING_EXPIRED);
    tdm__filing_case_destroy(c);
    free(json);
    json = case_maker_in("approved");
    c = read_good(json);
    assert_true(tdm__filing_case_expires_unix_s(c) == INT64_MAX);
    assert_int_equal(tdm__filing_case_state(c, INT64_MAX - 1), TDM__FILING_APPROVED);
    assert_int_equal(tdm__filing_case_since_unix_s(c), CASE_T0 + 40);
    tdm__filing_case_destroy(c);
    free(json);
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR,
                     "{\"hypothetical\":true,\"expires\":\"2025-02-11T08:00:50Z\"}", CASE_T0 + 50, TDM_ERR_FORMAT,
                     "ends before it begins");
}

/* ---- forgers, editors, replayers ---- */

static json_t *entries_of(json_t *document)
{
    return json_object_get(document, "entries");
}

static char *dump(json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

static void an_entry_left_out_moved_or_doubled_is_seen(void **state)
{
    (void)state;
    char *json = case_maker_in("revoked");
    const size_t n = 6;
    for (size_t i = 0; i < n; i++) {
        json_t *d = json_loads(json, 0, NULL);
        assert_int_equal(json_array_size(entries_of(d)), n);
        json_array_remove(entries_of(d), i);
        tdm_status s;
        tdm_error err;
        char *text = dump(d);
        tdm__filing_case *c = read_at(text, LATER, &s, &err);
        assert_true((c != NULL) == (i == n - 1)); /* the last one's absence is an earlier state: see growth */
        tdm__filing_case_destroy(c);
        free(text);
        for (size_t k = 0; k < n; k++) {
            d = json_loads(json, 0, NULL);
            json_t *moved = json_incref(json_array_get(entries_of(d), i));
            if (k != i)
                json_array_remove(entries_of(d), i);
            json_array_insert_new(entries_of(d), k, moved); /* k == i: the entry twice */
            expect_bad(dump(d), TDM_ERR_INTEGRITY, "case ");
        }
    }
    free(json);
}

static void no_changed_byte_makes_another_case(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    tdm__filing_case *good = read_good(json);
    json_t *view = tdm__filing_case_json(good, LATER);
    const size_t len = strlen(json);
    size_t n_same = 0;
    for (size_t i = 0; i < len; i++) {
        const char kept = json[i];
        json[i] = (char)(kept ^ (1 << (i % 7)));
        tdm__filing_case *c = NULL;
        if (tdm__filing_case_create(tdm__str_from(json), keys, LATER, &c, NULL) == TDM_OK) {
            json_t *other = tdm__filing_case_json(c, LATER);
            if (!json_equal(view, other))
                fail_msg("byte %zu was changed and the case says something else", i);
            json_decref(other);
            n_same++;
        }
        tdm__filing_case_destroy(c);
        tdm__filing_case *unchecked = NULL; /* who has no keyring sees the change too */
        const bool is_case = tdm__filing_case_create_unchecked(tdm__str_from(json), LATER, &unchecked, NULL) == TDM_OK;
        assert_true(is_case == (c != NULL));
        tdm__filing_case_destroy(unchecked);
        json[i] = kept;
    }
    assert_true(n_same < 8); /* blanks at most */
    json_decref(view);
    tdm__filing_case_destroy(good);
    free(json);
}

static void a_truncated_case_is_no_case(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    tdm__filing_case *c = NULL;
    for (size_t len = strlen(json) - 1; len > 0; len--) {
        assert_true(tdm__filing_case_create((tdm__str){json, len}, keys, LATER, &c, NULL) != TDM_OK);
        assert_null(c);
    }
    free(json);
}

/* An approval that was signed for one state of a case, behind another state of it or in another case. */
static void a_verdict_is_good_for_one_state_of_one_case(void **state)
{
    (void)state;
    char *approved = case_maker_in("approved"), *asked = case_maker_in("asked");
    json_t *from = json_loads(approved, 0, NULL), *to = json_loads(asked, 0, NULL);
    json_array_append(entries_of(to), json_array_get(entries_of(from), 4));
    expect_bad(dump(to), TDM_ERR_INTEGRITY, "does not name the entry before it");
    char *revoked = case_maker_in("revoked");
    to = json_loads(revoked, 0, NULL);
    json_array_append(entries_of(to), json_array_get(entries_of(from), 4)); /* approved once more, after the end */
    expect_bad(dump(to), TDM_ERR_INTEGRITY, "approve is not possible when a case is withdrawn");
    json_decref(from);
    free(revoked);
    free(asked);
    free(approved);
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR,
                     "{\"hypothetical\":true,\"case\":\"DEMO-CN-2025-0002\"}", CASE_T0 + 50, TDM_ERR_INTEGRITY,
                     "another case or market");
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR,
                     "{\"hypothetical\":true,\"market\":\"US\"}", CASE_T0 + 50, TDM_ERR_INTEGRITY,
                     "another case or market");
}

static void only_those_act_whom_the_keyring_lets(void **state)
{
    (void)state;
    static const struct {
        signed_maker_who who;
        const char *words;
    } others[] = {
        {SIGNED_STRANGER, "not in the keyring"},
        {SIGNED_REGULATOR_US, "may not speak for market CN"},
        {SIGNED_MAKER, "has no role that may approve"},
        {SIGNED_GATEWAY, "has no role that may approve"},
        {SIGNED_REVOKED, "was revoked"},
        {SIGNED_PAST, "was not valid on 2025-02-11T08:00:50Z"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, others[i].who, "{\"hypothetical\":true}",
                         CASE_T0 + 50, TDM_ERR_INTEGRITY, others[i].words);
    expect_bad_entry(case_maker_in("draft+maker"), TDM__FILING_SUBMIT, SIGNED_OTHER_PROVIDER,
                     case_maker_fields(TDM__FILING_SUBMIT, "provider"), CASE_T0 + 50, TDM_ERR_INTEGRITY,
                     "neither DEMO-MAKER's nor PROVIDER's");
    expect_bad_entry(case_maker_in("approved"), TDM__FILING_WITHDRAW, SIGNED_MAKER, "{}", CASE_T0 + 50,
                     TDM_ERR_INTEGRITY, "has no role that may withdraw");
}

static void a_key_that_is_revoked_later_takes_its_case_with_it(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    json_t *less = signed_maker_keys_json(SIGNED_REGULATOR);
    tdm__keyring *fewer = NULL;
    tdm__filing_case *c = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__keyring_create(less, true, &fewer, &err), TDM_OK);
    assert_int_equal(tdm__filing_case_create(tdm__str_from(json), fewer, LATER, &c, &err), TDM_ERR_INTEGRITY);
    assert_non_null(strstr(err.msg, "entry 4: key"));
    assert_non_null(strstr(err.msg, "was revoked"));
    tdm__keyring_destroy(fewer);
    json_decref(less);
    free(json);
}

static void a_signature_is_the_named_signers_and_the_only_one(void **state)
{
    (void)state;
    char *json = case_maker_in("under_review"), signer[200], hex[300];
    tdm__secret_key regulator, maker;
    signed_maker_key(SIGNED_REGULATOR, &regulator);
    signed_maker_key(SIGNED_MAKER, &maker);
    json_t *object = tdm__public_key_json(&regulator.public_key);
    char *text = json_dumps(object, JSON_COMPACT);
    snprintf(signer, sizeof signer, "%s", text);
    snprintf(hex, sizeof hex, "{\"hypothetical\":true,\"signer\":%s}", signer);
    free(text);
    json_decref(object);
    char *approved = case_maker_forge(json, TDM__FILING_APPROVE, SIGNED_MAKER, hex, CASE_T0 + 50);
    expect_bad(approved, TDM_ERR_INTEGRITY, "one signature, by the key that it names");
    approved = case_maker_forge(json, TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true}", CASE_T0 + 50);
    json_t *d = json_loads(approved, 0, NULL);
    assert_int_equal(tdm__envelope_sign(json_array_get(entries_of(d), 4), &maker, NULL), TDM_OK); /* a second one */
    expect_bad(dump(d), TDM_ERR_INTEGRITY, "one signature");
    d = json_loads(approved, 0, NULL);
    json_array_clear(json_object_get(json_array_get(entries_of(d), 4), "signatures"));
    tdm_status s;
    tdm_error err;
    char *unsigned_json = dump(d);
    assert_null(read_at(unsigned_json, LATER, &s, &err));
    free(unsigned_json);
    free(approved);
    free(json);
}

static void dates_never_go_back_and_never_lie_in_the_future(void **state)
{
    (void)state;
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true}",
                     CASE_T0 + 29, TDM_ERR_INTEGRITY, "2025-02-11T08:00:29Z lies before that of the entry before it");
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true}",
                     LATER + 301, TDM_ERR_INTEGRITY, "lies in the future");
    char *json = case_maker_in("under_review");
    char *ahead = case_maker_forge(json, TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true}", LATER + 300);
    tdm__filing_case_destroy(read_good(ahead));
    free(ahead);
    free(json);
    json = case_maker_in("approved"); /* a clock set back: what it cannot have seen yet is not believed */
    tdm_status s;
    tdm_error err;
    assert_null(read_at(json, CASE_T0 - 1000, &s, &err));
    assert_int_equal(s, TDM_ERR_INTEGRITY);
    free(json);
}

static void demonstrations_and_the_real_world_do_not_mix(void **state)
{
    (void)state;
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":false}",
                     CASE_T0 + 50, TDM_ERR_INTEGRITY, "hypothetical in a demonstration and nowhere else");
    json_t *real = json_loads(case_maker_new, 0, NULL);
    json_object_set_new(real, "demo", json_false());
    char *fields = json_dumps(real, 0);
    expect_bad(case_maker_forge(NULL, TDM__FILING_NEW, SIGNED_MAKER, fields, CASE_T0), TDM_ERR_FORMAT,
               "do not go together");
    free(fields);
    json_object_set_new(real, "id", json_string("CN-2025-0001"));
    fields = dump(real);
    expect_bad(case_maker_forge(NULL, TDM__FILING_NEW, SIGNED_MAKER, fields, CASE_T0), TDM_ERR_INTEGRITY,
               "is a demonstration's and the case is none's");
    free(fields);
}

/* ---- members ---- */

static void what_a_new_case_may_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value; /* JSON; NULL: the member is left out */
        const char *words;
    } bad[] = {
        {"id", "\"DEMO-../../etc\"", "case has 14 characters of which one is not allowed"},
        {"id", "\"DEMO-.\"", "is not allowed"},
        {"id", "\"\"", "is not allowed"},
        {"market", "\"cn\"", "is not allowed"},
        {"market", "\"C\"", "two upper-case letters"},
        {"market", "\"CHN\"", "is not allowed"},
        {"features", "[]", "features is empty"},
        {"features", "[\"assistant\",\"assistant\"]", "named twice"},
        {"features", "[\"Assistant\"]", "feature 1 is no name"},
        {"features", "[1]", "feature 1 is no name"},
        {"features", NULL, "features"},
        {"models", "[]", "models is empty"},
        {"models", "[{\"partner\":\"\",\"model\":\"m\",\"sha256\":\"12\"}]", "needs sha256"},
        {"models", "[{\"partner\":\"alibaba\",\"model\":\"m\"}]", "needs the date"},
        {"models", "[{\"partner\":\"alibaba\",\"model\":\"m\",\"date\":\"2025-02-30\"}]", "needs the date"},
        {"models", "[{\"partner\":\"alibaba\",\"model\":\"\",\"date\":\"2025-01-25\"}]", "is not allowed"},
        {"models",
         "[{\"partner\":\"a\",\"model\":\"m\",\"date\":\"2025-01-25\"},"
         "{\"partner\":\"a\",\"model\":\"m\",\"date\":\"2025-01-26\"}]",
         "named twice"},
        {"models", "[\"m\"]", "a model is a string"},
        {"maker", "\"\"", "maker has 0 bytes"},
        {"provider", NULL, "provider"},
        {"demo", "1", "demo"},
        {"hidden", "1", "hidden"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *fields = json_loads(case_maker_new, 0, NULL);
        if (bad[i].value)
            json_object_set_new(fields, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(fields, bad[i].key);
        char *text = dump(fields);
        char *json = case_maker_forge(NULL, TDM__FILING_NEW, SIGNED_MAKER, text, CASE_T0);
        tdm_status s;
        tdm_error err;
        assert_null(read_at(json, LATER, &s, &err));
        if ((s != TDM_ERR_FORMAT && s != TDM_ERR_LIMIT) || !strstr(err.msg, bad[i].words))
            fail_msg("%s %s: \"%s\" was expected, \"%s\" came", bad[i].key, bad[i].value, bad[i].words, err.msg);
        free(json);
        free(text);
    }
}

static void what_other_entries_may_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        tdm__filing_action action;
        signed_maker_who who;
        const char *fields, *words;
    } bad[] = {
        {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER, "{\"section\":\"maker\",\"documents\":[]}", "documents is empty"},
        {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER, "{\"section\":\"both\",\"documents\":[]}", "neither maker nor"},
        {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER,
         "{\"section\":\"maker\",\"documents\":[{\"name\":\"../x\",\"bytes\":1,\"sha256\":\"\"}]}", "is a path"},
        {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER,
         "{\"section\":\"maker\",\"documents\":[{\"name\":\"x\",\"bytes\":1,\"sha256\":\"AB\"}]}", "sha256 is not 64"},
        {"draft", TDM__FILING_SUBMIT, SIGNED_MAKER,
         "{\"section\":\"maker\",\"documents\":[{\"name\":\"x\",\"bytes\":-1,\"sha256\":\"AB\"}]}", "bytes"},
        {"submitted", TDM__FILING_REVIEW, SIGNED_REGULATOR, "{\"text\":\"x\"}", "text"},
        {"under_review", TDM__FILING_ASK, SIGNED_REGULATOR, "{}", "text"},
        {"under_review", TDM__FILING_ASK, SIGNED_REGULATOR, "{\"text\":\"\"}", "text has 0 bytes"},
        {"under_review", TDM__FILING_ASK, SIGNED_REGULATOR, "{\"text\":7}", "text"},
        {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, "{}", "hypothetical"},
        {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true,\"conditions\":[\"\"]}",
         "a condition has 0 bytes"},
        {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true,\"features\":[\"chat\"]}",
         "features"},
        {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true,\"expires\":\"tomorrow\"}",
         "expires"},
        {"under_review", TDM__FILING_APPROVE, SIGNED_REGULATOR, "{\"hypothetical\":true,\"action\":\"aprove\"}",
         "action is none of"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *before = case_maker_in(bad[i].from);
        char *json = case_maker_forge(before, bad[i].action, bad[i].who, bad[i].fields, CASE_T0 + 50);
        tdm_status s;
        tdm_error err;
        assert_null(read_at(json, LATER, &s, &err));
        if ((s != TDM_ERR_FORMAT && s != TDM_ERR_LIMIT) || !strstr(err.msg, bad[i].words))
            fail_msg("%s: \"%s\" was expected, \"%s\" came", bad[i].fields, bad[i].words, err.msg);
        free(json);
        free(before);
    }
    expect_bad_entry(case_maker_in("under_review"), TDM__FILING_ANSWER, SIGNED_MAKER, "{\"text\":\"x\"}", CASE_T0 + 50,
                     TDM_ERR_INTEGRITY, "no question waits");
}

static void a_caller_cannot_set_what_is_found(void **state)
{
    (void)state;
    static const char *const found[] = {"previous", "date", "signer", "_type", "action", "case", "market"};
    char *json = case_maker_in("under_review"), *made = NULL;
    tdm__filing_case *c = read_good(json);
    tdm__secret_key key;
    signed_maker_key(SIGNED_REGULATOR, &key);
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        json_t *fields = json_pack("{s:s, s:s}", "text", "x", found[i], "y");
        tdm_error err = {0};
        assert_int_equal(tdm__filing_case_extend(c, TDM__FILING_ASK, fields, &key, keys, LATER, &made, &err),
                         TDM_ERR_FORMAT);
        assert_null(made);
        assert_non_null(strstr(err.msg, found[i]));
        json_decref(fields);
    }
    tdm__filing_case_destroy(c);
    free(json);
}

/* ---- what is shown ---- */

static void the_view_shows_sections_questions_verdict_and_history(void **state)
{
    (void)state;
    char *json = case_maker_in("asked");
    char *answered = case_maker_forge(json, TDM__FILING_ANSWER, SIGNED_PROVIDER,
                                      case_maker_fields(TDM__FILING_ANSWER, NULL), CASE_T0 + 60);
    char *approved = case_maker_forge(answered, TDM__FILING_APPROVE, SIGNED_REGULATOR_2,
                                      "{\"hypothetical\":true,\"conditions\":[\"adults only\"],"
                                      "\"expires\":\"2026-02-11T00:00:00Z\"}",
                                      CASE_T0 + 70);
    tdm__filing_case *c = read_good(approved);
    json_t *view = tdm__filing_case_json(c, LATER);
    const char *id, *st, *since, *asked, *answer, *by, *role, *condition, *document, *expires;
    int demo, hypothetical, checked;
    assert_int_equal(json_unpack(view,
                                 "{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:[{s:s, s:{s:s}}], s:{s:{s:s, s:s}, s:[s]}, "
                                 "s:{s:{s:[{s:s}]}}}",
                                 "id", &id, "state", &st, "since", &since, "expires", &expires, "demo", &demo,
                                 "hypothetical", &hypothetical, "signers_checked", &checked, "questions", "text",
                                 &asked, "answer", "text", &answer, "verdict", "signer", "id", &by, "role", &role,
                                 "conditions", &condition, "sections", "provider", "documents", "name", &document),
                     0);
    assert_string_equal(id, "DEMO-CN-2025-0001");
    assert_string_equal(st, "approved");
    assert_string_equal(since, "2025-02-11T08:01:10Z");
    assert_string_equal(expires, "2026-02-11T00:00:00Z");
    assert_true(demo && hypothetical && checked);
    assert_string_equal(asked, "which corpus was refused?");
    assert_string_equal(answer, "none, see the report");
    assert_string_equal(by, "DEMO-REGULATOR-2");
    assert_string_equal(role, "regulator");
    assert_string_equal(condition, "adults only");
    assert_string_equal(document, "report.pdf");
    assert_int_equal(json_array_size(json_object_get(view, "history")), 7);
    assert_string_equal(json_string_value(json_object_get(view, "head")), tdm__filing_case_head(c));
    json_decref(view);
    tdm__filing_case_destroy(c);
    free(approved);
    free(answered);
    free(json);
}

static void without_a_keyring_a_case_opens_nothing_and_says_so(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    tdm__filing_case *c = NULL;
    assert_int_equal(tdm__filing_case_create(tdm__str_from(json), NULL, LATER, &c, NULL), TDM_ERR_INVAL);
    assert_null(c);
    assert_int_equal(tdm__filing_case_create_unchecked(tdm__str_from(json), LATER, &c, NULL), TDM_OK);
    assert_false(tdm__filing_case_is_checked(c));
    json_t *view = tdm__filing_case_json(c, LATER);
    assert_true(json_is_false(json_object_get(view, "signers_checked")));
    json_decref(view);
    tdm__filing_case_destroy(c);
    free(json);
}

/* ---- growth and bounds ---- */

static tdm_status growth(const char *earlier, const char *later)
{
    char *a = case_maker_in(earlier), *b = case_maker_in(later);
    tdm__filing_case *x = read_good(a), *y = read_good(b);
    tdm_error err = {0};
    tdm_status s = tdm__filing_case_check_growth(x, y, &err);
    assert_true((s == TDM_OK) == (err.msg[0] == '\0'));
    tdm__filing_case_destroy(x);
    tdm__filing_case_destroy(y);
    free(a);
    free(b);
    return s;
}

static void a_case_only_grows(void **state)
{
    (void)state;
    assert_int_equal(growth("draft", "revoked"), TDM_OK);
    assert_int_equal(growth("approved", "approved"), TDM_OK);
    assert_int_equal(growth("approved", "revoked"), TDM_OK);
    assert_int_equal(growth("revoked", "approved"), TDM_ERR_INTEGRITY); /* a withdrawal rolled back */
    assert_int_equal(growth("refused", "approved"), TDM_ERR_INTEGRITY); /* another verdict in its place */
    assert_int_equal(growth("refused", "revoked"), TDM_ERR_INTEGRITY);
}

static void a_full_case_still_takes_a_verdict_and_its_withdrawal(void **state)
{
    (void)state;
    char *json = case_maker_in("under_review"), *made = NULL;
    for (int n = 4; n < TDM__FILING_ENTRIES_MAX - 2; n++) {
        char *more = case_maker_forge(json, TDM__FILING_ASK, SIGNED_REGULATOR, "{\"text\":\"and?\"}", CASE_T0 + 50);
        free(json);
        json = more;
    }
    tdm__secret_key key;
    signed_maker_key(SIGNED_REGULATOR, &key);
    tdm__filing_case *c = read_good(json);
    json_t *text = json_pack("{s:s}", "text", "one more");
    assert_int_equal(tdm__filing_case_extend(c, TDM__FILING_ASK, text, &key, keys, LATER, &made, NULL), TDM_ERR_LIMIT);
    free(json);
    assert_int_equal(tdm__filing_case_extend(c, TDM__FILING_APPROVE, NULL, &key, keys, LATER, &json, NULL), TDM_OK);
    tdm__filing_case_destroy(c);
    c = read_good(json);
    assert_int_equal(tdm__filing_case_extend(c, TDM__FILING_WITHDRAW, text, &key, keys, LATER, &made, NULL), TDM_OK);
    tdm__filing_case_destroy(c);
    c = read_good(made);
    assert_int_equal(tdm__filing_case_n_entries(c), TDM__FILING_ENTRIES_MAX);
    assert_int_equal(tdm__filing_case_state(c, LATER), TDM__FILING_WITHDRAWN);
    tdm__filing_case_destroy(c);
    json_decref(text);
    free(json);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_action_and_signer_is_as_ordered),
        cmocka_unit_test(time_alone_ends_an_approval),
        cmocka_unit_test(an_entry_left_out_moved_or_doubled_is_seen),
        cmocka_unit_test(no_changed_byte_makes_another_case),
        cmocka_unit_test(a_truncated_case_is_no_case),
        cmocka_unit_test(a_verdict_is_good_for_one_state_of_one_case),
        cmocka_unit_test(only_those_act_whom_the_keyring_lets),
        cmocka_unit_test(a_key_that_is_revoked_later_takes_its_case_with_it),
        cmocka_unit_test(a_signature_is_the_named_signers_and_the_only_one),
        cmocka_unit_test(dates_never_go_back_and_never_lie_in_the_future),
        cmocka_unit_test(demonstrations_and_the_real_world_do_not_mix),
        cmocka_unit_test(what_a_new_case_may_not_say),
        cmocka_unit_test(what_other_entries_may_not_say),
        cmocka_unit_test(a_caller_cannot_set_what_is_found),
        cmocka_unit_test(the_view_shows_sections_questions_verdict_and_history),
        cmocka_unit_test(without_a_keyring_a_case_opens_nothing_and_says_so),
        cmocka_unit_test(a_case_only_grows),
        cmocka_unit_test(a_full_case_still_takes_a_verdict_and_its_withdrawal),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
