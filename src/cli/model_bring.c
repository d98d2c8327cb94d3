/* model_bring.c - path or catalogue's name; the fetch with its progress; the load. */
#include "cli/model_bring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "net/weights.h"

/* The last part of a path without its ending: what clients call a model that no catalogue names. */
static void name_of_path(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const size_t len = strlen(base);
    const size_t keep = len > 5 && strcmp(base + len - 5, ".gguf") == 0 ? len - 5 : len;
    snprintf(out, cap, "%.*s", (int)(keep < cap ? keep : cap - 1), base);
}

tdm_status tdm__bring_choose(tdm__bring *b, tdm_error *err)
{
    const size_t len = strlen(b->model);
    if (strchr(b->model, '/') || (len > 5 && strcmp(b->model + len - 5, ".gguf") == 0)) {
        FILE *f = fopen(b->model, "rb");
        if (!f)
            return tdm__fail_os(err, errno, "%.200s cannot be opened", b->model);
        fclose(f);
        name_of_path(b->model, b->name, sizeof b->name);
        return TDM_OK;
    }
    TDM_TRY(tdm__catalogue_open(NULL, &b->catalogue, err));
    TDM_TRY(tdm__catalogue_find(b->catalogue, b->model, &b->entry, err));
    snprintf(b->name, sizeof b->name, "%s", b->entry->name);
    return TDM_OK;
}

static void fetch_progress(void *user, const tdm__weights_progress *p)
{
    tdm__bring *b = user;
    if (p->bytes_total > 0 && p->state != TDM__WEIGHTS_VERIFYING)
        tdm__service_set_downloading(b->service, (int)(p->bytes_done * 100 / p->bytes_total));
    if (b->common->quiet)
        return;
    if (p->state == TDM__WEIGHTS_SOURCE && p->source)
        tdm__log_say(b->log, TDM__LOG_NOTE, "fetching %s, %" PRIu64 " MB, from %s", p->entry->name,
                     p->entry->bytes / 1000000, p->source->title);
    else if (p->state == TDM__WEIGHTS_REJECTED && p->source)
        tdm__log_say(b->log, TDM__LOG_NOTE, "%s did not give it: %s", p->source->title, p->note ? p->note : "");
}

static tdm_status fetch(tdm__bring *b, const atomic_bool *stop, char *path, size_t path_cap, tdm_error *err)
{
    const tdm__weights_request r = {.entry = b->entry,
                                    .cache_dir = b->common->home.cache,
                                    .cancel = stop,
                                    .progress = fetch_progress,
                                    .user = b,
                                    .wait_for_other = true};
    return tdm__weights_fetch(&r, path, path_cap, err);
}

void tdm__bring_fini(tdm__bring *b) { tdm__catalogue_close(b->catalogue); }

tdm_status tdm__bring_load(void *bring, tdm__service *service, const atomic_bool *stop, tdm_error *err)
{
    tdm__bring *b = bring;
    char path[TDM__WEIGHTS_PATH_MAX];
    b->service = service;
    if (b->entry)
        TDM_TRY(fetch(b, stop, path, sizeof path, err));
    const tdm__engine_options o = {.n_threads = (int)b->common->n_threads,
                                   .isa_max = b->common->isa_max,
                                   .n_ctx = b->common->n_ctx,
                                   .no_drafts = b->no_drafts,
                                   .kv_type = b->common->kv_type,
                                   .n_slots = b->common->n_parallel > 0 ? b->common->n_parallel : TDM__BRING_SLOTS,
                                   .n_queue = b->n_queue,
                                   .prefix = tdm__common_prefix(b->common)};
    tdm__service_set_pack_dir(service, b->common->home.packed);
    TDM_TRY(tdm__service_load(service, b->entry ? path : b->model, b->name, &o, err));
    if (!b->common->quiet)
        tdm__log_say(b->log, TDM__LOG_NOTE, "ready: %s", b->name);
    return TDM_OK;
}
