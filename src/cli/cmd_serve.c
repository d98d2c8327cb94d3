/* cmd_serve.c - tandem serve: the daemon, and the thread that brings its model.
 *
 * The address listens first; then a catalogue's model is fetched when it is not in the cache, and loaded. Progress is
 * in /healthz and, by sources, on stderr. Nothing goes to stdout. A name that no catalogue has is refused before
 * anything listens.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/daemon.h"
#include "base/error.h"
#include "cli/command.h"
#include "net/catalogue.h"
#include "net/weights.h"

enum { SLOTS_DEFAULT = 4, SLOTS_MAX = 256, QUEUE_DEFAULT = 64, QUEUE_MAX = 4096 };

static const char model_default[] = "qwen2.5-coder-0.5b";

typedef struct serve {
    tdm__common common;
    const char *model;
    const char *listen;
    size_t n_queue;
    tdm__catalogue *catalogue;
    const tdm__catalogue_entry *entry; /* NULL: the model is a path */
    char name[TDM__CATALOGUE_NAME_MAX + 1];
    tdm__service *service; /* while loading */
} serve;

/* ---- which model ---- */

/* The last part of a path without its ending: what clients call a model that no catalogue names. */
static void name_of_path(const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const size_t len = strlen(base);
    const size_t keep = len > 5 && strcmp(base + len - 5, ".gguf") == 0 ? len - 5 : len;
    snprintf(out, cap, "%.*s", (int)(keep < cap ? keep : cap - 1), base);
}

static tdm_status choose_model(serve *s, tdm_error *err)
{
    const size_t len = strlen(s->model);
    if (strchr(s->model, '/') || (len > 5 && strcmp(s->model + len - 5, ".gguf") == 0)) {
        FILE *f = fopen(s->model, "rb");
        if (!f)
            return tdm__fail_os(err, errno, "%.200s cannot be opened", s->model);
        fclose(f);
        name_of_path(s->model, s->name, sizeof s->name);
        return TDM_OK;
    }
    TDM_TRY(tdm__catalogue_open(NULL, &s->catalogue, err));
    TDM_TRY(tdm__catalogue_find(s->catalogue, s->model, &s->entry, err));
    snprintf(s->name, sizeof s->name, "%s", s->entry->name);
    return TDM_OK;
}

/* ---- bringing it ---- */

static void fetch_progress(void *user, const tdm__weights_progress *p)
{
    serve *s = user;
    if (p->bytes_total > 0 && p->state != TDM__WEIGHTS_VERIFYING)
        tdm__service_set_downloading(s->service, (int)(p->bytes_done * 100 / p->bytes_total));
    if (s->common.quiet)
        return;
    if (p->state == TDM__WEIGHTS_SOURCE && p->source)
        fprintf(stderr, "fetching %s, %" PRIu64 " MB, from %s\n", p->entry->name, p->entry->bytes / 1000000,
                p->source->title);
    else if (p->state == TDM__WEIGHTS_REJECTED && p->source)
        fprintf(stderr, "%s did not give it: %s\n", p->source->title, p->note ? p->note : "");
}

static tdm_status fetch(serve *s, const atomic_bool *stop, char *path, size_t path_cap, tdm_error *err)
{
    const tdm__weights_request r = {.entry = s->entry,
                                    .cache_dir = s->common.home.cache,
                                    .cancel = stop,
                                    .progress = fetch_progress,
                                    .user = s,
                                    .wait_for_other = true};
    return tdm__weights_fetch(&r, path, path_cap, err);
}

static tdm_status load(void *user, tdm__service *service, const atomic_bool *stop, tdm_error *err)
{
    serve *s = user;
    char path[TDM__WEIGHTS_PATH_MAX];
    s->service = service;
    if (s->entry)
        TDM_TRY(fetch(s, stop, path, sizeof path, err));
    const tdm__engine_options o = {.n_threads = (int)s->common.n_threads,
                                   .isa_max = s->common.isa_max,
                                   .n_ctx = s->common.n_ctx,
                                   .n_slots = s->common.n_parallel > 0 ? s->common.n_parallel : SLOTS_DEFAULT,
                                   .n_queue = s->n_queue};
    TDM_TRY(tdm__service_load(service, s->entry ? path : s->model, s->name, &o, err));
    if (!s->common.quiet)
        fprintf(stderr, "ready: %s\n", s->name);
    return TDM_OK;
}

int tdm__cmd_serve(int argc, char **argv)
{
    serve s = {.model = model_default, .n_queue = QUEUE_DEFAULT};
    tdm__daemon_options o = tdm__daemon_options_default();
    s.listen = o.listen;
    const tdm__option rows[] = {
        {"-m", "MODEL", "a GGUF file, or a catalogue's name or its beginning (default qwen2.5-coder-0.5b)",
         TDM__OPTION_TEXT, &s.model, 0, 0},
        {"--listen", "ADDR:PORT", "a loopback address (default 127.0.0.1:8420); port 0 takes a free one",
         TDM__OPTION_TEXT, &s.listen, 0, 0},
        {"--device", "FILE", "this device's record, installed once: where it was sold (none: self-hosted, market ZZ)",
         TDM__OPTION_TEXT, &o.record_path, 0, 0},
        {"--stage", "ORIGIN", "http://ADDRESS:PORT of the page that may frame this phone's (none)", TDM__OPTION_TEXT,
         &o.stage, 0, 0},
        {"--queue", "N", "requests that may wait for a slot (default 64)", TDM__OPTION_COUNT, &s.n_queue, 0, QUEUE_MAX},
        {0},
    };
    size_t n_args = 0;
    int code = 0;
    if (!tdm__options_parse("serve", "[-m MODEL] [--device FILE] [--listen ADDR:PORT] [--parallel N] [--queue N]", rows, argc, argv,
                            &s.common, NULL, 0, &n_args, &code))
        return code;
    tdm_error err = {0};
    if (s.common.n_parallel > SLOTS_MAX)
        return tdm__command_usage("serve", "--parallel is %zu; at most %d answers run at once", s.common.n_parallel,
                                  SLOTS_MAX);
    tdm_status status = choose_model(&s, &err);
    if (status == TDM_OK) {
        o.listen = s.listen;
        o.model_asked = s.name;
        o.state_dir = s.common.home.state;
        o.quiet = s.common.quiet;
        o.load = load;
        o.load_user = &s;
        status = tdm__daemon_run(&o, &err);
    }
    tdm__catalogue_close(s.catalogue);
    if (status == TDM_ERR_INVAL) /* of the address; what goes wrong in the model is told by /healthz */
        return tdm__command_usage("serve", "%s", err.msg);
    return status == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("serve", &err);
}
