/* rules.c - from the installed files to rules: whom the record makes this device, which policy that is, which cases.
 *
 * Nothing here fails open: a file that is missing, unreadable or signed by somebody else becomes why_off. What only the
 * moment decides (expiry of the record, the policy, an approval) is not looked at: the record is verified as of its own
 * date, and decide.c compares the times.
 */
#include "route/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "route/rules_internal.h"

enum { POLICY_BYTES_MAX = 1 << 20 };

struct tdm__rules_memory {
    tdm__market_policy *policy; /* NULL under ZZ, whose policy is static */
    tdm__rule_candidate *candidates;
};

/* Writes why the device is off; the sentence of the cause, else the reason's own, goes to the note. Reasons without a
 * cause have no placeholders. */
static void off(tdm__rules *r, tdm__reason why, tdm_error *note, const tdm_error *cause)
{
    r->why_off = why;
    if (note && cause && cause->msg[0] != '\0')
        *note = *cause;
    else if (note)
        (void)tdm__fail(note, TDM_ERR_INVAL, "%s", tdm__reason_template(why, TDM__LANGUAGE_EN));
}

static tdm__reason reason_of_fault(tdm__record_fault f)
{
    switch (f) {
    case TDM__RECORD_FINE:
        return TDM__REASON_NONE;
    case TDM__RECORD_KEY_REVOKED:
        return TDM__REASON_RECORD_KEY_REVOKED;
    case TDM__RECORD_EXPIRED:
        return TDM__REASON_RECORD_EXPIRED; /* ends before it begins */
    case TDM__RECORD_DEMO:
        return TDM__REASON_RECORD_DEMO;
    case TDM__RECORD_FORMAT:
    case TDM__RECORD_SIGNATURE:
    case TDM__RECORD_KEY_UNKNOWN:
    case TDM__RECORD_NOT_YET_VALID:
        break;
    }
    return TDM__REASON_RECORD_INVALID;
}

static tdm_status keyring_of(const tdm__trust *trust, tdm__keyring **out, tdm_error *err)
{
    tdm__trust_target target;
    json_t *json = NULL;
    TDM_TRY(tdm__trust_get_target(trust, "keys.json", &target, err));
    TDM_TRY(tdm__json_parse(target.bytes, "keys.json", POLICY_BYTES_MAX, &json, err));
    tdm_status s = tdm__keyring_create(json, tdm__trust_is_demo(trust), out, err);
    json_decref(json);
    return s;
}

/* Reads the record and checks that a maker of keys has signed it. *keys is there whenever why_off stays NONE. */
static tdm_status load_record(tdm__rules *r, const tdm__rules_sources *s, tdm__keyring **keys, tdm_error *note)
{
    json_t *envelope = NULL;
    tdm_error err = {0};
    tdm_status status = tdm__device_record_parse(s->record_json, &r->record, &envelope, &err);
    if (status < 0) {
        memset(&r->record, 0, sizeof r->record);
        off(r, TDM__REASON_RECORD_INVALID, note, &err);
    } else if (!s->trust) {
        off(r, TDM__REASON_POLICY_MISSING, note, NULL);
    } else if ((status = keyring_of(s->trust, keys, &err)) < 0) {
        off(r, TDM__REASON_POLICY_INVALID, note, &err);
    } else {
        tdm__record_fault fault = tdm__device_record_verify(envelope, &r->record, *keys, tdm__trust_is_demo(s->trust),
                                                            r->record.issued_unix_s, &err);
        if (fault != TDM__RECORD_FINE)
            off(r, reason_of_fault(fault), note, &err);
    }
    json_decref(envelope);
    return status == TDM_ERR_NOMEM ? status : TDM_OK;
}

/* A maker's key speaks for some markets only: one of another market cannot make a device of this one. */
static void check_maker(tdm__rules *r, const tdm__keyring *keys, tdm_error *note)
{
    tdm__key_fault fault;
    tdm_error err = {0};
    if (!r->policy || tdm__keyring_find(keys, r->record.signer, TDM__KEY_MAKER, r->policy->market,
                                        r->record.issued_unix_s, &fault))
        return;
    (void)tdm__fail(&err, TDM_ERR_INTEGRITY, "device record: the key %.16s.. that signed it does not speak for %.8s",
                    r->record.signer, r->policy->market);
    r->policy = NULL;
    off(r, TDM__REASON_RECORD_INVALID, note, &err);
}

static bool is_policy_path(const char *path, char market[3])
{
    static const char head[] = "markets/", tail[] = "/policy.json";
    size_t n = strlen(path);
    if (n != sizeof head - 1 + 2 + sizeof tail - 1 || memcmp(path, head, sizeof head - 1) != 0 ||
        strcmp(path + sizeof head - 1 + 2, tail) != 0)
        return false;
    memcpy(market, path + sizeof head - 1, 2);
    market[2] = '\0';
    return true;
}

static bool covers(const tdm__market_policy *p, const char *sold_in)
{
    for (size_t i = 0; i < p->n_sold_in; i++)
        if (strcmp(p->sold_in[i], sold_in) == 0)
            return true;
    return false;
}

/* A target as a policy: NULL in *out, and false, when it is none that this device may believe. */
static bool read_policy(const tdm__rules_sources *s, const tdm__trust_target *target, const char *market,
                        tdm__market_policy **out, tdm_error *cause)
{
    *out = NULL;
    if (tdm__market_policy_create(target->bytes, out, cause) < 0)
        return false;
    if (strcmp((*out)->market, market) == 0 && (!(*out)->is_demo || tdm__trust_is_demo(s->trust)))
        return true;
    (void)tdm__fail(cause, TDM_ERR_INTEGRITY, "%s is the policy of %.8s%s", target->path, (*out)->market,
                    (*out)->is_demo ? " for a demonstration" : "");
    tdm__market_policy_destroy(*out);
    *out = NULL;
    return false;
}

/* The one policy that covers the region of sale. Two are as bad as a false one; a false one counts when nothing else
 * covers the region, for it may be the one. */
static tdm_status load_policy(tdm__rules *r, const tdm__rules_sources *s, tdm_error *note)
{
    tdm_error cause = {0};
    size_t n_covering = 0, n_false = 0;
    for (size_t i = 0; i < tdm__trust_n_targets(s->trust); i++) {
        tdm__trust_target target;
        tdm__market_policy *p;
        char market[3];
        tdm__trust_target_at(s->trust, i, &target);
        if (!is_policy_path(target.path, market))
            continue;
        if (!read_policy(s, &target, market, &p, &cause)) {
            if (cause.code == TDM_ERR_NOMEM)
                return TDM_ERR_NOMEM;
            n_false++;
        } else if (covers(p, r->record.sold_in) && n_covering++ == 0) {
            r->memory->policy = p;
        } else {
            tdm__market_policy_destroy(p);
        }
    }
    if (n_covering > 1)
        (void)tdm__fail(&cause, TDM_ERR_INTEGRITY, "%zu policies cover %s", n_covering, r->record.sold_in);
    if (n_covering == 1)
        r->policy = r->memory->policy;
    else if (n_covering > 1 || n_false > 0)
        off(r, TDM__REASON_POLICY_INVALID, note, &cause);
    else
        off(r, TDM__REASON_MARKET_UNKNOWN, note, NULL);
    return TDM_OK;
}

static tdm_status load_signed(tdm__rules *r, const tdm__rules_sources *s, tdm_error *note)
{
    tdm__keyring *keys = NULL;
    tdm_status status = load_record(r, s, &keys, note);
    if (status >= 0 && r->why_off == TDM__REASON_NONE)
        status = load_policy(r, s, note);
    if (status >= 0 && r->why_off == TDM__REASON_NONE)
        check_maker(r, keys, note);
    tdm__keyring_destroy(keys);
    return status;
}

static tdm_status load_cells(tdm__rules *r, const tdm__rules_sources *s, tdm_error *err)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < r->policy->n_cells; i++)
        n += r->policy->cells[i].n_backends;
    r->cells = tdm__calloc(r->policy->n_cells + 1, sizeof *r->cells);
    r->memory->candidates = tdm__calloc(n + 1, sizeof *r->memory->candidates);
    if (!r->cells || !r->memory->candidates)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the rules of %zu features", r->policy->n_cells);
    r->n_cells = r->policy->n_cells;
    for (size_t i = 0; i < r->n_cells; i++) {
        const tdm__policy_cell *cell = &r->policy->cells[i];
        r->cells[i] = (tdm__rule_cell){.cell = cell, .candidates = r->memory->candidates + at};
        at += cell->n_backends;
        for (size_t k = 0; k < cell->n_backends; k++) {
            tdm__rule_candidate *c = &r->cells[i].candidates[k];
            c->backend = &cell->backends[k];
            c->is_in_canary = tdm__rules_canary(r->record.device, cell->feature, c->backend);
            if (r->policy->needs_filing)
                tdm__rules_find_case(r, s, cell->feature, c);
        }
    }
    return TDM_OK;
}

tdm_status tdm__rules_create(const tdm__rules_sources *s, tdm__rules **out, tdm_error *note, tdm_error *err)
{
    tdm_status status = TDM_ERR_NOMEM;
    tdm__rules *r = tdm__calloc(1, sizeof *r);
    if (r)
        r->memory = tdm__calloc(1, sizeof *r->memory);
    if (!r || !r->memory) {
        (void)tdm__fail(err, status, "no memory for the rules");
        goto fail;
    }
    r->has_record = s->record_json.ptr != NULL;
    r->policy_expires_unix_s = INT64_MAX;
    snprintf(r->own_model_sha256, sizeof r->own_model_sha256, "%s", s->own_model_sha256 ? s->own_model_sha256 : "");
    if (!r->has_record && s->trust) {
        off(r, TDM__REASON_RECORD_MISSING, note, NULL); /* who was given a policy was given a record too */
    } else if (!r->has_record) {
        r->policy = tdm__market_policy_zz();
    } else {
        status = load_signed(r, s, note);
        if (status < 0) {
            (void)tdm__fail(err, status, "no memory for the record and the policy");
            goto fail;
        }
        if (r->policy)
            r->policy_expires_unix_s = tdm__trust_expires_unix_s(s->trust, r->policy->market);
        r->trust_version = s->trust ? tdm__trust_version(s->trust) : 0;
    }
    status = r->policy ? load_cells(r, s, err) : TDM_OK;
    if (status < 0)
        goto fail;
    *out = r;
    return TDM_OK;
fail:
    tdm__rules_destroy(r);
    return status;
}

void tdm__rules_destroy(tdm__rules *r)
{
    if (!r)
        return;
    if (r->memory) {
        tdm__market_policy_destroy(r->memory->policy);
        tdm__free(r->memory->candidates);
    }
    tdm__free(r->memory);
    tdm__free(r->cells);
    tdm__free(r);
}

const tdm__rule_cell *tdm__rules_cell(const tdm__rules *r, const char *feature)
{
    size_t low = 0, high = r->n_cells;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(feature, r->cells[middle].cell->feature);
        if (order == 0)
            return &r->cells[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const tdm__policy_backend *tdm__rules_find_partner(const tdm__rules *r, const char *partner, const char *feature)
{
    const tdm__rule_cell *cell = tdm__rules_cell(r, feature);
    for (size_t i = 0; cell && i < cell->cell->n_backends; i++) {
        const tdm__policy_backend *b = &cell->cell->backends[i];
        if (b->partner && strcmp(b->partner->id, partner) == 0)
            return b;
    }
    return NULL;
}
