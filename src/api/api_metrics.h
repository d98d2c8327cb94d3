/* api_metrics.h - what the daemon counts, and its text for Prometheus. Labels come from closed lists only: no path, no
 * header, no application and no model name of a client ever becomes a label. Memory is fixed. Loop thread only. */
#ifndef TDM_API_API_METRICS_H
#define TDM_API_API_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "request/request.h"

typedef enum tdm__route_name {
    TDM__ROUTE_OTHER = 0, /* unknown paths, and bytes that were no request */
    TDM__ROUTE_CHAT,
    TDM__ROUTE_MODELS,
    TDM__ROUTE_HEALTH,
    TDM__ROUTE_METRICS,
    TDM__ROUTE_PAGE,
    TDM__ROUTE_ASSISTANT,
    TDM__ROUTE_VERB,
    TDM__ROUTE_DEVICE, /* features, rules, consents, receipts, the owner */
    TDM__N_ROUTES,
} tdm__route_name;

const char *tdm__route_text(tdm__route_name r);

enum { TDM__BUCKETS_MAX = 14, TDM__REFUSALS_MAX = 24 };

/* bounds: ascending, ended by 0; counts has one more, of what is beyond. */
typedef struct tdm__histogram {
    uint64_t counts[TDM__BUCKETS_MAX + 1];
    uint64_t count;
    double sum;
} tdm__histogram;

typedef struct tdm__api_metrics {
    uint64_t requests[TDM__N_ROUTES][6]; /* by status / 100 */
    tdm__histogram durations[TDM__N_ROUTES];
    tdm__histogram first_token[TDM__N_ROUTES], between_tokens[TDM__N_ROUTES]; /* of chats and verbs */
    tdm__histogram longest_gap, queue;
    uint64_t refusals[TDM__REFUSALS_MAX]; /* by the table of codes in api_metrics.c; the last: any other */
    uint64_t clients_gone;               /* left before their answer was whole */
    uint64_t clients_slow;               /* given up because they did not read */
    uint64_t reloads, reloads_failed;
    size_t chats;      /* open now, from the request to the engine's last event */
    size_t arena_high; /* bytes, the largest of a request */
} tdm__api_metrics;

/* An answer, or a refusal, has been given; its time from the head on. */
void tdm__metrics_count(tdm__api_metrics *m, tdm__route_name route, int status, double seconds);
void tdm__metrics_refused(tdm__api_metrics *m, const char *code); /* NULL: none of our codes */

void tdm__metrics_first_token(tdm__api_metrics *m, tdm__route_name route, double seconds);
/* n tokens took so long in all, counted from the one before them. */
void tdm__metrics_between_tokens(tdm__api_metrics *m, tdm__route_name route, double seconds, size_t n);
/* Of one answer, whose engine has measured both. */
void tdm__metrics_queue(tdm__api_metrics *m, double seconds);
void tdm__metrics_longest_gap(tdm__api_metrics *m, double seconds);

/* What is counted elsewhere. */
typedef struct tdm__api_gauges {
    const tdm__service_status *service;
    size_t n_connections;
    uint64_t n_turned_away, n_handshakes_failed;
    int64_t certificate_expires_unix_s; /* 0: no TLS */
} tdm__api_gauges;

/* Appends the text exposition (version 0.0.4). */
tdm_status tdm__metrics_put(tdm__buf *out, const tdm__api_metrics *m, const tdm__api_gauges *g);

#endif
