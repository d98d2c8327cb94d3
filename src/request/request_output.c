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

tdm_status tdm__output_init(tdm__request *r, tdm_error *err)
{
    tdm__buf_init(&r->output.held, HELD_BYTES_MAX);
    tdm__screen_stream_init(&r->output.screen, r->rules->screen);
    return tdm__sha256_begin(&r->output.released, err);
}

void tdm__output_fini(tdm__request *r)
{
    tdm__buf_fini(&r->output.held);
    tdm__sha256_fini(&r->output.released);
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
            r->output.rule = hit.rule;
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

static void tell_text(tdm__request *r, tdm__str text, const tdm__token_info *tokens, size_t n_tokens, bool is_label)
{
    tdm__sha256_push(&r->output.released, text.ptr, text.len);
    tdm__request_tell(r, (tdm__event){.kind = TDM__EVENT_TEXT,
                                      .text = text,
                                      .tokens = tokens,
                                      .n_tokens = n_tokens,
                                      .is_label = is_label});
}

/* Tells the bytes that have become free and keeps the rest. */
static void release(tdm__request *r, size_t n_before, const tdm__token_info *tokens, size_t n_tokens)
{
    tdm__request_output *o = &r->output;
    const size_t n = o->screen.n_released - n_before;
    if (n > 0 || n_tokens > 0)
        tell_text(r, (tdm__str){tdm__buf_cstr(&o->held), n}, tokens, n_tokens, false);
    tdm__buf_consume(&o->held, n);
}

bool tdm__output_push(tdm__request *r, tdm__str text, const tdm__token_info *tokens, size_t n_tokens)
{
    tdm__request_output *o = &r->output;
    tdm__screen_hit hit;
    if (o->is_stopped)
        return false;
    o->is_stopped = true; /* unless all of the following says otherwise */
    if (!tdm__request_still_stands(r))
        return false;
    if (tdm__screen_is_empty(r->rules->screen)) {
        tell_text(r, text, tokens, n_tokens, false);
        o->is_stopped = false;
        return true;
    }
    const size_t n_before = o->screen.n_released;
    if (tdm__buf_append_str(&o->held, text) != TDM_OK) {
        r->reason = TDM__REASON_SCREEN_OUTPUT; /* what cannot be looked at is not told */
        return false;
    }
    if (tdm__screen_push(&o->screen, text, &hit)) {
        r->reason = TDM__REASON_SCREEN_OUTPUT;
        o->rule = hit.rule;
        return false;
    }
    release(r, n_before, tokens, n_tokens);
    o->is_stopped = false;
    return true;
}

void tdm__output_end(tdm__request *r)
{
    tdm__request_output *o = &r->output;
    const tdm__policy_backend *b = r->step->candidate->backend;
    const size_t n_before = o->screen.n_released;
    if (!tdm__screen_is_empty(r->rules->screen)) {
        tdm__screen_end(&o->screen);
        release(r, n_before, NULL, 0);
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
        snprintf(o->label, sizeof o->label, "%s", tdm__buf_cstr(&line) + begin);
        tell_text(r, tdm__buf_str(&line), NULL, 0, true);
    }
    tdm__buf_fini(&line);
}
