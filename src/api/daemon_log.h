/* daemon_log.h - what the daemon writes to stderr: one line an event, as text or as JSON, and never a user's words.
 *
 * What may be in a line is a closed list: time, level, event, and of a request its number, route, status, milliseconds,
 * application, decision, tokens, and one of our own codes. Bodies, paths, headers and names of models that a client
 * sends have no field. Lines of requests are bounded a second; what is left out is counted and said. A line is one
 * write, so that lines of two threads never mix. Any thread.
 */
#ifndef TDM_API_DAEMON_LOG_H
#define TDM_API_DAEMON_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

typedef struct tdm__daemon_log {
    pthread_mutex_t lock; /* all below */
    bool is_json, is_quiet; /* quiet: no line a request */
    size_t lines_a_second_max; /* of requests; 0: no bound */
    int64_t second;
    size_t n_lines;   /* of requests in that second */
    size_t n_dropped; /* since the last line that said so */
} tdm__daemon_log;

void tdm__daemon_log_init(tdm__daemon_log *l, bool is_quiet);
void tdm__daemon_log_fini(tdm__daemon_log *l);
void tdm__daemon_log_configure(tdm__daemon_log *l, bool is_json, size_t lines_a_second_max);

/* event is one word; the sentence is ours, or of an error: no text of a user. */
__attribute__((format(printf, 4, 5))) void tdm__daemon_log_event(tdm__daemon_log *l, tdm__log_level level,
                                                                 const char *event, const char *fmt, ...);

/* The same as a tdm__log, whose lines are all of one event. */
typedef struct tdm__daemon_log_part {
    tdm__daemon_log *log;
    const char *event;
} tdm__daemon_log_part;

tdm__log tdm__daemon_log_of(tdm__daemon_log_part *part); /* borrowed */

/* One request's end. Texts may be NULL or "". */
typedef struct tdm__log_request {
    uint64_t id; /* of the exchange */
    const char *route;
    int status;
    double ms;
    const char *app, *decision_id;
    bool has_tokens;
    size_t n_prompt, n_generated;
    const char *note; /* one of our own codes or words */
} tdm__log_request;

void tdm__daemon_log_request(tdm__daemon_log *l, const tdm__log_request *r);

#endif
