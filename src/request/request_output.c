/* request_output.c - between a back end and the owner: what is written is screened, hashed and told, or not at all.
 *
 * Own model and partner go through the same few functions, so neither can say what the other may not.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "label/label.h"
#include "request/request_internal.h"

enum { HELD_BYTES_MAX = 1 << 20 };

void tdm__output_init(tdm__request *r)
{
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++) /* a feature may generate more than it tells */
        r->candidates[i] = (tdm__candidate){.request = r, .index = i};
    for (size_t i = 0; i < r->n_candidates; i++) {
        tdm__candidate *c = &r->candidates[i];
        tdm__buf_init(&c->held, HELD_BYTES_MAX);
        tdm__screen_stream_init(&c->screen, r->rules->screen);
        tdm__sha256_begin(&c->released);
    }
}

void tdm__output_fini(tdm__request *r)
{
    for (size_t i = 0; i < r->n_candidates; i++)
        tdm__buf_fini(&r->candidates[i].held);
}

void tdm__output_digest(tdm__request *r, uint8_t out[TDM__SHA256_BYTES])
{
    uint8_t digests[TDM__CANDIDATES_MAX][TDM__SHA256_BYTES];
    for (size_t i = 0; i < r->n_candidates; i++)
        tdm__sha256_get(&r->candidates[i].released, digests[i]);
    if (r->n_candidates == 1)
        memcpy(out, digests[0], TDM__SHA256_BYTES);
    else
        tdm__sha256(digests, r->n_candidates * TDM__SHA256_BYTES, out);
}

bool tdm__output_stops_question(tdm__request *r)
{
    size_t i;
    json_t *message;
    json_array_foreach(r->messages, i, message)
    {
        const json_t *content = json_object_get(message, "content");
        tdm__screen_hit hit;
        if (tdm__screen_find(r->rules->screen, (tdm__str){json_string_value(content), json_string_length(content)},
                             &hit)) {
            r->reason = TDM__REASON_SCREEN_INPUT;
            r->rule = hit.rule;
            return true;
        }
    }
    return false;
}

static const tdm__plan_step *find_same(const tdm__decision *d, const tdm__policy_backend *b)
{
    for (size_t i = 0; i < d->n_plan; i++) {
        const tdm__policy_backend *c = d->plan[i].candidate->backend;
        const bool same = b->partner ? c->partner && strcmp(c->partner->id, b->partner->id) == 0 &&
                                           strcmp(c->partner->profile_sha256, b->partner->profile_sha256) == 0 &&
                                           strcmp(c->model, b->model) == 0
                                     : !c->partner;
        if (same)
            return &d->plan[i];
    }
    return NULL;
}

/* The reason for which the candidate is not in the plan any more. */
static tdm__reason why_gone(const tdm__decision *d, const tdm__policy_backend *b)
{
    for (size_t i = 0; i < d->n_refused; i++) {
        const tdm__policy_backend *c = d->refused[i].candidate->backend;
        if (b->partner ? c->partner && strcmp(c->partner->id, b->partner->id) == 0 : !c->partner)
            return d->refused[i].reason;
    }
    return d->off != TDM__REASON_NONE ? d->off : TDM__REASON_FEATURE_NOT_OFFERED;
}

bool tdm__request_still_stands(tdm__request *r)
{
    tdm__device *device = r->device;
    const tdm__policy_backend *b = r->step->candidate->backend;
    const uint64_t consents = b->partner ? tdm__consent_generation(tdm__device_usage(device)) : r->consent_generation;
    if (tdm__device_is_current(device, r->rules) && consents == r->consent_generation &&
        !(b->partner && tdm__device_network_is_off(device)))
        return true;
    const tdm__rules_set *now = tdm__device_acquire(device);
    const tdm__ask ask = {.feature = r->feature, .named_partner = r->named_partner,
                          .has_attachments = r->has_attachments};
    tdm__decision d;
    bool stands = false;
    r->reason = TDM__REASON_POLICY_INVALID;
    if (tdm__device_decide(device, now, &ask, &d, NULL) == TDM_OK) {
        const tdm__plan_step *same = find_same(&d, b);
        stands = same && (r->has_consent || !same->needs_consent);
        r->reason = stands ? TDM__REASON_NONE : same ? TDM__REASON_CONSENT_REVOKED : why_gone(&d, b);
    }
    tdm__device_release(device, now);
    return stands;
}

static void tell_text(tdm__candidate *c, tdm__str text, const tdm__token_info *tokens, size_t n_tokens, bool is_label)
{
    tdm__sha256_push(&c->released, text.ptr, text.len);
    tdm__request_tell(c->request, (tdm__event){.kind = TDM__EVENT_TEXT,
                                               .candidate = c->index,
                                               .text = text,
                                               .tokens = tokens,
                                               .n_tokens = n_tokens,
                                               .is_label = is_label});
}

/* Tells the bytes that have become free and keeps the rest. */
static void release(tdm__candidate *c, size_t n_before, const tdm__token_info *tokens, size_t n_tokens)
{
    const size_t n = c->screen.n_released - n_before;
    if (n > 0 || n_tokens > 0)
        tell_text(c, (tdm__str){tdm__buf_cstr(&c->held), n}, tokens, n_tokens, false);
    tdm__buf_consume(&c->held, n);
}

bool tdm__output_push(tdm__candidate *c, tdm__str text, const tdm__token_info *tokens, size_t n_tokens)
{
    tdm__request *r = c->request;
    tdm__screen_hit hit;
    if (r->is_stopped)
        return false;
    r->is_stopped = true; /* unless all of the following says otherwise */
    if (!tdm__request_still_stands(r))
        return false;
    if (tdm__screen_is_empty(r->rules->screen)) {
        tell_text(c, text, tokens, n_tokens, false);
        r->is_stopped = false;
        return true;
    }
    const size_t n_before = c->screen.n_released;
    if (tdm__buf_append_str(&c->held, text) != TDM_OK) {
        r->reason = TDM__REASON_SCREEN_OUTPUT; /* what cannot be looked at is not told */
        return false;
    }
    if (tdm__screen_push(&c->screen, text, &hit)) {
        r->reason = TDM__REASON_SCREEN_OUTPUT;
        r->rule = hit.rule;
        return false;
    }
    release(c, n_before, tokens, n_tokens);
    r->is_stopped = false;
    return true;
}

void tdm__output_end(tdm__candidate *c)
{
    tdm__request *r = c->request;
    const tdm__policy_backend *b = r->step->candidate->backend;
    const size_t n_before = c->screen.n_released;
    if (!tdm__screen_is_empty(r->rules->screen)) {
        tdm__screen_end(&c->screen);
        release(c, n_before, NULL, 0);
    }
    tdm__buf line;
    tdm__buf_init(&line, TDM__LABEL_BYTES_MAX - 1);
    const char *model = b->model_name && *b->model_name ? b->model_name : r->service->model_name;
    if (tdm__label_put(r->rules->rules->policy, r->language, model, r->step->candidate->filing.id,
                       b->partner && b->partner->is_emulated, &line) == TDM_OK &&
        line.len > 0) {
        size_t begin = 0; /* of the words behind the line breaks */
        while (begin < line.len && line.ptr[begin] == '\n')
            begin++;
        snprintf(r->label, sizeof r->label, "%s", tdm__buf_cstr(&line) + begin);
        if (!r->compose)
            tell_text(c, tdm__buf_str(&line), NULL, 0, true);
    }
    tdm__buf_fini(&line);
}
