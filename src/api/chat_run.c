/* chat_run.c - one chat from its body to its last byte, as a stream or as a whole.
 *
 * Life: start (parse, hand to the spine), events through the inbox, end. Two sides must be over before the object
 * goes: the client's (answered, or gone) and the engine's (DONE). A client that leaves cancels the request at once;
 * the object then only waits for DONE. The head of a stream goes out with the first released text, so that whatever
 * fails before is a plain error with its own status; after HEAD_DELAY_MS of silence it goes out alone with a comment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/chat_ask.h"
#include "api/chat_inbox.h"
#include "api/chat_reply.h"
#include "base/arena.h"
#include "base/error.h"
#include "net/sse.h"
#include "os/clock.h"
#include "os/random.h"

enum {
    HEAD_DELAY_MS = 10000,
    ANSWER_BYTES_MAX = 8 * 1024 * 1024,  /* of a whole answer's text */
    LOGPROBS_BYTES_MAX = 32 * 1024 * 1024,
    PIECE_BYTES_MAX = 4 * 1024 * 1024, /* events of one turn, framed */
    ARENA_BYTES_MAX = 64 * 1024,
};

struct tdm__chat {
    tdm__exchange exchange; /* first: what the connection holds */
    tdm__api *api;
    tdm__chat *next, *prev;
    tdm__arena arena;      /* holds this object */
    tdm__http_conn *conn;  /* NULL: gone or answered */
    uint64_t exchange_id;
    tdm__chat_ask ask;
    tdm__request *request;
    tdm__chat_inbox inbox;
    tdm__loop_timer *silence; /* streams: HEAD_DELAY_MS without a byte */
    tdm__buf out;             /* stream: this turn's frames; whole: the body */
    tdm__buf json;            /* stream: one chunk */
    tdm__chat_choice choices[TDM__CANDIDATES_MAX]; /* whole */
    uint64_t begin_ns, tokens_ns; /* the last text came; 0: none has */
    int64_t created_unix_s;
    bool head_sent;
    bool role_framed[TDM__CANDIDATES_MAX]; /* stream: the chunk with the role */
    bool decided;      /* the inbox has decision and model */
};

static double ms_since(uint64_t begin_ns) { return (double)(tdm__clock_ns() - begin_ns) / 1e6; }

static tdm__str token_text(void *service, int32_t id) { return tdm__service_token_text(service, id); }

static tdm__chat_head head_of(const tdm__chat *chat)
{
    return (tdm__chat_head){.decision_id = chat->inbox.decision_id,
                            .model_name = chat->inbox.model_name,
                            .created_unix_s = chat->created_unix_s,
                            .is_chunk = chat->ask.stream,
                            .has_prediction = chat->ask.prediction != NULL,
                            .usage_null = chat->ask.stream && chat->ask.include_usage};
}

/* ---- the end ---- */

static void chat_free(tdm__chat *chat)
{
    tdm__api *api = chat->api;
    if (chat->request)
        tdm__request_destroy(&chat->request);
    tdm__loop_timer_destroy(chat->silence);
    tdm__chat_inbox_fini(&chat->inbox);
    tdm__chat_ask_fini(&chat->ask);
    tdm__buf_fini(&chat->out);
    tdm__buf_fini(&chat->json);
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++) {
        tdm__buf_fini(&chat->choices[i].text);
        tdm__buf_fini(&chat->choices[i].logprobs);
    }
    if (chat->prev)
        chat->prev->next = chat->next;
    else
        api->chats = chat->next;
    if (chat->next)
        chat->next->prev = chat->prev;
    api->metrics.chats--;
    if (chat->arena.bytes_high > api->metrics.arena_high)
        api->metrics.arena_high = chat->arena.bytes_high;
    tdm__arena arena = chat->arena; /* the object lies in it */
    tdm__arena_reset(&arena);
    tdm__api_idle_now(api);
}

static void log_end(tdm__chat *chat, int status, const char *note)
{
    const tdm__api_end end = {.exchange_id = chat->exchange_id,
                              .route = TDM__ROUTE_CHAT,
                              .status = status,
                              .ms = ms_since(chat->begin_ns),
                              .app = chat->ask.request.app,
                              .decision_id = chat->inbox.decision_id,
                              .timings = &chat->inbox.done.timings,
                              .note = note};
    tdm__api_ended(chat->api, &end);
}

static void chat_gone(tdm__exchange *exchange)
{
    tdm__chat *chat = (tdm__chat *)exchange;
    chat->conn = NULL;
    chat->api->metrics.clients_gone++;
    tdm__request_cancel(chat->request);
}

/* A client that does not read: its connection is cut, the slot is given back. */
static void give_up(tdm__chat *chat)
{
    tdm__http_conn *c = chat->conn;
    chat->conn = NULL;
    chat->api->metrics.clients_slow++;
    tdm__request_cancel(chat->request);
    tdm__http_abort(c);
}

/* ---- the stream ---- */

static void silence_restart(tdm__chat *chat) { tdm__loop_timer_set(chat->silence, HEAD_DELAY_MS); }

static tdm_status send_head(tdm__chat *chat)
{
    if (chat->head_sent)
        return TDM_OK;
    const tdm__http_header headers[] = {{"x-tandem-decision", chat->inbox.decision_id},
                                        {"Cache-Control", "no-store"},
                                        {"X-Accel-Buffering", "no"}};
    chat->head_sent = true;
    return tdm__http_begin(chat->conn, 200, headers, 3, "text/event-stream; charset=utf-8");
}

/* Frames what is in json as an event, and empties it. */
static tdm_status frame(tdm__chat *chat)
{
    tdm_status s = tdm__sse_data(&chat->out, tdm__buf_str(&chat->json));
    tdm__buf_clear(&chat->json);
    return s;
}

static tdm_status frame_role(tdm__chat *chat, const tdm__chat_head *head, size_t choice)
{
    if (chat->role_framed[choice])
        return TDM_OK;
    chat->role_framed[choice] = true;
    TDM_TRY(tdm__reply_chunk_role(&chat->json, head, choice));
    return frame(chat);
}

static tdm_status frame_piece(tdm__chat *chat, const tdm__chat_piece *piece)
{
    const tdm__chat_head head = head_of(chat);
    const tdm__token_texts texts = {.get = token_text, .user = chat->api->service};
    const bool with_tokens = chat->ask.logprobs && piece->n_tokens > 0;
    if (piece->text.len == 0 && !with_tokens)
        return TDM_OK;
    TDM_TRY(frame_role(chat, &head, piece->candidate));
    TDM_TRY(tdm__reply_chunk_text(&chat->json, &head, piece, with_tokens ? &texts : NULL));
    return frame(chat);
}

static tdm_status frame_end(tdm__chat *chat)
{
    const tdm__chat_head head = head_of(chat);
    const tdm__chat_done *done = &chat->inbox.done;
    for (size_t i = 0; i < done->n_candidates; i++) {
        const bool is_last_chunk = i + 1 == done->n_candidates && !chat->ask.include_usage;
        TDM_TRY(frame_role(chat, &head, i)); /* also of an empty answer */
        TDM_TRY(tdm__reply_chunk_finish(&chat->json, &head, i, done, is_last_chunk));
        TDM_TRY(frame(chat));
    }
    if (chat->ask.include_usage) {
        TDM_TRY(tdm__reply_chunk_usage(&chat->json, &head, done));
        TDM_TRY(frame(chat));
    }
    return tdm__sse_data(&chat->out, TDM_STR("[DONE]"));
}

/* Sends what is framed, if framing went well. False when the client was given up. */
static bool flush_stream(tdm__chat *chat, tdm_status framed)
{
    tdm_status s = framed;
    if (s == TDM_OK && chat->out.len > 0) {
        s = send_head(chat);
        if (s == TDM_OK)
            s = tdm__http_write(chat->conn, tdm__buf_str(&chat->out));
        tdm__buf_clear(&chat->out);
        silence_restart(chat);
    }
    if (s == TDM_OK)
        return true;
    give_up(chat);
    return false;
}

static void silence_passed(void *user)
{
    tdm__chat *chat = user;
    if (!chat->conn)
        return;
    silence_restart(chat);
    if (chat->decided)
        flush_stream(chat, tdm__sse_comment(&chat->out, TDM_STR("waiting")));
}

/* ---- answers ---- */

static void answer_error(tdm__chat *chat, const tdm__api_error *e)
{
    tdm__http_conn *c = chat->conn;
    chat->conn = NULL;
    if (!chat->head_sent) {
        tdm__api_answer_error(chat->api, c, TDM__ROUTE_CHAT, e,
                              chat->decided ? chat->inbox.decision_id : NULL);
        return;
    }
    tdm_status s = tdm__api_error_put(&chat->json, e);
    if (s == TDM_OK)
        s = frame(chat);
    if (s == TDM_OK)
        s = tdm__http_write(c, tdm__buf_str(&chat->out));
    log_end(chat, e->status, e->code ? e->code : "failed while streaming");
    tdm__http_conn_close_after(c);
    tdm__http_end(c);
}

/* The answer is larger than what is kept of it: never shown with a hole. */
static void answer_too_large(tdm__chat *chat)
{
    tdm__api_error e;
    tdm__api_refuse(&e, 500, "answer_too_large", NULL, "the answer is too large to be kept; ask for a stream");
    tdm__request_cancel(chat->request);
    if (chat->ask.stream)
        give_up(chat);
    else
        answer_error(chat, &e);
}

static void answer_whole(tdm__chat *chat)
{
    const tdm__chat_head head = head_of(chat);
    tdm__http_conn *c = chat->conn;
    if (tdm__reply_whole(&chat->out, &head, chat->choices, chat->ask.logprobs, &chat->inbox.done) != TDM_OK) {
        answer_too_large(chat);
        return;
    }
    const tdm__http_header headers[] = {{"x-tandem-decision", chat->inbox.decision_id}, {"Cache-Control", "no-store"}};
    log_end(chat, 200, NULL);
    chat->conn = NULL;
    tdm__http_respond(c, 200, headers, 2, "application/json", tdm__buf_str(&chat->out));
}

/* How an answer that is none is told. False when it is one, if perhaps a stopped one. */
static bool refusal_of(const tdm__chat *chat, tdm__api_error *e)
{
    const tdm__chat_done *done = &chat->inbox.done;
    switch (done->end) {
    case TDM__END_ANSWERED: return false;
    case TDM__END_OFF:
        tdm__api_refuse(e, 403, "feature_off", NULL, "%s", done->sentence);
        e->reason = tdm__reason_name(done->reason);
        return true;
    case TDM__END_NEEDS_CONSENT:
        tdm__api_refuse(e, 403, "consent_needed", NULL,
                        "only a partner could answer, and that takes the owner's consent: ask POST /v1/assistant");
        return true;
    case TDM__END_STOPPED_BY_SCREEN:
        if (done->reason != TDM__REASON_SCREEN_INPUT)
            return false; /* what was released stands, and ends with content_filter */
        tdm__api_refuse(e, 400, "content_filter", "messages", "the question has a term that the market's pack stops");
        e->reason = tdm__reason_name(done->reason);
        return true;
    case TDM__END_CANCELLED:
        tdm__api_refuse(e, 503, "stopping", NULL, "the answer was cancelled: the daemon is stopping");
        return true;
    case TDM__END_NONE:
    case TDM__END_FAILED:
        tdm__api_error_from(&done->error, e);
        if (done->reason != TDM__REASON_NONE)
            e->reason = tdm__reason_name(done->reason);
        return true;
    }
    return false;
}

static void answer_end(tdm__chat *chat)
{
    tdm__api_error e;
    if (refusal_of(chat, &e)) {
        answer_error(chat, &e);
    } else if (!chat->ask.stream) {
        answer_whole(chat);
    } else if (flush_stream(chat, frame_end(chat))) {
        log_end(chat, 200, "streamed");
        tdm__http_conn *c = chat->conn;
        chat->conn = NULL;
        tdm__http_end(c);
    }
}

/* ---- events ---- */

static tdm_status keep_piece(tdm__chat *chat, const tdm__chat_piece *piece)
{
    const tdm__token_texts texts = {.get = token_text, .user = chat->api->service};
    tdm__chat_choice *choice = &chat->choices[piece->candidate];
    bool is_first = choice->logprobs.len == 0;
    TDM_TRY(tdm__buf_append_str(&choice->text, piece->text));
    return chat->ask.logprobs ? tdm__reply_tokens(&choice->logprobs, *piece, &texts, &is_first) : TDM_OK;
}

/* For the histograms: what came together is taken as evenly spaced. */
static void count_tokens(tdm__chat *chat, size_t n_tokens)
{
    const uint64_t now = tdm__clock_ns();
    if (n_tokens == 0)
        return;
    if (chat->tokens_ns == 0)
        tdm__metrics_first_token(&chat->api->metrics, TDM__ROUTE_CHAT, (double)(now - chat->begin_ns) / 1e9);
    else
        tdm__metrics_between_tokens(&chat->api->metrics, TDM__ROUTE_CHAT, (double)(now - chat->tokens_ns) / 1e9,
                                    n_tokens);
    chat->tokens_ns = now;
}

static tdm_status take_pieces(tdm__chat *chat, tdm__chat_batch *batch)
{
    tdm__chat_piece piece;
    size_t n_tokens = 0;
    while (tdm__chat_batch_next(batch, &piece)) {
        n_tokens += piece.text.len > 0;
        TDM_TRY(chat->ask.stream ? frame_piece(chat, &piece) : keep_piece(chat, &piece));
    }
    count_tokens(chat, n_tokens);
    return batch->overflowed ? TDM_ERR_LIMIT : TDM_OK;
}

/* The inbox has something. */
static void events_came(void *user)
{
    tdm__chat *chat = user;
    tdm__chat_batch batch = tdm__chat_inbox_take(&chat->inbox);
    chat->decided = batch.decided;
    if (chat->conn) {
        if (take_pieces(chat, &batch) != TDM_OK)
            answer_too_large(chat);
        else if (chat->ask.stream)
            flush_stream(chat, TDM_OK);
    }
    if (!batch.is_done)
        return;
    if (chat->conn)
        answer_end(chat);
    else
        log_end(chat, 499, "the client left");
    chat_free(chat);
}

/* ---- the begin ---- */

static uint64_t draw_seed(void)
{
    uint64_t seed;
    return tdm__random_fill(&seed, sizeof seed) == 0 ? seed : tdm__clock_ns();
}

static bool api_screens(tdm__api *api)
{
    tdm__device *device = tdm__service_device(api->service);
    const tdm__rules_set *rules = tdm__device_acquire(device);
    const bool screens = !tdm__screen_is_empty(rules->screen);
    tdm__device_release(device, rules);
    return screens;
}

/* A model that is not here yet is the spine's to refuse: off comes before "not yet". */
static bool check_ready(tdm__api *api, const tdm__chat_ask *ask, tdm__api_error *e)
{
    tdm__service_status status;
    if (api->draining)
        return tdm__api_refuse(e, 503, "stopping", NULL, "the daemon is stopping and takes no new requests");
    tdm__service_get_status(api->service, &status);
    if (status.state == TDM__SERVICE_READY && ask->model &&
        !tdm__api_is_model(tdm__str_from(ask->model), status.model_name))
        return tdm__api_refuse(e, 404, "model_not_found", "model", "this model is not loaded; %s is",
                               status.model_name);
    if (ask->logprobs && api_screens(api))
        return tdm__api_refuse(e, 400, "not_built", "logprobs",
                               "logprobs is not given where the market screens answers: it would name held-back words");
    return true;
}

static tdm__chat *chat_create(tdm__api *api, tdm__http_conn *c, tdm__chat_ask *ask)
{
    tdm__arena arena;
    tdm__arena_init(&arena, "request", ARENA_BYTES_MAX);
    tdm__chat *chat = tdm__arena_array(&arena, 1, sizeof *chat);
    if (!chat)
        return NULL;
    *chat = (tdm__chat){.exchange = {.gone = chat_gone},
                        .api = api,
                        .next = api->chats,
                        .arena = arena,
                        .conn = c,
                        .ask = *ask};
    if (chat->next)
        chat->next->prev = chat;
    api->chats = chat;
    api->metrics.chats++;
    *ask = (tdm__chat_ask){0};
    chat->exchange_id = tdm__http_conn_exchange_id(c);
    chat->begin_ns = tdm__clock_ns();
    chat->created_unix_s = tdm__clock_unix_s();
    tdm__chat_inbox_init(&chat->inbox, api->loop, events_came, chat);
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++) {
        tdm__buf_init(&chat->choices[i].text, ANSWER_BYTES_MAX / chat->ask.request.n);
        tdm__buf_init(&chat->choices[i].logprobs, LOGPROBS_BYTES_MAX / chat->ask.request.n);
    }
    tdm__buf_init(&chat->json, PIECE_BYTES_MAX);
    tdm__buf_init(&chat->out, chat->ask.stream ? PIECE_BYTES_MAX : 2 * LOGPROBS_BYTES_MAX);
    return chat;
}

static bool chat_begin(tdm__chat *chat, tdm__api_error *e)
{
    tdm_error err = {0};
    tdm_status s = TDM_OK;
    chat->ask.request.app = tdm__api_app_of(chat->api, chat->conn);
    chat->ask.request.app_key_id = tdm__api_app_key_id_of(chat->api, chat->conn);
    if (!chat->ask.has_seed)
        chat->ask.request.sampling.seed = draw_seed();
    if (chat->ask.stream)
        s = tdm__loop_timer_create(chat->api->loop, silence_passed, chat, &chat->silence, &err);
    if (s == TDM_OK)
        s = tdm__request_start(chat->api->service, &chat->ask.request, tdm__chat_inbox_put, &chat->inbox,
                               &chat->request, &err);
    if (s == TDM_OK && chat->ask.stream)
        silence_restart(chat);
    tdm__service_status status;
    tdm__service_get_status(chat->api->service, &status);
    if (s == TDM_ERR_UPSTREAM && status.state != TDM__SERVICE_READY)
        tdm__api_not_ready(&status, e);
    else if (s == TDM_ERR_LIMIT)
        tdm__api_refuse(e, 400, NULL, "n", "%s", err.msg);
    else if (s != TDM_OK)
        tdm__api_error_from(&err, e);
    return s == TDM_OK;
}

void tdm__chat_start(tdm__api *api, tdm__http_conn *c, tdm__str body)
{
    tdm__chat_ask ask;
    tdm__api_error e;
    tdm__chat *chat = NULL;
    if (tdm__chat_ask_parse(body, &ask, &e) && check_ready(api, &ask, &e)) {
        chat = chat_create(api, c, &ask);
        if (!chat)
            tdm__api_refuse(&e, 503, "no_memory", NULL, "no memory for another request");
    }
    if (chat && chat_begin(chat, &e)) {
        tdm__http_conn_set_data(c, &chat->exchange);
        return;
    }
    if (chat)
        chat_free(chat);
    tdm__chat_ask_fini(&ask);
    tdm__api_answer_error(api, c, TDM__ROUTE_CHAT, &e, NULL);
}

void tdm__chat_cancel_all(tdm__api *api)
{
    for (tdm__chat *chat = api->chats; chat; chat = chat->next)
        tdm__request_cancel(chat->request);
}
