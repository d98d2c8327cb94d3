/* service.c - the model that a process serves, from "not there yet" to the end, and the thread that prepares prompts.
 *
 * Requests are admitted only as long as the engine has slots and queue for all of them, so the engine never refuses
 * what was admitted. One thread prepares all prompts: that is milliseconds each, and keeps their order.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/thread.h"
#include "request/request_internal.h"

/* Decisions that say "off" and partners' answers while no model is loaded. */
enum { LIVE_WITHOUT_MODEL_MAX = 16 };

static tdm__request *take_waiting(tdm__service *s)
{
    pthread_mutex_lock(&s->mutex);
    while (!s->stop && !s->waiting_first)
        pthread_cond_wait(&s->work, &s->mutex);
    tdm__request *r = s->waiting_first;
    if (r) {
        s->waiting_first = r->next_waiting;
        if (!s->waiting_first)
            s->waiting_last = NULL;
        s->n_waiting--;
    }
    pthread_mutex_unlock(&s->mutex);
    return r;
}

static void *prepare_main(void *service)
{
    for (tdm__request *r; (r = take_waiting(service)) != NULL;)
        tdm__request_walk(r);
    return NULL;
}

tdm_status tdm__service_create(tdm__device *device, tdm__service **out, tdm_error *err)
{
    tdm__service *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a service");
    s->device = device;
    s->n_live_max = LIVE_WITHOUT_MODEL_MAX;
    tdm_status status = tdm__quota_create(&s->quota, err);
    if (status != TDM_OK) {
        tdm__free(s);
        return status;
    }
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->left, NULL);
    int rc = tdm__thread_start(&s->preparer, prepare_main, s);
    if (rc != 0) {
        pthread_cond_destroy(&s->left);
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->mutex);
        tdm__quota_destroy(s->quota);
        tdm__free(s);
        return tdm__fail_os(err, rc, "cannot start a thread to prepare prompts");
    }
    *out = s;
    return TDM_OK;
}

tdm__device *tdm__service_device(tdm__service *s) { return s->device; }

static void unload(tdm__service *s)
{
    tdm__engine_destroy(s->engine);
    tdm__template_destroy(s->template);
    if (!s->borrows_model) {
        tdm__tokenizer_destroy(s->tokenizer);
        tdm__model_close(s->model);
    }
    s->engine = NULL;
    s->template = NULL;
    s->tokenizer = NULL;
    s->model = NULL;
}

void tdm__service_destroy(tdm__service *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    for (tdm__request *r = s->live; r; r = r->live_next)
        tdm__request_cancel(r);
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->preparer, NULL); /* ends what waits */
    pthread_mutex_lock(&s->mutex);
    while (s->live) /* engine, partners and journal end what they have */
        pthread_cond_wait(&s->left, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    unload(s);
    pthread_cond_destroy(&s->left);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->mutex);
    tdm__quota_destroy(s->quota);
    tdm__free(s);
}

void tdm__service_set_quota(tdm__service *s, const tdm__quota *q) { tdm__quota_set(s->quota, q); }
void tdm__service_get_quota(tdm__service *s, tdm__quota *out) { tdm__quota_get(s->quota, out); }

void tdm__service_set_pack_dir(tdm__service *s, const char *dir)
{
    /* what is cut is still too long for packed_file.h, which tells so */
    snprintf(s->pack_dir, sizeof s->pack_dir, "%s", dir);
}

void tdm__service_set_prefix_dir(tdm__service *s, const char *dir)
{
    pthread_mutex_lock(&s->mutex);
    snprintf(s->prefix_dir, sizeof s->prefix_dir, "%s", strlen(dir) < sizeof s->prefix_dir ? dir : "");
    pthread_mutex_unlock(&s->mutex);
}

int tdm__service_quota_wait_s(tdm__service *s, const char *app)
{
    return tdm__quota_wait_s(s->quota, app, tdm__clock_unix_s());
}

void tdm__service_set_downloading(tdm__service *s, int percent)
{
    pthread_mutex_lock(&s->mutex);
    assert(s->state != TDM__SERVICE_READY);
    s->state = TDM__SERVICE_DOWNLOADING;
    s->percent = percent;
    pthread_mutex_unlock(&s->mutex);
}

void tdm__service_set_failed(tdm__service *s, const tdm_error *err)
{
    pthread_mutex_lock(&s->mutex);
    assert(s->state != TDM__SERVICE_READY);
    s->state = TDM__SERVICE_FAILED;
    s->error = *err;
    pthread_mutex_unlock(&s->mutex);
}

static tdm_status load_template(tdm__service *s, tdm_error *err)
{
    tdm__str source = {0};
    TDM_TRY(tdm__gguf_get_str(s->model->gguf, "tokenizer.chat_template", &source, err));
    if (source.len == 0)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: key tokenizer.chat_template is missing: this model cannot chat",
                 tdm__gguf_name(s->model->gguf));
    return tdm__template_create(source, &s->template, err);
}

/* What is needed beside model and tokenizer. */
static tdm_status open_rest(tdm__service *s, const tdm__engine_options *o, tdm_error *err)
{
    tdm__engine_options told = *o;
    told.prefix.log = tdm__device_log(s->device);
    tdm__service_set_prefix_dir(s, o->prefix.dir ? o->prefix.dir : "");
    TDM_TRY(load_template(s, err));
    return tdm__engine_create(s->model, s->tokenizer, &told, &s->engine, err);
}

static tdm_status open_all(tdm__service *s, const char *path, const tdm__engine_options *o, tdm_error *err)
{
    TDM_TRY(tdm__model_open(path, s->pack_dir, &s->model, err));
    if (s->model->packing.note[0])
        tdm__log_say(tdm__device_log(s->device), TDM__LOG_WARNING,
                     "the weights are packed in memory, for this process only: %s", s->model->packing.note);
    TDM_TRY(tdm__tokenizer_create(s->model->gguf, &s->tokenizer, err));
    return open_rest(s, o, err);
}

/* A case covers a model by its bytes, so under a record they are hashed once; alone (market ZZ) nobody asks. */
static void hash_model(tdm__service *s)
{
    const tdm__rules_set *rules = tdm__device_acquire(s->device);
    const bool has_record = rules->rules->has_record;
    tdm__device_release(s->device, rules);
    const tdm__packing *p = &s->model->packing;
    if (has_record && p->has_read_source) /* an earlier start's note is not enough here */
        tdm__hex_put(p->source, sizeof p->source, s->model_sha256);
    else if (has_record)
        tdm__sha256_hex(tdm__gguf_bytes(s->model->gguf), tdm__gguf_file_bytes(s->model->gguf), s->model_sha256);
}

static void begin_loading(tdm__service *s)
{
    pthread_mutex_lock(&s->mutex);
    assert(s->state != TDM__SERVICE_READY);
    s->state = TDM__SERVICE_LOADING;
    pthread_mutex_unlock(&s->mutex);
}

static tdm_status load_failed(tdm__service *s, const tdm_error *why, tdm_error *err)
{
    unload(s);
    tdm__service_set_failed(s, why);
    if (err)
        *err = *why;
    return why->code;
}

static void become_ready(tdm__service *s, const char *model_name, const tdm__engine_options *o)
{
    hash_model(s);
    snprintf(s->model_name, sizeof s->model_name, "%s", model_name);
    s->loaded_unix_s = tdm__clock_unix_s();
    tdm__engine_stats stats;
    tdm__engine_get_stats(s->engine, &stats);
    tdm__device_set_model(s->device, s->model_sha256, tdm__engine_n_ctx(s->engine));
    pthread_mutex_lock(&s->mutex);
    s->n_live_max = stats.n_slots + o->n_queue;
    s->n_foreground_only = (o->n_queue + 1) / 2;
    s->has_engine = true;
    s->state = TDM__SERVICE_READY;
    pthread_mutex_unlock(&s->mutex);
}

tdm_status tdm__service_load(tdm__service *s, const char *path, const char *model_name, const tdm__engine_options *o,
                             tdm_error *err)
{
    tdm_error why = {0};
    begin_loading(s);
    s->borrows_model = false;
    if (open_all(s, path, o, &why) != TDM_OK)
        return load_failed(s, &why, err);
    become_ready(s, model_name, o);
    return TDM_OK;
}

tdm_status tdm__service_load_opened(tdm__service *s, tdm__model *m, tdm__tokenizer *t, const char *model_name,
                                    const tdm__engine_options *o, tdm_error *err)
{
    tdm_error why = {0};
    begin_loading(s);
    s->borrows_model = true;
    s->model = m;
    s->tokenizer = t;
    if (open_rest(s, o, &why) != TDM_OK)
        return load_failed(s, &why, err);
    become_ready(s, model_name, o);
    return TDM_OK;
}

tdm_status tdm__service_erase_prefixes(tdm__service *s, tdm_error *err)
{
    char dir[sizeof s->prefix_dir];
    pthread_mutex_lock(&s->mutex);
    const bool has_engine = s->has_engine;
    memcpy(dir, s->prefix_dir, sizeof dir);
    pthread_mutex_unlock(&s->mutex);
    if (has_engine)
        tdm__engine_stop_storing(s->engine);
    return dir[0] != '\0' ? tdm__prefix_folder_erase(dir, err) : TDM_OK;
}

bool tdm__service_model_is_intact(tdm__service *s, tdm_error *err)
{
    if (tdm__gguf_is_intact(s->model->gguf))
        return true;
    tdm__fail(err, TDM_ERR_UPSTREAM, "%.200s has changed on disk since it was loaded: start again to use what is there",
              tdm__gguf_name(s->model->gguf));
    return false;
}

void tdm__service_check_model(tdm__service *s)
{
    if (s->state == TDM__SERVICE_READY && !tdm__service_model_is_intact(s, &s->error))
        s->state = TDM__SERVICE_FAILED;
}

void tdm__service_get_status(tdm__service *s, tdm__service_status *out)
{
    *out = (tdm__service_status){0};
    pthread_mutex_lock(&s->mutex);
    tdm__service_check_model(s);
    out->state = s->state;
    out->percent = s->percent;
    out->error = s->error;
    size_t n_waiting = s->n_waiting;
    pthread_mutex_unlock(&s->mutex);
    if (out->state != TDM__SERVICE_READY)
        return;
    memcpy(out->model_name, s->model_name, sizeof out->model_name);
    memcpy(out->model_sha256, s->model_sha256, sizeof out->model_sha256);
    out->n_ctx = tdm__engine_n_ctx(s->engine);
    out->loaded_unix_s = s->loaded_unix_s;
    tdm__engine_get_stats(s->engine, &out->stats);
    out->stats.n_queued += n_waiting;
}

tdm__str tdm__service_token_text(tdm__service *s, int32_t id)
{
    pthread_mutex_lock(&s->mutex);
    bool ready = s->state == TDM__SERVICE_READY;
    pthread_mutex_unlock(&s->mutex);
    return ready ? tdm__tokenizer_piece(s->tokenizer, id, false) : (tdm__str){"", 0};
}
