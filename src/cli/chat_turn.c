/* chat_turn.c - see chat_turn.h. The caller's thread wakes for text, and now and then to look at *interrupts. */
#include "cli/chat_turn.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/clock.h"

enum { TEXT_BYTES_MAX = 64 << 20, LOOK_MS = 50 };

void tdm__chat_turn_init(tdm__chat_turn *t)
{
    *t = (tdm__chat_turn){0};
    tdm__buf_init(&t->answer, TEXT_BYTES_MAX);
    tdm__buf_init(&t->arrived, TEXT_BYTES_MAX);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
}

void tdm__chat_turn_fini(tdm__chat_turn *t)
{
    tdm__buf_fini(&t->answer);
    tdm__buf_fini(&t->arrived);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
}

/* Off, or stopped by the market's pack, in words. */
static void refuse(tdm__chat_turn *t, const tdm__event *ev)
{
    tdm__buf text;
    tdm__buf_init(&text, sizeof t->error.msg - 1);
    if (ev->end == TDM__END_OFF)
        tdm__decision_sentence(ev->decision, NULL, "en", &text);
    else if (ev->end == TDM__END_NEEDS_CONSENT)
        tdm__buf_append_z(&text, "only a partner could answer: tandem assistant asks the owner about that");
    else
        tdm__buf_printf(&text, "%s", tdm__reason_name(ev->reason));
    tdm__fail(&t->error, TDM_ERR_REFUSED, "%s", tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
}

static void on_event(void *user, const tdm__event *ev)
{
    tdm__chat_turn *t = user;
    pthread_mutex_lock(&t->mutex);
    snprintf(t->decision_id, sizeof t->decision_id, "%s", ev->decision_id);
    if (ev->kind == TDM__EVENT_TEXT && tdm__buf_append_str(&t->arrived, ev->text) != TDM_OK)
        t->overflowed = true;
    if (ev->kind == TDM__EVENT_DONE) {
        t->finish = ev->finish;
        t->error = ev->error;
        snprintf(t->screening, sizeof t->screening, "%s", ev->screening);
        snprintf(t->label, sizeof t->label, "%s", ev->label);
        if (ev->end != TDM__END_ANSWERED && ev->end != TDM__END_CANCELLED && ev->end != TDM__END_FAILED)
            refuse(t, ev);
        t->timings = ev->timings;
        t->is_done = true;
    }
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

/* Waits for text, the end, or LOOK_MS. Under mutex. */
static void wait_a_little(tdm__chat_turn *t)
{
    const struct timespec until = tdm__clock_deadline(LOOK_MS);
    pthread_cond_timedwait(&t->changed, &t->mutex, &until);
}

/* Moves what has arrived to the answer; where it begins there. Under mutex. */
static size_t take_arrived(tdm__chat_turn *t)
{
    size_t begin = t->answer.len;
    if (t->arrived.len > 0 && tdm__buf_append_str(&t->answer, tdm__buf_str(&t->arrived)) != TDM_OK)
        t->overflowed = true;
    tdm__buf_clear(&t->arrived);
    return begin;
}

tdm_status tdm__chat_turn_run(tdm__chat_turn *t, tdm__service *s, const tdm__chat_request *q, FILE *out,
                              const volatile sig_atomic_t *interrupts, tdm_error *err)
{
    const sig_atomic_t interrupts_before = *interrupts;
    tdm__request *r = NULL;
    tdm_status status = tdm__request_start(s, q, on_event, t, &r, err);
    if (status != TDM_OK)
        return status;
    for (bool done = false, is_cancelled = false; !done;) {
        pthread_mutex_lock(&t->mutex);
        if (!t->is_done && t->arrived.len == 0)
            wait_a_little(t);
        size_t begin = take_arrived(t);
        done = t->is_done;
        bool stop = t->overflowed;
        pthread_mutex_unlock(&t->mutex);

        size_t n = t->answer.len - begin;
        if (out && n > 0 && !stop)
            stop = fwrite(t->answer.ptr + begin, 1, n, out) != n || fflush(out) != 0;
        t->was_interrupted = *interrupts != interrupts_before;
        if ((stop || t->was_interrupted) && !is_cancelled) {
            tdm__request_cancel(r);
            is_cancelled = true;
        }
    }
    tdm__request_destroy(&r);
    return TDM_OK;
}
