/* emulated_answer.c - one answer of a stand-in: the local model's text, marked, in the dialect, under a fault.
 *
 * The model's events come on a thread of the service; their text is copied under a lock and the loop is woken. Both
 * sides must be over before the object goes: the client's (answered or gone) and the model's (its last event). What
 * fails before the first text is an error with its own status; afterwards it is an error inside the stream, without
 * [DONE].
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "emulate/emulate_internal.h"
#include "net/sse.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/random.h"

enum {
    TEXT_BYTES_MAX = 1 << 20,
    FRAMES_BYTES_MAX = 8 << 20,
    SLOW_FIRST_MS = 3000,
    SLOW_NEXT_MS = 700,
    SLOW_BYTES = 100, /* at once, however fast the model writes */
    CUT_AFTER_MS = 150, /* what was written has left by then */
};

struct tdm__emulated_answer {
    tdm__emulated_answer *next, *prev;
    tdm__stand_in *stand_in;
    tdm__http_conn *conn; /* NULL: answered or gone */
    tdm__request_line line;
    tdm__emulated_question question;
    tdm__emulated_fault fault; /* of the moment in which it was asked */
    tdm__request *request;
    tdm__loop_timer *pace; /* SLOW: the next text; CUT: the end */
    int64_t at_unix_s;
    tdm__buf frames;
    tdm__buf whole;
    bool head_sent, is_waiting; /* is_waiting: for the pace */
    bool has_more;              /* of a slow stream: text that is not due yet */
    tdm__loop_note note;
    pthread_mutex_t lock; /* guards all below */
    tdm__buf text;        /* not yet taken by the loop */
    bool has_event, is_done, overflowed;
    tdm__finish finish;
    tdm__job_timings timings;
    tdm_error error;
};

/* ---- the end ---- */

static void answer_free(tdm__emulated_answer *a)
{
    tdm__emulator *e = a->stand_in->emulator;
    tdm__request_destroy(&a->request);
    tdm__loop_unpost(e->loop, &a->note);
    tdm__loop_timer_destroy(a->pace);
    tdm__buf_fini(&a->frames);
    tdm__buf_fini(&a->whole);
    tdm__buf_fini(&a->text);
    json_decref(a->question.messages);
    pthread_mutex_destroy(&a->lock);
    if (a->prev)
        a->prev->next = a->next;
    else
        e->answers = a->next;
    if (a->next)
        a->next->prev = a->prev;
    tdm__free(a);
}

void tdm__emulated_answers_free(tdm__emulator *e)
{
    while (e->answers)
        answer_free(e->answers);
}

void tdm__emulated_answer_gone(tdm__emulated_answer *a)
{
    a->conn = NULL;
    if (!a->head_sent)
        tdm__request_log_put(a->stand_in, &a->line, 0);
    tdm__request_cancel(a->request);
}

static void cut_connection(tdm__emulated_answer *a)
{
    tdm__http_conn *c = a->conn;
    a->conn = NULL;
    tdm__request_cancel(a->request);
    tdm__http_abort(c);
}

/* ---- bytes ---- */

static tdm_status send_head(tdm__emulated_answer *a)
{
    static const tdm__http_header headers[] = {{"x-tandem-emulated", "true"}, {"Cache-Control", "no-store"}};
    if (a->head_sent)
        return TDM_OK;
    a->head_sent = true;
    tdm__request_log_put(a->stand_in, &a->line, 200);
    return tdm__http_begin(a->conn, 200, headers, 2, "text/event-stream; charset=utf-8");
}

/* Sends what is framed. False when the client does not read and was given up. */
static bool flush(tdm__emulated_answer *a, tdm_status framed)
{
    tdm_status s = framed;
    if (s == TDM_OK && a->frames.len > 0) {
        s = send_head(a);
        if (s == TDM_OK)
            s = a->fault == TDM__EMULATED_SPLIT_UTF8 ? tdm__emulated_write_split(a->conn, tdm__buf_str(&a->frames))
                                                     : tdm__http_write(a->conn, tdm__buf_str(&a->frames));
        tdm__buf_clear(&a->frames);
    }
    if (s != TDM_OK)
        cut_connection(a);
    return s == TDM_OK;
}

/* ---- text ---- */

/* The text so far into frames, or into the whole. */
static tdm_status take_text(tdm__emulated_answer *a, tdm__str text)
{
    if (!a->question.stream)
        return tdm__buf_append_str(&a->whole, text);
    TDM_TRY(tdm__emulated_frame_text(&a->frames, &a->question, a->at_unix_s, text));
    if (a->fault == TDM__EMULATED_GIANT_EVENT && !a->head_sent)
        return tdm__emulated_frame_giant(&a->frames, &a->question, a->at_unix_s);
    return TDM_OK;
}

/* How much of what has come is to go now: of a slow one a little, whole characters. */
static size_t count_due(const tdm__emulated_answer *a)
{
    size_t n = a->text.len;
    if (a->fault != TDM__EMULATED_SLOW || !a->question.stream || n <= SLOW_BYTES)
        return n;
    for (n = SLOW_BYTES; n > 0 && ((unsigned char)a->text.ptr[n] & 0xc0) == 0x80;)
        n--;
    return n;
}

/* What has come since the last time; the mark goes before the first. */
static tdm_status take_pending(tdm__emulated_answer *a)
{
    tdm__buf piece;
    tdm__buf_init(&piece, TEXT_BYTES_MAX + 256);
    pthread_mutex_lock(&a->lock);
    const bool is_first = !a->head_sent && a->whole.len == 0;
    tdm_status s = a->overflowed ? TDM_ERR_LIMIT : TDM_OK;
    if (s == TDM_OK && is_first && (a->text.len > 0 || a->is_done))
        s = tdm__emulated_put_mark(a->stand_in->vendor, a->fault, &piece);
    const size_t n_due = count_due(a);
    if (s == TDM_OK && n_due > 0)
        s = tdm__buf_append_str(&piece, (tdm__str){a->text.ptr, n_due});
    if (n_due > 0)
        tdm__buf_consume(&a->text, n_due);
    a->has_more = a->text.len > 0;
    pthread_mutex_unlock(&a->lock);
    if (s == TDM_OK && piece.len > 0)
        s = take_text(a, tdm__buf_str(&piece));
    tdm__buf_fini(&piece);
    return s;
}

/* ---- answers ---- */

static void answer_error(tdm__emulated_answer *a, int status, const char *code, const char *message)
{
    json_t *error = json_pack("{s:{s:s, s:s, s:n, s:s}, s:b}", "error", "code", code, "type", "invalid_request_error",
                              "param", "message", message, "tandem_emulated", 1);
    tdm__http_conn *c = a->conn;
    if (a->head_sent) {
        if (!flush(a, tdm__emulated_frame(&a->frames, error)))
            return;
        a->conn = NULL;
        tdm__http_conn_close_after(c);
        tdm__http_end(c);
        return;
    }
    char *text = tdm__json_text(error, JSON_COMPACT);
    a->conn = NULL;
    tdm__stand_in_answer(a->stand_in, c, &a->line, status, "application/json", tdm__str_from(text ? text : "{}"));
    tdm__free(text);
    json_decref(error);
}

static void answer_whole(tdm__emulated_answer *a, const char *finish)
{
    json_t *value =
        tdm__emulated_whole(&a->question, a->at_unix_s, tdm__buf_str(&a->whole), finish, &a->timings);
    char *text = value ? tdm__json_text(value, JSON_COMPACT) : NULL;
    tdm__http_conn *c = a->conn;
    a->conn = NULL;
    tdm__stand_in_answer(a->stand_in, c, &a->line, text ? 200 : 500, "application/json",
                         tdm__str_from(text ? text : "{}"));
    tdm__free(text);
    json_decref(value);
}

static void answer_end(tdm__emulated_answer *a)
{
    const char *finish = a->finish == TDM__FINISH_LENGTH ? "length" : "stop";
    if (a->finish != TDM__FINISH_STOP && a->finish != TDM__FINISH_LENGTH) {
        const bool too_long = a->error.code == TDM_ERR_LIMIT;
        answer_error(a, too_long ? 400 : 500, too_long ? "context_length_exceeded" : "server_error", a->error.msg);
        return;
    }
    if (!a->question.stream && a->fault == TDM__EMULATED_CUT) {
        tdm__request_log_put(a->stand_in, &a->line, 0);
        cut_connection(a);
        return;
    }
    if (!a->question.stream) {
        answer_whole(a, finish);
        return;
    }
    tdm_status s = tdm__emulated_frame(
        &a->frames, tdm__emulated_chunk(&a->question, a->at_unix_s, (tdm__str){NULL, 0}, finish));
    if (s == TDM_OK && a->question.include_usage)
        s = tdm__emulated_frame(&a->frames, tdm__emulated_usage(&a->question, a->at_unix_s, &a->timings));
    if (s == TDM_OK)
        s = tdm__sse_data(&a->frames, TDM_STR("[DONE]"));
    if (!flush(a, s))
        return;
    tdm__http_conn *c = a->conn;
    a->conn = NULL;
    tdm__http_end(c);
}

/* ---- events ---- */

/* The first text is out and the timer will cut. */
static bool is_cutting(const tdm__emulated_answer *a)
{
    return a->conn && a->fault == TDM__EMULATED_CUT && a->head_sent;
}

static void give_text(tdm__emulated_answer *a)
{
    tdm_status s = take_pending(a);
    if (s != TDM_OK || a->question.stream)
        flush(a, s);
    if (is_cutting(a))
        tdm__loop_timer_set(a->pace, CUT_AFTER_MS);
}

static void wait_slowly(tdm__emulated_answer *a)
{
    a->is_waiting = true;
    tdm__loop_timer_set(a->pace, a->head_sent ? SLOW_NEXT_MS : SLOW_FIRST_MS);
}

/* Gives the client what there is; the object may be gone afterwards. */
static void advance(tdm__emulated_answer *a)
{
    pthread_mutex_lock(&a->lock);
    const bool is_done = a->is_done, failed = is_done && a->finish == TDM__FINISH_ERROR;
    pthread_mutex_unlock(&a->lock);
    if (is_cutting(a))
        return;
    if (a->conn && !failed)
        give_text(a);
    if (a->conn && !failed && a->has_more) {
        wait_slowly(a);
        return;
    }
    if (!is_done || is_cutting(a))
        return;
    if (a->conn)
        answer_end(a);
    answer_free(a);
}

static void paced(void *user)
{
    tdm__emulated_answer *a = user;
    a->is_waiting = false;
    if (is_cutting(a))
        cut_connection(a);
    advance(a);
}

static void events_came(void *user)
{
    tdm__emulated_answer *a = user;
    if (a->fault != TDM__EMULATED_SLOW || !a->conn) {
        advance(a);
    } else if (!a->is_waiting) {
        wait_slowly(a);
    }
}

/* On a thread of the service. */
static void event_came(void *user, const tdm__event *ev)
{
    tdm__emulated_answer *a = user;
    pthread_mutex_lock(&a->lock);
    if (ev->kind == TDM__EVENT_TEXT && tdm__buf_append_str(&a->text, ev->text) != TDM_OK)
        a->overflowed = true;
    if (ev->kind == TDM__EVENT_DONE) {
        a->finish = ev->finish;
        a->timings = ev->timings;
        a->error = ev->error;
        a->is_done = true;
    }
    if (ev->kind != TDM__EVENT_DECISION)
        tdm__loop_post(a->stand_in->emulator->loop, &a->note); /* under the lock: after DONE the loop may free this */
    pthread_mutex_unlock(&a->lock);
}

/* ---- the begin ---- */

static tdm_status start_request(tdm__emulated_answer *a, tdm_error *err)
{
    tdm__chat_request q = {.messages = a->question.messages,
                           .max_tokens = a->question.max_tokens,
                           .sampling = tdm__sampling_default(),
                           .n_top_logprobs = -1,
                           .feature = "chat"};
    if (tdm__random_fill(&q.sampling.seed, sizeof q.sampling.seed) != 0)
        q.sampling.seed = tdm__clock_ns();
    return tdm__request_start(a->stand_in->emulator->service, &q, event_came, a, &a->request, err);
}

static tdm__emulated_answer *answer_create(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line)
{
    tdm__emulator *e = s->emulator;
    tdm__emulated_answer *a = tdm__calloc(1, sizeof *a);
    if (!a)
        return NULL;
    *a = (tdm__emulated_answer){.next = e->answers, .stand_in = s, .conn = c, .line = *line, .fault = s->fault};
    a->at_unix_s = tdm__clock_unix_s();
    a->note = (tdm__loop_note){.fn = events_came, .user = a};
    pthread_mutex_init(&a->lock, NULL);
    tdm__buf_init(&a->frames, FRAMES_BYTES_MAX);
    tdm__buf_init(&a->whole, TEXT_BYTES_MAX);
    tdm__buf_init(&a->text, TEXT_BYTES_MAX);
    if (e->answers)
        e->answers->prev = a;
    e->answers = a;
    return a;
}

void tdm__emulated_answer_start(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line, tdm__str body)
{
    tdm_error err = {0};
    tdm__emulated_answer *a = answer_create(s, c, line);
    if (!a) {
        tdm__http_abort(c);
        return;
    }
    tdm_status status = tdm__emulated_question_read(body, &a->question, &err);
    const bool is_read = status == TDM_OK;
    if (is_read)
        status = tdm__loop_timer_create(s->emulator->loop, paced, a, &a->pace, &err);
    if (status == TDM_OK)
        status = start_request(a, &err);
    if (status == TDM_OK) {
        tdm__http_conn_set_data(c, a);
        return;
    }
    if (!is_read)
        answer_error(a, 400, "invalid_request", err.msg);
    else if (status == TDM_ERR_UPSTREAM)
        answer_error(a, 503, "model_loading", err.msg);
    else
        answer_error(a, status == TDM_ERR_BUSY ? 429 : 500, status == TDM_ERR_BUSY ? "rate_limit_exceeded"
                                                                                   : "server_error", err.msg);
    answer_free(a);
}
