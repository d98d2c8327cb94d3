/* api_metrics.c - counting, and the Prometheus text. */
#include "api/api_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "os/heap.h"
#include "os/process.h"

/* Upper bounds in seconds, each list ended by 0. */
static const double bounds_first_token[] = {0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60, 0};
static const double bounds_between_tokens[] = {0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075,
                                               0.1,   0.15,  0.25, 0.5,  1,    2.5,  0};
static const double bounds_queue[] = {0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 0};
static const double bounds_duration[] = {0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 0};

static const char *const route_names[TDM__N_ROUTES] = {"other", "chat",      "models", "healthz", "metrics",
                                                       "page",  "assistant", "verb",   "device"};

/* What is refused often, or is worth an alarm. */
static const char *const refusal_codes[] = {
    "queue_full", "app_quota_exceeded", "invalid_api_key", "owner_required", "foreign_host",
    "foreign_origin", "not_json", "bad_request", "request_timeout", "invalid_json",
    "unknown_field", "not_built", "not_found", "feature_off", "consent_needed",
    "content_filter", "rules_changed", "stopping", "model_loading", "model_failed",
    "no_memory", "internal_error", "context_length_exceeded"};

enum { N_REFUSAL_CODES = sizeof refusal_codes / sizeof *refusal_codes };
_Static_assert((int)N_REFUSAL_CODES < (int)TDM__REFUSALS_MAX, "one place is for the others");

const char *tdm__route_text(tdm__route_name r) { return route_names[r]; }

/* ---- counting ---- */

static void observe(tdm__histogram *h, const double *bounds, double value, uint64_t n)
{
    size_t i = 0;
    while (bounds[i] > 0 && value > bounds[i])
        i++;
    h->counts[i] += n;
    h->count += n;
    h->sum += value * (double)n;
}

void tdm__metrics_count(tdm__api_metrics *m, tdm__route_name route, int status, double seconds)
{
    m->requests[route][status >= 100 && status < 600 ? status / 100 : 0]++;
    observe(&m->durations[route], bounds_duration, seconds, 1);
}

void tdm__metrics_refused(tdm__api_metrics *m, const char *code)
{
    size_t i = 0;
    while (i < N_REFUSAL_CODES && (!code || strcmp(code, refusal_codes[i]) != 0))
        i++;
    m->refusals[i]++;
}

void tdm__metrics_first_token(tdm__api_metrics *m, tdm__route_name route, double seconds)
{
    observe(&m->first_token[route], bounds_first_token, seconds, 1);
}

void tdm__metrics_between_tokens(tdm__api_metrics *m, tdm__route_name route, double seconds, size_t n)
{
    if (n > 0)
        observe(&m->between_tokens[route], bounds_between_tokens, seconds / (double)n, n);
}

void tdm__metrics_queue(tdm__api_metrics *m, double seconds) { observe(&m->queue, bounds_queue, seconds, 1); }

void tdm__metrics_longest_gap(tdm__api_metrics *m, double seconds)
{
    observe(&m->longest_gap, bounds_between_tokens, seconds, 1);
}

/* ---- the text ---- */

static tdm_status put_head(tdm__buf *out, const char *name, const char *type, const char *help)
{
    return tdm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static tdm_status put_one(tdm__buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    TDM_TRY(put_head(out, name, type, help));
    return tdm__buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* labels: "" or "route=\"chat\"". */
static tdm_status put_histogram(tdm__buf *out, const char *name, const char *labels, const tdm__histogram *h,
                                const double *bounds)
{
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    uint64_t below = 0;
    for (size_t i = 0; bounds[i] > 0; i++) {
        below += h->counts[i];
        TDM_TRY(tdm__buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma, bounds[i], below));
    }
    return tdm__buf_printf(out,
                           "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n%s_sum%s%s%s %.6f\n%s_count%s%s%s %" PRIu64 "\n",
                           name, labels, comma, h->count, name, open, labels, close, h->sum, name, open, labels, close,
                           h->count);
}

/* Of the routes that write tokens, whether they have yet or not. */
static tdm_status put_by_route(tdm__buf *out, const char *name, const char *help,
                               const tdm__histogram of[TDM__N_ROUTES], const double *bounds)
{
    static const tdm__route_name routes[] = {TDM__ROUTE_CHAT, TDM__ROUTE_VERB};
    char label[48];
    TDM_TRY(put_head(out, name, "histogram", help));
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        snprintf(label, sizeof label, "route=\"%s\"", route_names[routes[i]]);
        TDM_TRY(put_histogram(out, name, label, &of[routes[i]], bounds));
    }
    return TDM_OK;
}

static tdm_status put_requests(tdm__buf *out, const tdm__api_metrics *m)
{
    static const char duration[] = "tandem_request_duration_seconds";
    char label[48];
    TDM_TRY(put_head(out, "tandem_requests_total", "counter", "HTTP requests answered."));
    for (size_t i = 0; i < TDM__N_ROUTES; i++)
        for (size_t c = 1; c < 6; c++)
            if (m->requests[i][c] > 0)
                TDM_TRY(tdm__buf_printf(out, "tandem_requests_total{route=\"%s\",class=\"%zuxx\"} %" PRIu64 "\n",
                                        route_names[i], c, m->requests[i][c]));
    TDM_TRY(put_head(out, "tandem_refusals_total", "counter", "Requests that were refused, by our code."));
    for (size_t i = 0; i <= N_REFUSAL_CODES; i++)
        TDM_TRY(tdm__buf_printf(out, "tandem_refusals_total{code=\"%s\"} %" PRIu64 "\n",
                                i < N_REFUSAL_CODES ? refusal_codes[i] : "other", m->refusals[i]));
    TDM_TRY(put_head(out, duration, "histogram", "From a request's head to the end of its answer."));
    for (size_t i = 0; i < TDM__N_ROUTES; i++) {
        snprintf(label, sizeof label, "route=\"%s\"", route_names[i]);
        if (m->durations[i].count > 0)
            TDM_TRY(put_histogram(out, duration, label, &m->durations[i], bounds_duration));
    }
    return TDM_OK;
}

static tdm_status put_tokens(tdm__buf *out, const tdm__api_metrics *m, const tdm__engine_stats *e)
{
    static const char first[] = "tandem_time_to_first_token_seconds", between[] = "tandem_inter_token_seconds",
                      gap[] = "tandem_longest_gap_seconds", queue[] = "tandem_queue_seconds";
    TDM_TRY(put_by_route(out, first, "From the whole request to the first text.", m->first_token, bounds_first_token));
    TDM_TRY(put_by_route(out, between, "Between the tokens of an answer.", m->between_tokens, bounds_between_tokens));
    TDM_TRY(put_head(out, gap, "histogram", "The longest time between two tokens of an answer."));
    TDM_TRY(put_histogram(out, gap, "", &m->longest_gap, bounds_between_tokens));
    TDM_TRY(put_head(out, queue, "histogram", "From the whole request to its slot in the engine."));
    TDM_TRY(put_histogram(out, queue, "", &m->queue, bounds_queue));
    TDM_TRY(put_one(out, "tandem_prompt_tokens_total", "counter", "Prompt tokens computed.", e->n_prompt_tokens));
    TDM_TRY(put_one(out, "tandem_prompt_tokens_reused_total", "counter", "Prompt tokens found in a cache.",
                    e->n_rows_reused));
    TDM_TRY(put_one(out, "tandem_generated_tokens_total", "counter", "Generated tokens.", e->n_generated_tokens));
    TDM_TRY(put_one(out, "tandem_draft_tokens_total", "counter", "Tokens that were drafted.", e->n_draft));
    TDM_TRY(put_one(out, "tandem_draft_tokens_accepted_total", "counter", "Drafted tokens that the model drew.",
                    e->n_draft_accepted));
    TDM_TRY(put_one(out, "tandem_prefix_bytes_restored_total", "counter", "Of prompts, restored from the prefix store.",
                    e->prefix.n_restored * e->prefix.page_bytes));
    TDM_TRY(put_one(out, "tandem_prefix_bytes_written_total", "counter", "Of prompts, written to the prefix store.",
                    e->prefix.n_written * e->prefix.page_bytes));
    TDM_TRY(put_one(out, "tandem_prefix_pages_dropped_total", "counter", "Stored pages that failed their check.",
                    e->prefix.n_dropped));
    return put_one(out, "tandem_evictions_total", "counter", "Answers that gave their slot to others for a while.",
                   e->n_evictions);
}

static tdm_status put_by_priority(tdm__buf *out, const char *name, const char *help,
                                  const size_t counts[TDM__N_PRIORITIES])
{
    static const char *const priorities[TDM__N_PRIORITIES] = {"foreground", "background"};
    TDM_TRY(put_head(out, name, "gauge", help));
    for (size_t i = 0; i < TDM__N_PRIORITIES; i++)
        TDM_TRY(tdm__buf_printf(out, "%s{priority=\"%s\"} %zu\n", name, priorities[i], counts[i]));
    return TDM_OK;
}

static tdm_status put_daemon(tdm__buf *out, const tdm__api_metrics *m, const tdm__api_gauges *g)
{
    const tdm__engine_stats *e = &g->service->stats;
    TDM_TRY(put_one(out, "tandem_ready", "gauge", "Whether a model is loaded.",
                    g->service->state == TDM__SERVICE_READY));
    TDM_TRY(put_one(out, "tandem_slots", "gauge", "Answers that may run at once.", e->n_slots));
    TDM_TRY(put_one(out, "tandem_running", "gauge", "Answers that run in the engine.", e->n_running));
    TDM_TRY(put_one(out, "tandem_queued", "gauge", "Requests that wait for a slot.", e->n_queued));
    TDM_TRY(put_by_priority(out, "tandem_engine_running", "Answers that run in the engine.", e->n_running_of));
    TDM_TRY(put_by_priority(out, "tandem_engine_queued", "Answers that wait in the engine.", e->n_queued_of));
    TDM_TRY(put_one(out, "tandem_chats", "gauge", "Answers that are open in the daemon.", m->chats));
    TDM_TRY(put_one(out, "tandem_connections", "gauge", "Open connections.", g->n_connections));
    TDM_TRY(put_one(out, "tandem_connections_turned_away_total", "counter",
                    "Connections closed unread: too many, or not from the proxy.", g->n_turned_away));
    TDM_TRY(put_one(out, "tandem_tls_handshakes_failed_total", "counter", "TLS handshakes that came to nothing.",
                    g->n_handshakes_failed));
    if (g->certificate_expires_unix_s != 0)
        TDM_TRY(put_one(out, "tandem_tls_certificate_expires_timestamp_seconds", "gauge",
                        "When the certificate in use expires.", (uint64_t)g->certificate_expires_unix_s));
    TDM_TRY(put_one(out, "tandem_clients_gone_total", "counter", "Clients that left early.", m->clients_gone));
    TDM_TRY(put_one(out, "tandem_clients_slow_total", "counter", "Clients given up on.", m->clients_slow));
    TDM_TRY(put_one(out, "tandem_reloads_total", "counter", "Reloads that took effect.", m->reloads));
    return put_one(out, "tandem_reloads_failed_total", "counter", "Reloads that changed nothing.", m->reloads_failed);
}

static tdm_status put_process(tdm__buf *out, const tdm__api_metrics *m)
{
    tdm__process p;
    tdm__process_look(&p);
    TDM_TRY(put_one(out, "tandem_request_arena_bytes_high", "gauge", "Largest arena of a request.", m->arena_high));
    TDM_TRY(put_one(out, "tandem_heap_blocks", "gauge", "Blocks of memory that are allocated.", tdm__heap_n_blocks()));
    TDM_TRY(put_one(out, "process_resident_memory_bytes", "gauge",
                    "Pages in memory, the mapped model's among them.", p.resident_bytes));
    TDM_TRY(put_one(out, "process_open_fds", "gauge", "Open file descriptors.", p.n_open_files));
    TDM_TRY(put_one(out, "process_max_fds", "gauge", "Most file descriptors.", p.n_open_files_max));
    TDM_TRY(put_head(out, "process_cpu_seconds_total", "counter", "CPU time of all threads."));
    TDM_TRY(tdm__buf_printf(out, "process_cpu_seconds_total %.3f\n", p.cpu_s));
    TDM_TRY(put_head(out, "process_start_time_seconds", "gauge", "When the process began."));
    TDM_TRY(tdm__buf_printf(out, "process_start_time_seconds %.2f\n", p.begin_unix_s));
    TDM_TRY(put_head(out, "tandem_build_info", "gauge", "The version of this build."));
    return tdm__buf_append_z(out, "tandem_build_info{version=\"" TANDEM_VERSION "\"} 1\n");
}

tdm_status tdm__metrics_put(tdm__buf *out, const tdm__api_metrics *m, const tdm__api_gauges *g)
{
    TDM_TRY(put_requests(out, m));
    TDM_TRY(put_tokens(out, m, &g->service->stats));
    TDM_TRY(put_daemon(out, m, g));
    TDM_TRY(put_one(out, "tandem_kv_bytes", "gauge", "Memory of the engine's caches.",
                    g->service->stats.memory.kv_bytes));
    TDM_TRY(put_one(out, "tandem_scratch_bytes", "gauge", "Memory of the engine beside its caches and jobs.",
                    g->service->stats.memory.scratch_bytes));
    return put_process(out, m);
}
