/* chat_inbox.c - records of the queue: head, text, tokens. Native byte order: they never leave the process. */
#include "api/chat_inbox.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct record_head {
    size_t candidate;
    size_t text_len;
    size_t n_tokens;
    size_t tokens_len;
} record_head;

void tdm__chat_inbox_init(tdm__chat_inbox *in, tdm__loop *loop, void (*fn)(void *user), void *user)
{
    *in = (tdm__chat_inbox){.loop = loop, .note = {.fn = fn, .user = user}};
    pthread_mutex_init(&in->lock, NULL);
    for (int i = 0; i < 2; i++)
        tdm__buf_init(&in->buffers[i], TDM__INBOX_BYTES_MAX);
}

void tdm__chat_inbox_fini(tdm__chat_inbox *in)
{
    tdm__loop_unpost(in->loop, &in->note);
    for (int i = 0; i < 2; i++)
        tdm__buf_fini(&in->buffers[i]);
    pthread_mutex_destroy(&in->lock);
}

static tdm_status put_tokens(tdm__buf *b, const tdm__event *ev)
{
    tdm_status s = TDM_OK;
    for (size_t i = 0; i < ev->n_tokens && s == TDM_OK; i++) {
        const tdm__token_info *t = &ev->tokens[i];
        const int n_top = t->n_top < TDM__TOP_LOGPROBS_MAX ? t->n_top : TDM__TOP_LOGPROBS_MAX;
        s = tdm__buf_append(b, &t->chosen, sizeof t->chosen);
        if (s == TDM_OK)
            s = tdm__buf_append(b, &n_top, sizeof n_top);
        if (s == TDM_OK && n_top > 0)
            s = tdm__buf_append(b, t->top, (size_t)n_top * sizeof *t->top);
    }
    return s;
}

/* The whole record or nothing. */
static tdm_status put_record(tdm__buf *b, const tdm__event *ev)
{
    const size_t before = b->len;
    record_head head = {.candidate = ev->candidate, .text_len = ev->text.len, .n_tokens = ev->n_tokens};
    tdm_status s = tdm__buf_append(b, &head, sizeof head);
    if (s == TDM_OK)
        s = tdm__buf_append_str(b, ev->text);
    const size_t tokens_at = b->len;
    if (s == TDM_OK)
        s = put_tokens(b, ev);
    if (s != TDM_OK) {
        tdm__buf_truncate(b, before);
        return s;
    }
    head.tokens_len = b->len - tokens_at;
    memcpy(b->ptr + before, &head, sizeof head);
    return TDM_OK;
}

/* Why the plan was empty, in words. */
static void put_sentence(tdm__chat_done *done, const tdm__event *ev)
{
    tdm__buf text;
    tdm__buf_init(&text, sizeof done->sentence - 1);
    if (ev->decision && tdm__decision_sentence(ev->decision, NULL, "en", &text) == TDM_OK)
        snprintf(done->sentence, sizeof done->sentence, "%s", tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
}

void tdm__chat_inbox_put(void *inbox, const tdm__event *ev)
{
    tdm__chat_inbox *in = inbox;
    pthread_mutex_lock(&in->lock);
    assert(!in->is_done);
    if (!in->decided) {
        snprintf(in->decision_id, sizeof in->decision_id, "%s", ev->decision_id ? ev->decision_id : "");
        snprintf(in->model_name, sizeof in->model_name, "%s", ev->model_name ? ev->model_name : "");
        in->decided = true;
    }
    if (ev->kind == TDM__EVENT_TEXT && !in->overflowed)
        in->overflowed = put_record(&in->buffers[in->i_write], ev) != TDM_OK;
    if (ev->kind == TDM__EVENT_DONE) {
        in->done = (tdm__chat_done){.finish = ev->finish,
                                    .n_candidates = ev->n_candidates,
                                    .end = ev->end,
                                    .reason = ev->reason,
                                    .timings = ev->timings};
        memcpy(in->done.finishes, ev->finishes, ev->n_candidates * sizeof ev->finishes[0]);
        if (ev->end == TDM__END_OFF)
            put_sentence(&in->done, ev);
        if (ev->finish == TDM__FINISH_ERROR)
            in->done.error = ev->error;
        snprintf(in->done.screening, sizeof in->done.screening, "%s", ev->screening ? ev->screening : "");
        snprintf(in->done.label, sizeof in->done.label, "%s", ev->label ? ev->label : "");
        in->is_done = true;
    }
    tdm__loop_post(in->loop, &in->note); /* under the lock: the loop may end this inbox once it has seen DONE */
    pthread_mutex_unlock(&in->lock);
}

tdm__chat_batch tdm__chat_inbox_take(tdm__chat_inbox *in)
{
    pthread_mutex_lock(&in->lock);
    const tdm__chat_batch b = {.rest = tdm__buf_str(&in->buffers[in->i_write]),
                               .overflowed = in->overflowed,
                               .decided = in->decided,
                               .is_done = in->is_done};
    in->i_write = 1 - in->i_write;
    tdm__buf_clear(&in->buffers[in->i_write]);
    pthread_mutex_unlock(&in->lock);
    return b;
}

bool tdm__chat_batch_next(tdm__chat_batch *b, tdm__chat_piece *out)
{
    record_head head;
    if (b->rest.len == 0)
        return false;
    assert(b->rest.len >= sizeof head);
    memcpy(&head, b->rest.ptr, sizeof head);
    const char *text = b->rest.ptr + sizeof head;
    *out = (tdm__chat_piece){.candidate = head.candidate,
                             .text = {text, head.text_len},
                             .n_tokens = head.n_tokens,
                             .tokens = text + head.text_len};
    const size_t len = sizeof head + head.text_len + head.tokens_len;
    b->rest = (tdm__str){b->rest.ptr + len, b->rest.len - len};
    return true;
}

bool tdm__chat_piece_token(tdm__chat_piece *p, tdm__chat_token *out)
{
    if (p->n_tokens == 0)
        return false;
    const char *at = p->tokens;
    memcpy(&out->chosen, at, sizeof out->chosen);
    at += sizeof out->chosen;
    memcpy(&out->n_top, at, sizeof out->n_top);
    at += sizeof out->n_top;
    memcpy(out->top, at, (size_t)out->n_top * sizeof *out->top);
    p->tokens = at + (size_t)out->n_top * sizeof *out->top;
    p->n_tokens--;
    return true;
}
