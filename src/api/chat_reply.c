/* chat_reply.c - the shapes, written piece by piece. */
#include "api/chat_reply.h"

#include <inttypes.h>
#include <math.h>

#include "api/json_out.h"
#include "base/error.h"

/* What OpenAI sends for a probability of zero. */
#define LOGPROB_MIN (-9999.0)

tdm_status tdm__reply_open(tdm__buf *out, const tdm__chat_head *h)
{
    TDM_TRY(tdm__buf_printf(out, "{\"id\":\"chatcmpl-%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                            h->decision_id, h->is_chunk ? "chat.completion.chunk" : "chat.completion",
                            h->created_unix_s));
    return tdm__json_put_string(out, tdm__str_from(h->model_name));
}

/* "token":..,"logprob":..,"bytes":[..] */
static tdm_status put_token(tdm__buf *out, tdm__token_prob t, const tdm__token_texts *texts)
{
    const tdm__str text = texts->get(texts->user, t.id);
    TDM_TRY(tdm__buf_append_z(out, "{\"token\":"));
    TDM_TRY(tdm__json_put_string(out, text));
    TDM_TRY(tdm__buf_append_z(out, ",\"logprob\":"));
    TDM_TRY(tdm__json_put_number(out, isfinite(t.logprob) ? (double)t.logprob : LOGPROB_MIN));
    TDM_TRY(tdm__buf_append_z(out, ",\"bytes\":["));
    for (size_t i = 0; i < text.len; i++)
        TDM_TRY(tdm__buf_printf(out, i > 0 ? ",%u" : "%u", (unsigned)(unsigned char)text.ptr[i]));
    return tdm__buf_append_char(out, ']');
}

tdm_status tdm__reply_tokens(tdm__buf *out, tdm__chat_piece piece, const tdm__token_texts *texts, bool *is_first)
{
    tdm__chat_token t;
    while (tdm__chat_piece_token(&piece, &t)) {
        if (!*is_first)
            TDM_TRY(tdm__buf_append_char(out, ','));
        *is_first = false;
        TDM_TRY(put_token(out, t.chosen, texts));
        TDM_TRY(tdm__buf_append_z(out, ",\"top_logprobs\":["));
        for (int i = 0; i < t.n_top; i++) {
            if (i > 0)
                TDM_TRY(tdm__buf_append_char(out, ','));
            TDM_TRY(put_token(out, t.top[i], texts));
            TDM_TRY(tdm__buf_append_char(out, '}'));
        }
        TDM_TRY(tdm__buf_append_z(out, "]}"));
    }
    return TDM_OK;
}

static const char *finish_name(const tdm__chat_done *done, size_t choice)
{
    if (done->end == TDM__END_STOPPED_BY_SCREEN)
        return "content_filter";
    return done->finishes[choice] == TDM__FINISH_LENGTH ? "length" : "stop";
}

static tdm_status put_usage(tdm__buf *out, const tdm__chat_head *h, const tdm__job_timings *t)
{
    TDM_TRY(tdm__buf_printf(out,
                            ",\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
                            "\"prompt_tokens_details\":{\"cached_tokens\":%zu}",
                            t->n_prompt, t->n_generated, t->n_prompt + t->n_generated, t->n_prompt_reused));
    if (h->has_prediction)
        TDM_TRY(tdm__buf_printf(out,
                                ",\"completion_tokens_details\":{\"accepted_prediction_tokens\":%zu,"
                                "\"rejected_prediction_tokens\":%zu}",
                                t->n_draft_accepted, t->n_draft - t->n_draft_accepted));
    return tdm__buf_append_z(out, "}");
}

static tdm_status put_tandem(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_done *done)
{
    const tdm__job_timings *t = &done->timings;
    TDM_TRY(tdm__buf_append_z(out, ",\"tandem\":{\"decision\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(h->decision_id)));
    TDM_TRY(tdm__buf_append_z(out, ",\"model\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(h->model_name)));
    TDM_TRY(tdm__buf_append_z(out, ",\"screening\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(done->screening)));
    TDM_TRY(tdm__buf_append_z(out, ",\"label\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(done->label)));
    return tdm__buf_printf(out,
                           ",\"timings\":{\"queue_ms\":%.3f,\"prompt_tokens\":%zu,\"prompt_reused\":%zu,"
                           "\"prompt_ms\":%.3f,\"decode_tokens\":%zu,\"decode_ms\":%.3f,\"draft_tokens\":%zu,"
                           "\"draft_accepted\":%zu}}",
                           t->queue_ms, t->n_prompt, t->n_prompt_reused, t->prompt_ms, t->n_generated, t->decode_ms,
                           t->n_draft, t->n_draft_accepted);
}

static tdm_status chunk_open(tdm__buf *out, const tdm__chat_head *h)
{
    TDM_TRY(tdm__reply_open(out, h));
    return h->usage_null ? tdm__buf_append_z(out, ",\"usage\":null") : TDM_OK;
}

tdm_status tdm__reply_chunk_role(tdm__buf *out, const tdm__chat_head *h, size_t choice)
{
    TDM_TRY(chunk_open(out, h));
    return tdm__buf_printf(out,
                           ",\"choices\":[{\"index\":%zu,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                           "\"logprobs\":null,\"finish_reason\":null}]}",
                           choice);
}

tdm_status tdm__reply_chunk_text(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_piece *piece,
                                 const tdm__token_texts *texts)
{
    TDM_TRY(chunk_open(out, h));
    TDM_TRY(tdm__buf_printf(out, ",\"choices\":[{\"index\":%zu,\"delta\":{\"content\":", piece->candidate));
    TDM_TRY(tdm__json_put_string(out, piece->text));
    TDM_TRY(tdm__buf_append_z(out, "},\"logprobs\":"));
    if (texts) {
        bool is_first = true;
        TDM_TRY(tdm__buf_append_z(out, "{\"content\":["));
        TDM_TRY(tdm__reply_tokens(out, *piece, texts, &is_first));
        TDM_TRY(tdm__buf_append_z(out, "],\"refusal\":null}"));
    } else {
        TDM_TRY(tdm__buf_append_z(out, "null"));
    }
    return tdm__buf_append_z(out, ",\"finish_reason\":null}]}");
}

tdm_status tdm__reply_chunk_finish(tdm__buf *out, const tdm__chat_head *h, size_t choice, const tdm__chat_done *done,
                                   bool with_tandem)
{
    TDM_TRY(chunk_open(out, h));
    TDM_TRY(tdm__buf_printf(
        out, ",\"choices\":[{\"index\":%zu,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}]", choice,
        finish_name(done, choice)));
    if (with_tandem)
        TDM_TRY(put_tandem(out, h, done));
    return tdm__buf_append_char(out, '}');
}

tdm_status tdm__reply_chunk_usage(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_done *done)
{
    TDM_TRY(tdm__reply_open(out, h));
    TDM_TRY(tdm__buf_append_z(out, ",\"choices\":[]"));
    TDM_TRY(put_usage(out, h, &done->timings));
    TDM_TRY(put_tandem(out, h, done));
    return tdm__buf_append_char(out, '}');
}

static tdm_status put_choice(tdm__buf *out, size_t i, const tdm__chat_choice *c, bool with_logprobs, const char *finish)
{
    TDM_TRY(tdm__buf_printf(out, "%s{\"index\":%zu,\"message\":{\"role\":\"assistant\",\"content\":", i > 0 ? "," : "",
                            i));
    TDM_TRY(tdm__json_put_string(out, tdm__buf_str(&c->text)));
    TDM_TRY(tdm__buf_append_z(out, ",\"refusal\":null},\"logprobs\":"));
    if (with_logprobs) {
        TDM_TRY(tdm__buf_append_z(out, "{\"content\":["));
        TDM_TRY(tdm__buf_append_str(out, tdm__buf_str(&c->logprobs)));
        TDM_TRY(tdm__buf_append_z(out, "],\"refusal\":null}"));
    } else {
        TDM_TRY(tdm__buf_append_z(out, "null"));
    }
    return tdm__buf_printf(out, ",\"finish_reason\":\"%s\"}", finish);
}

tdm_status tdm__reply_whole(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_choice *choices,
                            bool with_logprobs, const tdm__chat_done *done)
{
    TDM_TRY(tdm__reply_open(out, h));
    TDM_TRY(tdm__buf_append_z(out, ",\"choices\":["));
    for (size_t i = 0; i < done->n_candidates; i++)
        TDM_TRY(put_choice(out, i, &choices[i], with_logprobs, finish_name(done, i)));
    TDM_TRY(tdm__buf_append_char(out, ']'));
    TDM_TRY(put_usage(out, h, &done->timings));
    TDM_TRY(put_tandem(out, h, done));
    return tdm__buf_append_char(out, '}');
}
