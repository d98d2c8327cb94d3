/* offer.c - the sheet: to whom, under which filing, and exactly what would leave; and the table of those that are open.
 *
 * An offer binds a question, a partner with its signed profile and model, and the rules of its moment. It is taken out
 * once. What would leave is made by the same function that makes what leaves, so the hash on the sheet is the hash in
 * the receipt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/rfc3339.h"
#include "feature/assistant_internal.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/random.h"
#include "partner/partner.h"

void tdm__offer_fini(tdm__offer *o)
{
    json_decref(o->question);
    json_decref(o->earlier);
    *o = (tdm__offer){0};
}

static void copy(char *out, size_t cap, const char *from) { snprintf(out, cap, "%s", from ? from : ""); }

void tdm__offer_target_set(tdm__offer_target *t, const tdm__plan_step *step, const char *language)
{
    const tdm__policy_backend *b = step->candidate->backend;
    const bool is_zh = strcmp(language, "zh") == 0 && b->partner->name_zh && b->partner->name_zh[0] != '\0';
    copy(t->partner, sizeof t->partner, b->partner->id);
    copy(t->partner_name, sizeof t->partner_name, is_zh ? b->partner->name_zh : b->partner->name_en);
    copy(t->model, sizeof t->model, b->model);
    copy(t->profile_sha256, sizeof t->profile_sha256, b->partner->profile_sha256);
    t->needs_consent = step->needs_consent;
    t->is_emulated = b->partner->is_emulated;
}

tdm_status tdm__offer_body(tdm__device *d, const tdm__rules_set *set, const tdm__offer_target *t,
                           const json_t *messages, size_t max_tokens, char sha256[TDM__SHA256_TEXT], char **body,
                           size_t *body_len, tdm_error *err)
{
    tdm__partner_call call = {.model = t->model, .messages = messages, .max_tokens = max_tokens};
    TDM_TRY(tdm__device_profile(d, set, t->partner, &call.profile, err));
    char *bytes = NULL;
    size_t len = 0;
    TDM_TRY(tdm__partner_body(&call, &bytes, &len, err));
    tdm__sha256_hex(bytes, len, sha256);
    if (body) {
        *body = bytes;
        *body_len = len;
    } else {
        tdm__free(bytes);
    }
    return TDM_OK;
}

static bool is_old(const tdm__offer *o, uint64_t now_ns)
{
    return now_ns - o->made_ns > (uint64_t)TDM__OFFER_LIFE_S * 1000000000u;
}

/* A free place, or that of the oldest. Under assistant.mutex. */
static tdm__offer *find_place(tdm__assistant *a)
{
    tdm__offer *oldest = &a->offers[0];
    for (size_t i = 0; i < TDM__OFFERS_MAX; i++) {
        if (a->offers[i].state == TDM__OFFER_FREE)
            return &a->offers[i];
        if (a->offers[i].made_ns < oldest->made_ns)
            oldest = &a->offers[i];
    }
    return oldest;
}

static void keep(tdm__assistant *a, tdm__offer *o)
{
    pthread_mutex_lock(&a->mutex);
    tdm__offer *place = find_place(a);
    tdm__offer_fini(place);
    *place = *o;
    pthread_mutex_unlock(&a->mutex);
}

static tdm__consent_mode mode_of(tdm__device *d, const tdm__offer_target *t, bool has_attachments)
{
    const tdm__consent_subject s = {.partner = t->partner,
                                    .feature = TDM__ASSISTANT_FEATURE,
                                    .profile_sha256 = t->profile_sha256,
                                    .model = t->model,
                                    .with_attachments = has_attachments};
    return tdm__consent_get(tdm__device_usage(d), &s);
}

/* The conversation's last message, and what of the rest may go along: no system's words, at most the newest. */
static bool split(const tdm__answer *w, tdm__offer *o)
{
    const size_t n = json_array_size(w->messages);
    o->question = json_pack("[o]", json_deep_copy(json_array_get(w->messages, n - 1)));
    o->earlier = json_array();
    if (!o->question || !o->earlier)
        return false;
    for (size_t i = 0; i + 1 < n; i++) {
        const json_t *m = json_array_get(w->messages, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        if (!role || strcmp(role, "system") == 0)
            continue;
        if (json_array_size(o->earlier) == TDM__EARLIER_TURNS_MAX)
            json_array_remove(o->earlier, 0);
        if (json_array_append_new(o->earlier, json_deep_copy(m)) != 0)
            return false;
    }
    return true;
}

static const tdm__plan_step *find_step(const tdm__decision *d, const char *partner)
{
    for (size_t i = 0; i < d->n_plan; i++) {
        const tdm__policy_partner *p = d->plan[i].candidate->backend->partner;
        if (p && strcmp(p->id, partner) == 0)
            return &d->plan[i];
    }
    return NULL;
}

typedef struct sheet {
    const tdm__plan_step *step;
    const tdm__partner_profile *profile;
    const char *body, *sha256;
    size_t body_len;
} sheet;

static json_t *document(const tdm__offer *o, const sheet *h, int64_t now_unix_s)
{
    const tdm__policy_backend *b = h->step->candidate->backend;
    const tdm__rule_filing *f = &h->step->candidate->filing;
    char expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(now_unix_s + TDM__OFFER_LIFE_S, expires);
    json_t *filing = f->id[0] != '\0'
                         ? json_pack("{s:s, s:b}", "id", f->id, "hypothetical", (int)f->is_hypothetical)
                         : json_null();
    json_t *earlier = json_deep_copy(o->earlier); /* the document goes to other threads */
    const json_t *text = json_object_get(json_array_get(o->question, 0), "content");
    json_t *leaves = json_pack("{s:s%, s:I, s:s, s:s%, s:o, s:[], s:[]}", "text", json_string_value(text),
                               json_string_length(text), "bytes", (json_int_t)h->body_len, "sha256", h->sha256, "body",
                               h->body, h->body_len, "earlier_turns", earlier, "attachments", "identifiers");
    return json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}, s:s, s:s, s:b}, s:{s:s, s:s}, s:o, s:o, s:{s:[s, s, s]}, s:s}",
                     "id", o->id, "cause", tdm__offer_cause_name(o->cause), "partner", "id", b->partner->id, "name",
                     "en", b->partner->name_en, "zh", b->partner->name_zh, "legal_entity", b->partner->legal_entity,
                     "region", h->profile->region, "emulated", (int)b->partner->is_emulated, "model", "id", b->model,
                     "name", b->model_name, "filing", filing, "leaves", leaves, "consent", "modes", "once", "always",
                     "never", "expires", expires);
}

/* Fills everything of the offer but its id. */
static tdm_status fill(tdm__answer *w, const tdm__event *ev, const tdm__rules_set *set, tdm__offer *o, json_t **out,
                       tdm_error *err)
{
    tdm__device *d = w->assistant->device;
    char sha256[TDM__SHA256_TEXT];
    char *body = NULL;
    sheet h = {.step = find_step(ev->decision, o->target.partner), .sha256 = sha256};
    if (!h.step)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the plan has no partner to offer");
    if (!split(w, o))
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an offer");
    TDM_TRY(tdm__device_profile(d, set, o->target.partner, &h.profile, err));
    TDM_TRY(tdm__offer_body(d, set, &o->target, o->question, o->max_tokens, sha256, &body, &h.body_len, err));
    h.body = body;
    *out = document(o, &h, tdm__clock_unix_s());
    tdm__free(body);
    return *out ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for an offer");
}

tdm_status tdm__offer_make(tdm__answer *w, const tdm__event *ev, tdm__offer_cause cause, json_t **out, tdm_error *err)
{
    tdm__device *d = w->assistant->device;
    tdm__offer o = {.state = TDM__OFFER_OPEN,
                    .made_ns = tdm__clock_ns(),
                    .cause = cause,
                    .target = w->target,
                    .mode = mode_of(d, &w->target, w->has_attachments),
                    .has_attachments = w->has_attachments,
                    .max_tokens = w->max_tokens};
    uint8_t random[16];
    int rc = tdm__random_fill(random, sizeof random);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot get random bytes for an offer");
    tdm__hex_put(random, sizeof random, o.id);
    copy(o.language, sizeof o.language, w->language);
    const tdm__rules_set *set = tdm__device_acquire(d);
    o.rules_generation = set->generation;
    /* What the sheet says comes out of the decision; a yes to it binds the rules of now. They must be the same. */
    tdm_status s = set->rules == ev->decision->rules
                       ? fill(w, ev, set, &o, out, err)
                       : tdm__fail(err, TDM_ERR_CANCELLED, "the rules have changed since this was decided");
    tdm__device_release(d, set);
    if (s == TDM_OK)
        keep(w->assistant, &o);
    else
        tdm__offer_fini(&o);
    return s;
}

/* Under assistant.mutex: moves what the place holds to *out and marks it used. */
static tdm_status take(tdm__assistant *a, const char *id, tdm__offer *out, tdm_error *err)
{
    tdm__offer *o = NULL;
    for (size_t i = 0; i < TDM__OFFERS_MAX && !o; i++)
        if (a->offers[i].state != TDM__OFFER_FREE && strcmp(a->offers[i].id, id) == 0)
            o = &a->offers[i];
    if (!o)
        TDM_FAIL(err, TDM_ERR_INVAL, "this offer is not known here");
    if (o->state == TDM__OFFER_USED)
        TDM_FAIL(err, TDM_ERR_INVAL, "this offer was answered already, an offer is good for one answer");
    *out = *o;
    o->state = TDM__OFFER_USED;
    o->question = o->earlier = NULL;
    return TDM_OK;
}

tdm_status tdm__offer_take(tdm__assistant *a, const char *id, tdm__offer *out, tdm_error *err)
{
    pthread_mutex_lock(&a->mutex);
    tdm_status s = take(a, id, out, err);
    pthread_mutex_unlock(&a->mutex);
    if (s != TDM_OK)
        return s;
    const tdm__rules_set *set = tdm__device_acquire(a->device);
    const bool is_current = set->generation == out->rules_generation;
    tdm__device_release(a->device, set);
    if (is_old(out, tdm__clock_ns()))
        s = tdm__fail(err, TDM_ERR_INVAL, "this offer is older than %d seconds, ask again", TDM__OFFER_LIFE_S);
    else if (!is_current)
        s = tdm__fail(err, TDM_ERR_INVAL, "the rules have changed since this offer was made, ask again");
    else if (mode_of(a->device, &out->target, out->has_attachments) != out->mode)
        s = tdm__fail(err, TDM_ERR_INVAL, "the consent has changed since this offer was made, ask again");
    if (s != TDM_OK)
        tdm__offer_fini(out);
    return s;
}
