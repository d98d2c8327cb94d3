/* verb_turn.c - events come on the service's threads; only the last one matters here, for a text that may still be
 * taken back is nothing for a pipe. */
#include "cli/verb_turn.h"

#include <pthread.h>

#include "os/clock.h"

enum { LOOK_MS = 50 };

typedef struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    tdm__verb_turn *turn; /* all under mutex */
    bool is_done;
} wait;

static void on_event(void *user, const tdm__verb_event *ev)
{
    wait *w = user;
    if (ev->kind != TDM__VERB_DONE)
        return;
    pthread_mutex_lock(&w->mutex);
    tdm__verb_end_from(ev, &w->turn->end);
    if (w->turn->end.end == TDM__END_ANSWERED)
        w->turn->result = tdm__verb_result_json(ev);
    w->is_done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for_end(wait *w, tdm__verb_run *run, const volatile sig_atomic_t *interrupts)
{
    const sig_atomic_t before = *interrupts;
    bool is_cancelled = false;
    pthread_mutex_lock(&w->mutex);
    while (!w->is_done) {
        const struct timespec until = tdm__clock_deadline(LOOK_MS);
        pthread_cond_timedwait(&w->changed, &w->mutex, &until);
        if (w->is_done || is_cancelled || *interrupts == before)
            continue;
        pthread_mutex_unlock(&w->mutex);
        tdm__verb_cancel(run);
        is_cancelled = true;
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

bool tdm__verb_turn_run(tdm__verb_turn *t, tdm__service *s, const tdm__verb_ask *ask,
                        const volatile sig_atomic_t *interrupts, tdm__api_error *e)
{
    wait w = {.turn = t};
    tdm__verb_run *run = NULL;
    tdm_error err = {0};
    tdm__service_status status;
    *t = (tdm__verb_turn){0};
    pthread_mutex_init(&w.mutex, NULL);
    pthread_cond_init(&w.changed, NULL);
    bool ok = tdm__verb_start(s, ask, on_event, &w, &run, &err) == TDM_OK;
    if (ok) {
        wait_for_end(&w, run, interrupts);
        tdm__verb_destroy(&run);
        ok = !tdm__verb_end_refusal(&t->end, ask, e);
        if (ok && !t->result)
            ok = tdm__api_refuse(e, 500, "internal_error", NULL, "no memory for the result");
    } else {
        tdm__service_get_status(s, &status);
        tdm__verb_start_refusal(ask, &err, &status, e);
    }
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.mutex);
    return ok;
}

void tdm__verb_turn_fini(tdm__verb_turn *t)
{
    json_decref(t->result);
    *t = (tdm__verb_turn){0};
}
