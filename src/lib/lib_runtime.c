/* lib_runtime.c - a device with its service, alive as long as anything that was made from it. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/thread_count.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "route/explain.h"

_Static_assert((int)TDM_LOG_NOTE == (int)TDM__LOG_NOTE, "the levels are handed over as they are");

void tdm_runtime_options_default(tdm_runtime_options *o, size_t struct_size)
{
    tdm__lib_options_default(o, struct_size);
}

void tdm_serve_options_default(tdm_serve_options *o, size_t struct_size) { tdm__lib_options_default(o, struct_size); }

/* ---- life ---- */

typedef struct log_of_caller {
    tdm_log_fn fn;
    void *user;
} log_of_caller;

/* The two function types differ in their enumeration, so one cannot be called as the other. */
static void pass_on(void *user, tdm__log_level level, const char *text)
{
    const log_of_caller *l = user;
    l->fn(l->user, (tdm_log_level)level, text);
}

/* In one block, so that the log outlives the device. */
typedef struct runtime_block {
    tdm_runtime runtime;
    log_of_caller log;
} runtime_block;

static void destroy(tdm_runtime *rt)
{
    tdm__service_destroy(rt->service);
    tdm__device_close(rt->device);
    tdm_model_unref(&rt->model);
    pthread_mutex_destroy(&rt->serving);
    tdm__free((runtime_block *)rt);
}

tdm_status tdm_runtime_create(const tdm_runtime_options *options, tdm_runtime **out, tdm_error *err)
{
    tdm_runtime_options o = {0};
    TDM_TRY(tdm__lib_check_null(options, "options", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&o, sizeof o, sizeof o, options, "tdm_runtime_options", err));
    if (!o.state_dir || o.state_dir[0] == '\0')
        TDM_FAIL(err, TDM_ERR_INVAL, "tdm_runtime_options.state_dir names no folder");
    runtime_block *b = tdm__calloc(1, sizeof *b);
    if (!b)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a runtime");
    tdm_runtime *rt = &b->runtime;
    atomic_init(&rt->n_references, 1);
    atomic_init(&rt->is_served, false);
    pthread_mutex_init(&rt->serving, NULL);
    b->log = (log_of_caller){o.log, o.log_user};
    rt->log = (tdm__log){o.log ? pass_on : NULL, &b->log};
    const char *record = o.device_record ? o.device_record : "";
    tdm_status s = tdm__device_open_logging(o.state_dir, record, &rt->log, &rt->device, err);
    if (s == TDM_OK)
        s = tdm__service_create(rt->device, &rt->service, err);
    if (s != TDM_OK) {
        destroy(rt);
        return s;
    }
    const tdm_error none = {TDM_ERR_UPSTREAM, "tdm_runtime_serve was not called yet"};
    tdm__service_set_failed(rt->service, &none);
    *out = rt;
    return TDM_OK;
}

tdm_runtime *tdm__lib_runtime_ref(tdm_runtime *rt)
{
    atomic_fetch_add_explicit(&rt->n_references, 1, memory_order_relaxed);
    return rt;
}

void tdm__lib_runtime_unref(tdm_runtime *rt)
{
    if (rt && atomic_fetch_sub_explicit(&rt->n_references, 1, memory_order_acq_rel) == 1)
        destroy(rt);
}

void tdm_runtime_destroy(tdm_runtime **rt)
{
    if (!rt)
        return;
    tdm__lib_runtime_unref(*rt);
    *rt = NULL;
}

/* ---- the model that answers ---- */

/* log: who hears that there are fewer threads than were asked for; NULL: nobody. */
static tdm_status engine_options(const tdm_serve_options *options, const tdm__log *log, tdm__engine_options *out,
                                 tdm_error *err)
{
    tdm_serve_options o = {0};
    const size_t first_size = offsetof(tdm_serve_options, prefix_dir);
    tdm__kv_type kv_type;
    TDM_TRY(tdm__lib_options_take(&o, sizeof o, first_size, options, "tdm_serve_options", err));
    TDM_TRY(tdm__lib_n_threads(o.n_threads, err));
    TDM_TRY(tdm__lib_cache_type(o.cache, &kv_type, err));
    if (o.n_parallel > TDM__SLOTS_MAX || o.n_queue > TDM__QUEUE_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "n_parallel is %zu and n_queue %zu, the limits are %d and %d", o.n_parallel,
                 o.n_queue, TDM__SLOTS_MAX, TDM__QUEUE_MAX);
    *out = (tdm__engine_options){.n_threads = tdm__thread_count((int)o.n_threads, !log, log),
                                 .isa_max = tdm__cpu_isa(),
                                 .n_ctx = o.n_context,
                                 .n_slots = o.n_parallel,
                                 .n_queue = o.n_queue,
                                 .kv_type = kv_type,
                                 .memory_bytes_max = o.memory_bytes_max,
                                 .prefix = {.dir = o.prefix_dir, .bytes_max = o.prefix_bytes_max}};
    return TDM_OK;
}

tdm_status tdm_serve_estimate(const tdm_model *m, const tdm_serve_options *o, uint64_t *bytes, tdm_error *err)
{
    tdm__engine_options eo;
    tdm__engine_memory need;
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    TDM_TRY(tdm__lib_check_null(bytes, "bytes", err));
    TDM_TRY(engine_options(o, NULL, &eo, err));
    TDM_TRY(tdm__engine_estimate(m->model, &eo, &need, err));
    *bytes = need.kv_bytes + need.scratch_bytes + need.job_bytes;
    return TDM_OK;
}

tdm_status tdm_runtime_serve(tdm_runtime *rt, tdm_model *m, const tdm_serve_options *o, tdm_error *err)
{
    tdm__engine_options eo;
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    TDM_TRY(engine_options(o, &rt->log, &eo, err));
        pthread_mutex_lock(&rt->serving);
    tdm_status s = rt->model ? tdm__fail(err, TDM_ERR_BUSY, "%s answers for this runtime already", rt->model->name)
                             : tdm__service_load_opened(rt->service, m->model, m->tokenizer, m->name, &eo, err);
    if (s == TDM_OK) {
        rt->model = tdm_model_ref(m);
        atomic_store_explicit(&rt->is_served, true, memory_order_release);
    }
    pthread_mutex_unlock(&rt->serving);
    return s;
}

/* ---- what the device says, and what its owner and maker say to it ---- */

/* A model that could not be served is still to come: serve may be called again. */
static tdm__backend_state own_state(tdm_runtime *rt)
{
    if (!atomic_load_explicit(&rt->is_served, memory_order_acquire))
        return TDM__BACKEND_LOADING;
    tdm__service_status status;
    tdm__service_get_status(rt->service, &status);
    return status.state == TDM__SERVICE_READY ? TDM__BACKEND_UP : TDM__BACKEND_DOWN;
}

/* Why no partner helps, where one could: the first that was refused. */
static const tdm__refusal *first_partner_refusal(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_refused; i++)
        if (d->refused[i].candidate->backend->partner)
            return &d->refused[i];
    return NULL;
}

static bool has_partner(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_plan; i++)
        if (d->plan[i].candidate->backend->partner)
            return true;
    return false;
}

static void describe(const tdm__decision *d, const char *language, tdm_availability *out)
{
    const bool is_on = has_partner(d);
    const tdm__refusal *refusal = d->n_plan > 0 && !is_on ? first_partner_refusal(d) : NULL;
    const tdm__reason reason = refusal ? refusal->reason : d->off;
    out->state = d->off == TDM__REASON_MODEL_NOT_HERE ? TDM_AVAILABILITY_COMING
                 : d->n_plan == 0                     ? TDM_AVAILABILITY_OFF
                 : is_on                              ? TDM_AVAILABILITY_ON
                                                      : TDM_AVAILABILITY_DEVICE_ONLY;
    snprintf(out->reason, sizeof out->reason, "%s", tdm__reason_name(reason));
    if (reason == TDM__REASON_NONE)
        return;
    tdm__buf text;
    tdm__buf_init(&text, sizeof out->text - 1);
    if (tdm__decision_sentence(d, refusal, language, &text) == TDM_OK)
        snprintf(out->text, sizeof out->text, "%s", tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
}

tdm_status tdm_runtime_availability(tdm_runtime *rt, const char *feature, const char *language, tdm_availability *out,
                                    tdm_error *err)
{
    tdm_availability a = {0};
    tdm__decision d;
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(feature, "feature", err));
    TDM_TRY(tdm__lib_language(language, &language, err));
    const tdm__ask ask = {.feature = feature, .own_state = own_state(rt)};
    const tdm__rules_set *rules = tdm__device_acquire(rt->device);
    tdm_status s = tdm__device_decide(rt->device, rules, &ask, &d, err);
    if (s == TDM_OK)
        describe(&d, language, &a);
    tdm__device_release(rt->device, rules);
    TDM_TRY(s);
    return tdm__lib_options_give(&a, sizeof a, sizeof a, out, "tdm_availability", err);
}

tdm_status tdm_runtime_put_policy(tdm_runtime *rt, const char *bundle, size_t len, tdm_error *err)
{
    tdm__trust_fault fault;
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(bundle, "bundle", err));
    return tdm__device_put_policy(rt->device, (tdm__str){bundle, len > 0 ? len : strlen(bundle)}, &fault, err);
}

tdm_status tdm_runtime_put_filing(tdm_runtime *rt, const char *case_json, size_t len, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(case_json, "case_json", err));
    return tdm__device_put_filing(rt->device, (tdm__str){case_json, len > 0 ? len : strlen(case_json)}, err);
}

tdm_status tdm_runtime_set_offline(tdm_runtime *rt, bool is_offline, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    return tdm__device_set_network(rt->device, is_offline, err);
}

tdm_status tdm_runtime_revoke_consent(tdm_runtime *rt, const char *partner, const char *feature, size_t *n,
                                      tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    return tdm__consent_revoke(tdm__device_usage(rt->device), partner, feature, n, err);
}
