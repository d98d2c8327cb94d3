/* assistant_turn.c - see assistant_turn.h. Each event becomes one object {"event":..,"data":..} in a queue; the
 * caller's thread writes them. */
#include "cli/assistant_turn.h"

#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "os/clock.h"

enum { TEXT_BYTES_MAX = 16 << 20, LOOK_MS = 50 };

typedef struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    json_t *events; /* all under mutex */
    bool is_done, overflowed;
} inbox;

static void on_event(void *user, const tdm__assistant_event *ev)
{
    static const char *const names[] = {"", "decision", "text", "offer", "retract", "receipt", "error", "done"};
    inbox *x = user;
    json_t *data = json_deep_copy(ev->data);
    if (ev->kind == TDM__ASSISTANT_TEXT && data &&
        json_object_set_new(data, "text", json_stringn(ev->text.ptr, ev->text.len)) != 0) {
        json_decref(data);
        data = NULL;
    }
    json_t *event = data ? json_pack("{s:s, s:o}", "event", names[ev->kind], "data", data) : NULL;
    pthread_mutex_lock(&x->mutex);
    if (!event || json_array_append_new(x->events, event) != 0)
        x->overflowed = true;
    x->is_done = x->is_done || ev->kind == TDM__ASSISTANT_DONE;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->mutex);
}

/* What has come since, in a new array; NULL: nothing for LOOK_MS. */
static json_t *take(inbox *x, bool *is_done)
{
    const struct timespec until = tdm__clock_deadline(LOOK_MS);
    json_t *fresh = json_array(), *taken = NULL;
    pthread_mutex_lock(&x->mutex);
    if (json_array_size(x->events) == 0 && !x->is_done)
        pthread_cond_timedwait(&x->changed, &x->mutex, &until);
    if (fresh && json_array_size(x->events) > 0) {
        taken = x->events;
        x->events = fresh;
        fresh = NULL;
    }
    *is_done = x->is_done && (!taken || json_array_size(x->events) == 0);
    pthread_mutex_unlock(&x->mutex);
    json_decref(fresh);
    return taken;
}

static const char *get(const json_t *o, const char *key)
{
    const char *z = json_string_value(json_object_get(o, key));
    return z ? z : "";
}

static void show_text(tdm__assistant_turn *t, const json_t *data, const tdm__assistant_view *v)
{
    const json_t *text = json_object_get(data, "text");
    if (!json_is_true(json_object_get(data, "label")))
        tdm__buf_append(&t->answer, json_string_value(text), json_string_length(text));
    if (v->json)
        return;
    tdm__command_put_text(v->out, json_string_value(text), json_string_length(text), v->is_terminal);
    t->line_is_open = true;
}

static void end_line(tdm__assistant_turn *t, const tdm__assistant_view *v)
{
    if (t->line_is_open)
        putc('\n', v->out);
    t->line_is_open = false;
    fflush(v->out); /* before a note overtakes it on a terminal */
}

static void show_note(const char *event, const json_t *data, const tdm__assistant_view *v)
{
    if (!v->notes)
        return;
    if (strcmp(event, "retract") == 0)
        fprintf(v->notes, "what was shown is taken back: %s\n", get(data, "text"));
    else if (strcmp(event, "receipt") == 0)
        fprintf(v->notes, "receipt %s: %s to %s (%s), %lld bytes sent\n", get(data, "id"), get(data, "what"),
                get(data, "partner"), get(data, "model"),
                (long long)json_integer_value(json_object_get(data, "bytes_sent")));
    else if (strcmp(event, "error") == 0)
        fprintf(v->notes, "%s: %s\n", get(data, "code"), get(data, "text"));
    else if (strcmp(event, "done") == 0 && get(data, "text")[0] != '\0')
        fprintf(v->notes, "%s\n", get(data, "text"));
}

static void keep(json_t **place, json_t *data)
{
    json_decref(*place);
    *place = json_incref(data);
}

static void show(tdm__assistant_turn *t, const json_t *item, const tdm__assistant_view *v)
{
    const char *event = get(item, "event");
    json_t *data = json_object_get(item, "data");
    if (v->json) {
        json_dumpf(item, v->out, JSON_COMPACT);
        putc('\n', v->out);
    }
    if (strcmp(event, "text") == 0)
        show_text(t, data, v);
    else if (strcmp(event, "offer") == 0)
        keep(&t->offer, data);
    else if (strcmp(event, "done") == 0)
        keep(&t->done, data);
    if (strcmp(event, "retract") == 0)
        tdm__buf_clear(&t->answer);
    if (strcmp(event, "text") != 0 && !v->json) {
        end_line(t, v);
        show_note(event, data, v);
    }
    fflush(v->out);
}

static bool pump(tdm__assistant_turn *t, inbox *x, tdm__answer *w, const tdm__assistant_view *v)
{
    const sig_atomic_t before = *v->interrupts;
    bool is_cancelled = false;
    for (bool is_done = false; !is_done;) {
        json_t *items = take(x, &is_done), *item;
        size_t i;
        json_array_foreach(items, i, item) show(t, item, v);
        json_decref(items);
        if (!is_cancelled && (*v->interrupts != before || ferror(v->out))) {
            tdm__answer_cancel(w);
            is_cancelled = true;
        }
    }
    return !x->overflowed;
}

tdm_status tdm__assistant_turn_run(tdm__assistant_turn *t, tdm__assistant *a, const tdm__assistant_ask *ask,
                                   const tdm__assistant_view *view, tdm_error *err)
{
    inbox x = {.events = json_array()};
    tdm__answer *w = NULL;
    *t = (tdm__assistant_turn){0};
    tdm__buf_init(&t->answer, TEXT_BYTES_MAX);
    if (!x.events)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an answer");
    pthread_mutex_init(&x.mutex, NULL);
    pthread_cond_init(&x.changed, NULL);
    tdm_status s = tdm__assistant_start(a, ask, on_event, &x, &w, err);
    if (s == TDM_OK) {
        if (!pump(t, &x, w, view) || !t->done)
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for an answer");
        tdm__answer_destroy(&w);
    }
    json_decref(x.events);
    pthread_cond_destroy(&x.changed);
    pthread_mutex_destroy(&x.mutex);
    return s;
}

void tdm__assistant_turn_fini(tdm__assistant_turn *t)
{
    tdm__buf_fini(&t->answer);
    json_decref(t->offer);
    json_decref(t->done);
    *t = (tdm__assistant_turn){0};
}
