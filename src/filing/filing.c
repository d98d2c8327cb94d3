/* filing.c - walks the chain of a case: each entry must follow from the one before, or there is no case.
 *
 * One pass, in order; the state at each entry is that of the entry's own date, so an approval that had ended cannot be
 * withdrawn afterwards, and a verdict cannot be dated before the submission that it is about.
 */
#include "filing/filing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "filing/filing_internal.h"
#include "os/heap.h"

/* Whether the keyring's owner of a key is the filer that the case names for that role. */
static bool is_named_filer(const tdm__filing_case *c, const tdm__keyring_entry *who, tdm__key_role role)
{
    if (role == TDM__KEY_REGULATOR)
        return true; /* any regulator of the market may act */
    const char *filer = role == TDM__KEY_MAKER ? c->maker : c->provider;
    return strcmp(filer, who->id) == 0 || strcmp(filer, who->name_en) == 0 || strcmp(filer, who->name_zh) == 0;
}

static tdm_status fail_signer(const tdm__filing_case *c, const tdm__filing_entry *e, tdm__key_fault fault,
                              tdm_error *err)
{
    char date[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(e->date_unix_s, date);
    switch (fault) {
    case TDM__KEY_FINE: /* the role fits, the name does not */
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. is neither %s's nor %s's, the filers of the case", e->signer.id,
                 c->maker, c->provider);
    case TDM__KEY_UNKNOWN:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "nobody vouches for its key %.16s..: it is not in the keyring", e->signer.id);
    case TDM__KEY_OTHER_ROLE:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. has no role that may %s here", e->signer.id,
                 tdm__filing_action_name(e->action));
    case TDM__KEY_OTHER_MARKET:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. may not speak for market %s", e->signer.id, c->market);
    case TDM__KEY_NOT_VALID_THEN:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. was not valid on %s", e->signer.id, date);
    case TDM__KEY_REVOKED:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. was revoked", e->signer.id);
    }
    return TDM_ERR_INTEGRITY;
}

/* One of roles must be the signer's; of several faults the most telling one is said, which is the highest. */
static tdm_status check_signer(const tdm__filing_case *c, const tdm__filing_entry *e, unsigned roles,
                               const tdm__keyring *keys, const tdm__keyring_entry **out, tdm_error *err)
{
    tdm__key_fault worst = TDM__KEY_FINE;
    for (int role = TDM__KEY_MAKER; role <= TDM__KEY_REGULATOR; role++) {
        if (!(roles & 1u << role))
            continue;
        tdm__key_fault fault = TDM__KEY_FINE;
        const tdm__keyring_entry *who =
            tdm__keyring_find(keys, e->signer.id, (tdm__key_role)role, c->market, e->date_unix_s, &fault);
        if (who && is_named_filer(c, who, (tdm__key_role)role)) {
            if (who->is_demo != c->is_demo)
                TDM_FAIL(err, TDM_ERR_INTEGRITY, "key %.16s.. is %s demonstration's and the case is %s", e->signer.id,
                         who->is_demo ? "a" : "no", c->is_demo ? "one's" : "none's");
            *out = who;
            return TDM_OK;
        }
        if (!who && fault > worst)
            worst = fault;
    }
    return fail_signer(c, e, worst, err);
}

static tdm_status check_links(const tdm__filing_case *c, const tdm__filing_entry *e, int64_t now_unix_s, tdm_error *err)
{
    const char *id, *market, *previous;
    char date[TDM__RFC3339_TEXT];
    TDM_TRY(tdm__json_get_str(e->body, "case", "it", &id, err));
    TDM_TRY(tdm__json_get_str(e->body, "market", "it", &market, err));
    TDM_TRY(tdm__json_get_str(e->body, "previous", "it", &previous, err));
    if (strcmp(id, c->id) != 0 || strcmp(market, c->market) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "it was signed for another case or market");
    if (strcmp(previous, c->n_entries > 0 ? c->entries[c->n_entries - 1].sha256 : "") != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY,
                 "it does not name the entry before it: one was left out, added, moved or "
                 "changed");
    tdm__rfc3339_put(e->date_unix_s, date);
    if (c->n_entries > 0 && e->date_unix_s < c->entries[c->n_entries - 1].date_unix_s)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "its date %s lies before that of the entry before it", date);
    if (e->date_unix_s - TDM__FILING_SKEW_S > now_unix_s)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "its date %s lies in the future", date);
    return TDM_OK;
}

/* The rules of single actions; roles loses those that may not. */
static tdm_status check_step(const tdm__filing_case *c, const tdm__filing_entry *e, unsigned *roles, tdm_error *err)
{
    size_t section = 0;
    const bool is_demo_verdict = json_is_true(json_object_get(e->body, "hypothetical"));
    if (e->action == TDM__FILING_SUBMIT) {
        tdm__filing_section_find(json_string_value(json_object_get(e->body, "section")), &section);
        *roles = 1u << (section == TDM__SECTION_MAKER ? TDM__KEY_MAKER : TDM__KEY_PROVIDER);
        if (c->progress.is_submitted[section])
            TDM_FAIL(err, TDM_ERR_INTEGRITY, "the %s's section was submitted before",
                     tdm__filing_section_names[section]);
    }
    if (e->action == TDM__FILING_ANSWER && c->progress.n_open_questions == 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "no question waits for an answer");
    if (e->action == TDM__FILING_APPROVE && is_demo_verdict != c->is_demo)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "an approval is hypothetical in a demonstration and nowhere else");
    return TDM_OK;
}

static void take_step(tdm__filing_progress *p, const tdm__filing_entry *e, tdm__filing_state to)
{
    size_t section = 0;
    if (e->action == TDM__FILING_SUBMIT) {
        tdm__filing_section_find(json_string_value(json_object_get(e->body, "section")), &section);
        p->is_submitted[section] = true;
        if (!p->is_submitted[TDM__SECTION_MAKER] || !p->is_submitted[TDM__SECTION_PROVIDER])
            to = TDM__FILING_DRAFT;
    }
    if (e->action == TDM__FILING_ASK)
        p->n_open_questions++;
    if (e->action == TDM__FILING_ANSWER)
        p->n_open_questions--;
    if (e->action == TDM__FILING_APPROVE) {
        p->is_hypothetical = json_is_true(json_object_get(e->body, "hypothetical"));
        if (json_object_get(e->body, "expires"))
            (void)tdm__json_get_time(e->body, "expires", "it", &p->expires_unix_s, NULL); /* read before */
    }
    if (to != p->state)
        p->since_unix_s = e->date_unix_s;
    p->state = to;
}

/* Takes an entry that follows from the case so far. */
static tdm_status add_entry(tdm__filing_case *c, const json_t *envelope, const tdm__keyring *keys, int64_t now_unix_s,
                            tdm_error *err)
{
    tdm__filing_entry e;
    tdm__filing_state to = TDM__FILING_NONE;
    const tdm__keyring_entry *who = NULL;
    TDM_TRY(tdm__filing_entry_read(envelope, "it", &e, err));
    const tdm__filing_state from = tdm__filing_progress_state(&c->progress, e.date_unix_s);
    unsigned roles = tdm__filing_roles(e.action, from, &to);
    if (roles == 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s is not possible when a case is %s", tdm__filing_action_name(e.action),
                 tdm__filing_state_name(from));
    if (c->n_entries == 0)
        TDM_TRY(tdm__filing_case_take_new(c, &e, "it", err));
    TDM_TRY(check_links(c, &e, now_unix_s, err));
    TDM_TRY(check_step(c, &e, &roles, err));
    if (c->is_checked)
        TDM_TRY(check_signer(c, &e, roles, keys, &who, err));
    e.signer_json = tdm__filing_signer_json(&e.signer, who);
    if (!e.signer_json)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the signer's name");
    take_step(&c->progress, &e, to);
    c->entries[c->n_entries++] = e;
    return TDM_OK;
}

static tdm_status add_entries(tdm__filing_case *c, const tdm__keyring *keys, int64_t now_unix_s, tdm_error *err)
{
    static const char *const known[] = {"_type", "entries", NULL};
    const char *type;
    const json_t *entries, *one;
    size_t i;
    TDM_TRY(tdm__json_check_keys(c->document, "case", known, err));
    TDM_TRY(tdm__json_get_str(c->document, "_type", "case", &type, err));
    TDM_TRY(tdm__json_get_array(c->document, "entries", "case", TDM__FILING_ENTRIES_MAX, &entries, err));
    if (strcmp(type, "filing-case") != 0 || json_array_size(entries) == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "case: _type is not filing-case, or it has no entries");
    c->entries = tdm__calloc(json_array_size(entries), sizeof *c->entries);
    if (!c->entries)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu entries of a case", json_array_size(entries));
    json_array_foreach(entries, i, one)
    {
        tdm_error why = {0};
        tdm_status s = add_entry(c, one, keys, now_unix_s, &why);
        if (s != TDM_OK)
            TDM_FAIL(err, s, "case %s, entry %zu: %s", c->n_entries > 0 ? c->id : "without a beginning", i + 1,
                     why.msg);
    }
    return TDM_OK;
}

static tdm_status create(tdm__str json, const tdm__keyring *keys, int64_t now_unix_s, tdm__filing_case **out,
                         tdm_error *err)
{
    tdm__filing_case *c = tdm__calloc(1, sizeof *c);
    if (!c)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a case");
    c->is_checked = keys != NULL;
    c->progress.expires_unix_s = INT64_MAX;
    tdm_status s = tdm__json_parse(json, "case", TDM__FILING_CASE_BYTES_MAX, &c->document, err);
    if (s == TDM_OK && !json_is_object(c->document))
        s = tdm__fail(err, TDM_ERR_FORMAT, "case: it is %s, an object is needed", tdm__json_kind(c->document));
    if (s == TDM_OK)
        s = add_entries(c, keys, now_unix_s, err);
    if (s != TDM_OK) {
        tdm__filing_case_destroy(c);
        return s;
    }
    *out = c;
    return TDM_OK;
}

tdm_status tdm__filing_case_create(tdm__str json, const tdm__keyring *keys, int64_t now_unix_s, tdm__filing_case **out,
                                   tdm_error *err)
{
    if (!keys)
        TDM_FAIL(err, TDM_ERR_INVAL, "a case needs a keyring: without one nobody's word on it is believed");
    return create(json, keys, now_unix_s, out, err);
}

tdm_status tdm__filing_case_create_unchecked(tdm__str json, int64_t now_unix_s, tdm__filing_case **out, tdm_error *err)
{
    return create(json, NULL, now_unix_s, out, err);
}

void tdm__filing_case_destroy(tdm__filing_case *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_entries; i++)
        json_decref(c->entries[i].signer_json);
    tdm__free(c->entries);
    json_decref(c->document);
    tdm__free(c);
}

tdm_status tdm__filing_case_check_growth(const tdm__filing_case *earlier, const tdm__filing_case *later, tdm_error *err)
{
    if (later->n_entries < earlier->n_entries)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "case %s has %zu entries here and %zu in what was given: a case only grows",
                 earlier->id, earlier->n_entries, later->n_entries);
    for (size_t i = 0; i < earlier->n_entries; i++)
        if (strcmp(earlier->entries[i].sha256, later->entries[i].sha256) != 0)
            TDM_FAIL(err, TDM_ERR_INTEGRITY, "case %s: entry %zu is another one than that which is here", earlier->id,
                     i + 1);
    return TDM_OK;
}
