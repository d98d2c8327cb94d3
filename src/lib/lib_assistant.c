/* lib_assistant.c - the assistant's events with typed fields, read out of the documents that HTTP gives, too. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "feature/assistant.h"
#include "lib/lib_inbox.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/assistant.h"

_Static_assert((int)TDM_ANSWER_EVENT_TEXT == (int)TDM__ASSISTANT_TEXT &&
                   (int)TDM_ANSWER_EVENT_DONE == (int)TDM__ASSISTANT_DONE,
               "kinds are handed over as they are");
_Static_assert((int)TDM_CONSENT_NEVER == (int)TDM__ANSWER_NEVER, "the owner's words, too");

struct tdm_assistant {
    atomic_size_t n_references; /* the owner's, and one of each answer */
    tdm_runtime *runtime;
    tdm__assistant *assistant;
};

struct tdm_answer {
    tdm_assistant *assistant;
    tdm__answer *answer;
    tdm__inbox inbox;
    /* the caller's thread */
    tdm__inbox_item *item; /* what event points into */
    char *json;
    tdm_answer_event event;
    tdm_error failure;
};

/* ---- the assistant ---- */

tdm_status tdm_assistant_create(tdm_runtime *rt, tdm_assistant **out, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    tdm_assistant *a = tdm__calloc(1, sizeof *a);
    if (!a)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an assistant");
    tdm_status s = tdm__assistant_create(rt->service, rt->device, &a->assistant, err);
    if (s != TDM_OK) {
        tdm__free(a);
        return s;
    }
    atomic_init(&a->n_references, 1);
    a->runtime = tdm__lib_runtime_ref(rt);
    *out = a;
    return TDM_OK;
}

static void unref(tdm_assistant *a)
{
    if (atomic_fetch_sub_explicit(&a->n_references, 1, memory_order_acq_rel) != 1)
        return;
    tdm__assistant_destroy(a->assistant);
    tdm__lib_runtime_unref(a->runtime);
    tdm__free(a);
}

void tdm_assistant_destroy(tdm_assistant **a)
{
    if (!a || !*a)
        return;
    unref(*a);
    *a = NULL;
}

/* ---- an answer ---- */

void tdm_assistant_ask_default(tdm_assistant_ask *a, size_t struct_size) { tdm__lib_options_default(a, struct_size); }

static void on_event(void *user, const tdm__assistant_event *ev)
{
    tdm_answer *w = user;
    tdm__inbox_put(&w->inbox, (int)ev->kind, 0, ev->decision_id, ev->text, ev->data);
    if (ev->kind == TDM__ASSISTANT_DONE)
        tdm__inbox_end(&w->inbox);
}

static tdm_status start(tdm_assistant *a, const tdm__assistant_ask *ask, tdm_answer **out, tdm_error *err)
{
    tdm_answer *w = tdm__calloc(1, sizeof *w);
    if (!w)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an answer");
    tdm__inbox_init(&w->inbox);
    atomic_fetch_add_explicit(&a->n_references, 1, memory_order_relaxed);
    w->assistant = a;
    tdm_status s = tdm__assistant_start(a->assistant, ask, on_event, w, &w->answer, err);
    if (s != TDM_OK) {
        tdm_answer_destroy(&w);
        return s;
    }
    *out = w;
    return TDM_OK;
}

tdm_status tdm_assistant_start(tdm_assistant *a, const tdm_assistant_ask *given, tdm_answer **out, tdm_error *err)
{
    tdm_assistant_ask ask = {0};
    json_t *messages = NULL;
    const char *language;
    TDM_TRY(tdm__lib_check_null(a, "assistant", err));
    TDM_TRY(tdm__lib_check_null(given, "ask", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&ask, sizeof ask, sizeof ask, given, "tdm_assistant_ask", err));
    TDM_TRY(tdm__lib_language(ask.language, &language, err));
    const bool is_answer = ask.offer_id && ask.offer_id[0] != '\0';
    if (is_answer && (ask.n_messages > 0 || ask.consent < TDM_CONSENT_ONCE || ask.consent > TDM_CONSENT_NEVER))
        TDM_FAIL(err, TDM_ERR_INVAL, "an offer's answer has a consent and no messages, this has %zu and consent %d",
                 ask.n_messages, (int)ask.consent);
    if (!is_answer)
        TDM_TRY(tdm__lib_messages(ask.messages, ask.n_messages, &messages, err));
    const tdm__assistant_ask q = {.messages = messages,
                                  .named_partner = ask.partner,
                                  .language = language,
                                  .has_attachments = ask.has_attachments,
                                  .offer_id = is_answer ? ask.offer_id : "",
                                  .consent = (tdm__consent_answer)ask.consent,
                                  .n_earlier_turns = ask.n_earlier_turns,
                                  .max_tokens = ask.max_tokens};
    tdm_status s = start(a, &q, out, err);
    json_decref(messages);
    return s;
}

/* ---- documents to fields ---- */

static const char *get(const json_t *o, const char *key)
{
    const char *z = json_string_value(json_object_get(o, key));
    return z ? z : "";
}

static void fill_text(tdm_answer_event *e, const char *text)
{
    e->text = text;
    e->text_len = strlen(text);
}

static void fill_offer(tdm_answer_event *e, const json_t *data)
{
    const json_t *partner = json_object_get(data, "partner"), *leaves = json_object_get(data, "leaves");
    e->offer_id = get(data, "id");
    e->cause = get(data, "cause");
    e->partner = get(partner, "id");
    e->partner_name = get(json_object_get(partner, "name"), "en");
    e->legal_entity = get(partner, "legal_entity");
    e->region = get(partner, "region");
    e->is_emulated = json_is_true(json_object_get(partner, "emulated"));
    e->model = get(json_object_get(data, "model"), "name");
    e->filing = get(json_object_get(data, "filing"), "id");
    e->body = get(leaves, "body");
    e->sha256 = get(leaves, "sha256");
    e->bytes = (uint64_t)json_integer_value(json_object_get(leaves, "bytes"));
    e->n_earlier_turns = json_array_size(json_object_get(leaves, "earlier_turns"));
}

static void fill_receipt(tdm_answer_event *e, const json_t *data)
{
    e->partner = get(data, "partner");
    e->filing = get(data, "filing");
    e->sha256 = get(data, "sha256_sent");
    e->bytes = (uint64_t)json_integer_value(json_object_get(data, "bytes_sent"));
    e->is_emulated = json_is_true(json_object_get(data, "emulated"));
}

static void fill_done(tdm_answer_event *e, const json_t *data)
{
    fill_text(e, get(data, "text"));
    e->state = get(data, "state");
    e->source = get(data, "source");
    e->model = get(json_object_get(data, "model"), "name");
    e->filing = get(data, "filing");
    e->reason = get(data, "reason");
    e->label = get(data, "label");
    e->is_emulated = json_is_true(json_object_get(data, "emulated"));
}

static void fill(tdm_answer *w)
{
    const tdm__inbox_item *i = w->item;
    tdm_answer_event *e = &w->event;
    *e = (tdm_answer_event){.kind = (tdm_answer_event_kind)i->kind, .decision_id = i->decision_id, .json = w->json};
    switch (e->kind) {
    case TDM_ANSWER_EVENT_TEXT:
        e->text = tdm__buf_cstr(&i->text);
        e->text_len = i->text.len;
        e->source = get(i->data, "source");
        e->is_label = json_is_true(json_object_get(i->data, "label"));
        break;
    case TDM_ANSWER_EVENT_OFFER:
        fill_offer(e, i->data);
        break;
    case TDM_ANSWER_EVENT_RETRACT:
        fill_text(e, get(i->data, "text"));
        e->reason = get(i->data, "reason");
        break;
    case TDM_ANSWER_EVENT_RECEIPT:
        fill_receipt(e, i->data);
        break;
    case TDM_ANSWER_EVENT_ERROR:
        fill_text(e, get(i->data, "text"));
        e->reason = get(i->data, "code");
        break;
    case TDM_ANSWER_EVENT_DONE:
        fill_done(e, i->data);
        break;
    case TDM_ANSWER_EVENT_NONE:
    case TDM_ANSWER_EVENT_DECISION:
        break;
    }
}

static tdm_status fail(tdm_answer *w, tdm_status s, tdm_error *err)
{
    w->failure.code = s;
    tdm__answer_cancel(w->answer);
    if (err)
        *err = w->failure;
    return s;
}

tdm_status tdm_answer_next(tdm_answer *w, const tdm_answer_event **ev, int timeout_ms, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(w, "answer", err));
    TDM_TRY(tdm__lib_check_null(ev, "ev", err));
    if (w->failure.code != TDM_OK) {
        if (err)
            *err = w->failure;
        return w->failure.code;
    }
    tdm__inbox_item *i = NULL;
    tdm_status s = tdm__inbox_take(&w->inbox, timeout_ms, &i, &w->failure);
    if (s < 0)
        return fail(w, s, err);
    if (s != TDM_OK)
        return s;
    if (!i)
        return TDM_END;
    tdm__inbox_item_destroy(w->item);
    w->item = i;
    tdm__free(w->json);
    w->json = tdm__json_text(i->data, JSON_COMPACT);
    if (!w->json)
        return fail(w, tdm__fail(&w->failure, TDM_ERR_NOMEM, "no memory for an answer's document"), err);
    fill(w);
    *ev = &w->event;
    return TDM_OK;
}

void tdm_answer_cancel(tdm_answer *w)
{
    if (w)
        tdm__answer_cancel(w->answer);
}

void tdm_answer_destroy(tdm_answer **answer)
{
    if (!answer || !*answer)
        return;
    tdm_answer *w = *answer;
    *answer = NULL;
    if (w->answer)
        tdm__answer_cancel(w->answer);
    tdm__answer_destroy(&w->answer);
    tdm__inbox_item_destroy(w->item);
    tdm__inbox_fini(&w->inbox);
    tdm__free(w->json);
    unref(w->assistant);
    tdm__free(w);
}
