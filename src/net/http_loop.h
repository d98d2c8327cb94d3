/* http_loop.h - the event loop of the daemon: timers, signals, and the way for other threads to wake it.
 *
 * A thin cover over libevent, so that the layers above need not know it. One thread runs the loop and owns everything
 * that hangs on it; the one function that other threads may call is tdm__loop_post. A post never blocks and never
 * allocates: the note is part of the poster's own object and is queued at most once, so a thousand events of one
 * request are one wake-up.
 */
#ifndef TDM_NET_HTTP_LOOP_H
#define TDM_NET_HTTP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "tandem/status.h"

typedef struct tdm__loop tdm__loop;

tdm_status tdm__loop_create(tdm__loop **out, tdm_error *err);

/* After everything that hangs on the loop is gone. NULL-safe. */
void tdm__loop_destroy(tdm__loop *l);

/* Runs until tdm__loop_stop. ERR_IO when the kernel's polling fails. */
tdm_status tdm__loop_run(tdm__loop *l, tdm_error *err);

/* Loop thread: run returns after the callback that is going on. */
void tdm__loop_stop(tdm__loop *l);

/* fn is called on the loop thread with the signal's number. At most TDM__LOOP_SIGNALS_MAX signals. */
enum { TDM__LOOP_SIGNALS_MAX = 4 };
tdm_status tdm__loop_on_signal(tdm__loop *l, int signal_number, void (*fn)(void *user, int signal_number), void *user,
                               tdm_error *err);

/* A timer that fires once after each set. Loop thread only. */
typedef struct tdm__loop_timer tdm__loop_timer;

tdm_status tdm__loop_timer_create(tdm__loop *l, void (*fn)(void *user), void *user, tdm__loop_timer **out,
                                  tdm_error *err);
void tdm__loop_timer_destroy(tdm__loop_timer *t); /* NULL-safe; not called after this */
void tdm__loop_timer_set(tdm__loop_timer *t, int delay_ms); /* replaces an earlier set */
void tdm__loop_timer_clear(tdm__loop_timer *t);

/* A note from another thread, embedded in the poster's object; zeroed memory is a note that is not queued. */
typedef struct tdm__loop_note {
    struct tdm__loop_note *next;
    bool queued;
    void (*fn)(void *user);
    void *user;
} tdm__loop_note;

/* Any thread: fn(user) will be called on the loop thread; a note that is queued already is not queued twice. The note
 * stays valid until fn was called, and this function does not touch it once fn may run. */
void tdm__loop_post(tdm__loop *l, tdm__loop_note *n);

/* Loop thread: takes a queued note back, so that its memory may go. */
void tdm__loop_unpost(tdm__loop *l, tdm__loop_note *n);

/* For http_server.c. */
struct event_base;
struct event_base *tdm__loop_base(tdm__loop *l);

#endif
