/* lib_inbox.c - a list under a lock; the caller waits for it with a deadline. */
#include "lib/lib_inbox.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "os/heap.h"

enum { INBOX_BYTES_MAX = 64 << 20 };

void tdm__inbox_init(tdm__inbox *x)
{
    pthread_condattr_t monotonic;
    *x = (tdm__inbox){0};
    pthread_mutex_init(&x->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&x->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void tdm__inbox_item_destroy(tdm__inbox_item *i)
{
    if (!i)
        return;
    tdm__buf_fini(&i->text);
    json_decref(i->data);
    tdm__free(i);
}

void tdm__inbox_fini(tdm__inbox *x)
{
    for (tdm__inbox_item *i = x->first, *next; i; i = next) {
        next = i->next;
        tdm__inbox_item_destroy(i);
    }
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->mutex);
}

/* Under mutex. */
static tdm__inbox_item *add_item(tdm__inbox *x, int kind, size_t candidate)
{
    tdm__inbox_item *i = tdm__calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->kind = kind;
    i->candidate = candidate;
    tdm__buf_init(&i->text, INBOX_BYTES_MAX);
    *(x->last ? &x->last->next : &x->first) = i;
    x->last = i;
    return i;
}

/* Under mutex. */
static bool append_text(tdm__inbox *x, tdm__inbox_item *i, tdm__str text)
{
    if (text.len == 0)
        return true;
    if (text.len > INBOX_BYTES_MAX - x->n_bytes || tdm__buf_append_str(&i->text, text) != TDM_OK)
        return false;
    x->n_bytes += text.len;
    return true;
}

void tdm__inbox_put_text(tdm__inbox *x, int kind, size_t candidate, bool is_label, tdm__str text)
{
    if (text.len == 0)
        return;
    pthread_mutex_lock(&x->mutex);
    tdm__inbox_item *i = x->last;
    if (!i || i->kind != kind || i->candidate != candidate || i->is_label != is_label || i->data)
        i = add_item(x, kind, candidate);
    if (i)
        i->is_label = is_label;
    if (!i || !append_text(x, i, text))
        x->is_lost = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->mutex);
}

void tdm__inbox_put(tdm__inbox *x, int kind, size_t candidate, const char *decision_id, tdm__str text,
                    const json_t *data)
{
    json_t *copy = data ? json_deep_copy(data) : NULL; /* jansson's counts are not for two threads */
    pthread_mutex_lock(&x->mutex);
    tdm__inbox_item *i = data && !copy ? NULL : add_item(x, kind, candidate);
    if (i && append_text(x, i, text)) {
        snprintf(i->decision_id, sizeof i->decision_id, "%s", decision_id);
        i->data = copy;
        copy = NULL;
    } else {
        x->is_lost = true;
    }
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->mutex);
    json_decref(copy);
}

void tdm__inbox_end(tdm__inbox *x)
{
    pthread_mutex_lock(&x->mutex);
    x->is_ended = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->mutex);
}

static struct timespec deadline_in(int ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (ms % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

/* Until there is something to take, or the time is over. Under mutex. */
static void wait_for_change(tdm__inbox *x, int timeout_ms)
{
    const struct timespec until = deadline_in(timeout_ms > 0 ? timeout_ms : 0);
    int rc = timeout_ms == 0 ? ETIMEDOUT : 0;
    while (rc != ETIMEDOUT && !x->first && !x->is_lost && !x->is_ended)
        rc = timeout_ms < 0 ? pthread_cond_wait(&x->changed, &x->mutex)
                            : pthread_cond_timedwait(&x->changed, &x->mutex, &until);
}

tdm_status tdm__inbox_take(tdm__inbox *x, int timeout_ms, tdm__inbox_item **item, tdm_error *err)
{
    pthread_mutex_lock(&x->mutex);
    wait_for_change(x, timeout_ms);
    tdm__inbox_item *i = x->is_lost ? NULL : x->first;
    const bool is_lost = x->is_lost, is_ended = x->is_ended;
    if (i) {
        x->first = i->next;
        if (!x->first)
            x->last = NULL;
        x->n_bytes -= i->text.len;
        i->next = NULL;
    }
    pthread_mutex_unlock(&x->mutex);
    if (is_lost)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an answer on its way to the caller");
    if (!i && !is_ended)
        return TDM_AGAIN;
    *item = i;
    return TDM_OK;
}
