/* http_loop.c - libevent, one eventfd, one mutex.
 *
 * libevent's own locking stays off: only the list of notes is shared between threads, and the eventfd's counter
 * carries the wake-up. Notes are taken off the list one by one, so that a callback may take back any other.
 */
#include "net/http_loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "os/heap.h"

typedef struct loop_signal {
    tdm__loop *loop;
    struct event *event;
    void (*fn)(void *user, int signal_number);
    void *user;
} loop_signal;

struct tdm__loop {
    struct event_base *base;
    struct event *wake_event;
    int wake_fd;
    pthread_mutex_t lock; /* guards first and last, and next and queued of the notes */
    tdm__loop_note *first, *last;
    loop_signal signals[TDM__LOOP_SIGNALS_MAX];
    size_t n_signals;
};

struct tdm__loop_timer {
    struct event *event;
    void (*fn)(void *user);
    void *user;
};

static tdm__loop_note *note_take(tdm__loop *l)
{
    pthread_mutex_lock(&l->lock);
    tdm__loop_note *n = l->first;
    if (n) {
        l->first = n->next;
        if (!l->first)
            l->last = NULL;
        n->next = NULL;
        n->queued = false;
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

static void wake_fired(evutil_socket_t fd, short what, void *user)
{
    (void)what;
    tdm__loop *l = user;
    uint64_t count;
    if (read((int)fd, &count, sizeof count) < 0) {
        /* nothing to read: another turn has taken it */
    }
    tdm__loop_note *n;
    while ((n = note_take(l)) != NULL)
        n->fn(n->user);
}

tdm_status tdm__loop_create(tdm__loop **out, tdm_error *err)
{
    tdm__loop *l = tdm__calloc(1, sizeof *l);
    if (!l)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the event loop");
    l->wake_fd = -1;
    pthread_mutex_init(&l->lock, NULL);
    l->base = event_base_new();
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->base && l->wake_fd >= 0)
        l->wake_event = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, wake_fired, l);
    if (!l->wake_event || event_add(l->wake_event, NULL) != 0) {
        int e = errno;
        tdm__loop_destroy(l);
        return tdm__fail_os(err, e, "the event loop cannot be set up");
    }
    *out = l;
    return TDM_OK;
}

void tdm__loop_destroy(tdm__loop *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n_signals; i++)
        event_free(l->signals[i].event);
    if (l->wake_event)
        event_free(l->wake_event);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    if (l->base)
        event_base_free(l->base);
    pthread_mutex_destroy(&l->lock);
    tdm__free(l);
}

tdm_status tdm__loop_run(tdm__loop *l, tdm_error *err)
{
    if (event_base_dispatch(l->base) < 0)
        return tdm__fail_os(err, errno, "the event loop failed");
    return TDM_OK;
}

void tdm__loop_stop(tdm__loop *l) { event_base_loopbreak(l->base); }

static void signal_fired(evutil_socket_t number, short what, void *user)
{
    (void)what;
    loop_signal *s = user;
    s->fn(s->user, (int)number);
}

tdm_status tdm__loop_on_signal(tdm__loop *l, int signal_number, void (*fn)(void *user, int signal_number), void *user,
                               tdm_error *err)
{
    if (l->n_signals == TDM__LOOP_SIGNALS_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the loop watches at most %d signals", TDM__LOOP_SIGNALS_MAX);
    loop_signal *s = &l->signals[l->n_signals];
    *s = (loop_signal){.loop = l, .fn = fn, .user = user};
    s->event = evsignal_new(l->base, signal_number, signal_fired, s);
    if (!s->event || event_add(s->event, NULL) != 0) {
        if (s->event)
            event_free(s->event);
        TDM_FAIL(err, TDM_ERR_IO, "signal %d cannot be watched", signal_number);
    }
    l->n_signals++;
    return TDM_OK;
}

static void timer_fired(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    tdm__loop_timer *t = user;
    t->fn(t->user);
}

tdm_status tdm__loop_timer_create(tdm__loop *l, void (*fn)(void *user), void *user, tdm__loop_timer **out,
                                  tdm_error *err)
{
    tdm__loop_timer *t = tdm__calloc(1, sizeof *t);
    if (!t)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a timer");
    *t = (tdm__loop_timer){.fn = fn, .user = user};
    t->event = evtimer_new(l->base, timer_fired, t);
    if (!t->event) {
        tdm__free(t);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a timer");
    }
    *out = t;
    return TDM_OK;
}

void tdm__loop_timer_destroy(tdm__loop_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    tdm__free(t);
}

void tdm__loop_timer_set(tdm__loop_timer *t, int delay_ms)
{
    struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    evtimer_add(t->event, &tv);
}

void tdm__loop_timer_clear(tdm__loop_timer *t) { evtimer_del(t->event); }

void tdm__loop_post(tdm__loop *l, tdm__loop_note *n)
{
    pthread_mutex_lock(&l->lock);
    bool fresh = !n->queued;
    if (fresh) {
        n->queued = true;
        n->next = NULL;
        if (l->last)
            l->last->next = n;
        else
            l->first = n;
        l->last = n;
    }
    pthread_mutex_unlock(&l->lock);
    const uint64_t one = 1;
    if (fresh && write(l->wake_fd, &one, sizeof one) < 0) {
        /* the counter is full: the loop is awake anyway */
    }
}

void tdm__loop_unpost(tdm__loop *l, tdm__loop_note *n)
{
    pthread_mutex_lock(&l->lock);
    tdm__loop_note *before = NULL;
    for (tdm__loop_note *at = l->first; at; before = at, at = at->next) {
        if (at != n)
            continue;
        if (before)
            before->next = n->next;
        else
            l->first = n->next;
        if (l->last == n)
            l->last = before;
        n->next = NULL;
        n->queued = false;
        break;
    }
    pthread_mutex_unlock(&l->lock);
}

struct event_base *tdm__loop_base(tdm__loop *l) { return l->base; }
