/* api_metrics.h - what the daemon counts, and its text for Prometheus. Labels come from closed lists only: no path,
 * no header and no model name of a client ever becomes a label. Loop thread only. */
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

enum { TDM__TTFT_BUCKETS = 12 };

typedef struct tdm__api_metrics {
    uint64_t requests[TDM__N_ROUTES][6]; /* by status / 100 */
    uint64_t clients_gone;               /* left before their answer was whole */
    uint64_t clients_slow;               /* given up because they did not read */
    uint64_t ttft_buckets[TDM__TTFT_BUCKETS + 1]; /* the last one is +Inf */
    uint64_t ttft_count;
    double ttft_sum_s;
    size_t chats;      /* open now, from the request to the engine's last event */
    size_t arena_high; /* bytes, the largest of a request */
} tdm__api_metrics;

void tdm__metrics_count(tdm__api_metrics *m, tdm__route_name route, int status);
void tdm__metrics_first_token(tdm__api_metrics *m, double seconds);

/* Appends the text exposition (version 0.0.4). */
tdm_status tdm__metrics_put(tdm__buf *out, const tdm__api_metrics *m, const tdm__service_status *s,
                            size_t n_connections);

#endif
