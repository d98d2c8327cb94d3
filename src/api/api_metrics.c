/* api_metrics.c - counting, and the Prometheus text. */
#include "api/api_metrics.h"

#include <inttypes.h>

#include "base/error.h"

/* Upper bounds of the time to the first token, seconds. */
static const double ttft_bounds[TDM__TTFT_BUCKETS] = {0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60};

static const char *const route_labels[TDM__N_ROUTES] = {"other",   "chat", "models",    "healthz",
                                                     "metrics", "page", "assistant", "verb", "device"};

void tdm__metrics_count(tdm__api_metrics *m, tdm__route_name route, int status)
{
    m->requests[route][status >= 100 && status < 600 ? status / 100 : 0]++;
}

void tdm__metrics_first_token(tdm__api_metrics *m, double seconds)
{
    size_t i = 0;
    while (i < TDM__TTFT_BUCKETS && seconds > ttft_bounds[i])
        i++;
    m->ttft_buckets[i]++;
    m->ttft_count++;
    m->ttft_sum_s += seconds;
}

static tdm_status put_one(tdm__buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    return tdm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

static tdm_status put_requests(tdm__buf *out, const tdm__api_metrics *m)
{
    TDM_TRY(tdm__buf_append_z(out, "# HELP tandem_requests_total HTTP requests answered.\n"
                                   "# TYPE tandem_requests_total counter\n"));
    for (size_t i = 0; i < TDM__N_ROUTES; i++)
        for (size_t c = 1; c < 6; c++)
            if (m->requests[i][c] > 0)
                TDM_TRY(tdm__buf_printf(out, "tandem_requests_total{route=\"%s\",class=\"%zuxx\"} %" PRIu64 "\n",
                                        route_labels[i], c, m->requests[i][c]));
    return TDM_OK;
}

static tdm_status put_ttft(tdm__buf *out, const tdm__api_metrics *m)
{
    static const char name[] = "tandem_time_to_first_token_seconds";
    uint64_t below = 0;
    TDM_TRY(tdm__buf_printf(out, "# HELP %s From the whole request to the first text.\n# TYPE %s histogram\n", name,
                            name));
    for (size_t i = 0; i < TDM__TTFT_BUCKETS; i++) {
        below += m->ttft_buckets[i];
        TDM_TRY(tdm__buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, ttft_bounds[i], below));
    }
    return tdm__buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
                           m->ttft_count, name, m->ttft_sum_s, name, m->ttft_count);
}

tdm_status tdm__metrics_put(tdm__buf *out, const tdm__api_metrics *m, const tdm__service_status *s,
                            size_t n_connections)
{
    const tdm__engine_stats *e = &s->stats;
    TDM_TRY(put_requests(out, m));
    TDM_TRY(put_one(out, "tandem_ready", "gauge", "Whether a model is loaded.", s->state == TDM__SERVICE_READY));
    TDM_TRY(put_one(out, "tandem_slots", "gauge", "Answers that may run at once.", e->n_slots));
    TDM_TRY(put_one(out, "tandem_running", "gauge", "Answers that run in the engine.", e->n_running));
    TDM_TRY(put_one(out, "tandem_queued", "gauge", "Requests that wait for a slot.", e->n_queued));
    TDM_TRY(put_one(out, "tandem_chats", "gauge", "Chat requests that are open in the daemon.", m->chats));
    TDM_TRY(put_one(out, "tandem_connections", "gauge", "Open connections.", n_connections));
    TDM_TRY(put_one(out, "tandem_prompt_tokens_total", "counter", "Prompt tokens.", e->n_prompt_tokens));
    TDM_TRY(put_one(out, "tandem_generated_tokens_total", "counter", "Generated tokens.", e->n_generated_tokens));
    TDM_TRY(put_one(out, "tandem_clients_gone_total", "counter", "Clients that left early.", m->clients_gone));
    TDM_TRY(put_one(out, "tandem_clients_slow_total", "counter", "Clients given up on.", m->clients_slow));
    TDM_TRY(put_one(out, "tandem_request_arena_bytes_high", "gauge", "Largest arena of a request.", m->arena_high));
    return put_ttft(out, m);
}
