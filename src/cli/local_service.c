/* local_service.c - the steps from a model's name and a home to a service that is ready, in their order. */
#include "cli/local_service.h"

#include <stdio.h>

#include "base/error.h"
#include "cli/model_bring.h"

/* What the model is called to people: never a path. */
static tdm_status name_model(const tdm__common *common, const char *model, char *name, size_t cap, tdm_error *err)
{
    tdm__bring b = {.common = common, .model = model};
    tdm_status s = tdm__bring_choose(&b, err);
    snprintf(name, cap, "%s", b.name);
    tdm__bring_fini(&b);
    return s;
}

tdm_status tdm__local_service_open(const tdm__common *common, const char *model, const char *record, size_t n_slots,
                                   tdm__local_service *out, tdm_error *err)
{
    char path[1024], name[TDM__CATALOGUE_NAME_MAX + 1];
    *out = (tdm__local_service){0};
    TDM_TRY(tdm__command_model_path(common, model, path, sizeof path, err));
    TDM_TRY(name_model(common, model, name, sizeof name, err));
    if (!common->quiet && !common->json)
        fprintf(stderr, "loading %s\n", model);
    const tdm__engine_options o = {.n_threads = (int)common->n_threads,
                                   .isa_max = common->isa_max,
                                   .n_ctx = common->n_ctx,
                                   .kv_type = common->kv_type,
                                   .n_slots = common->n_parallel > 0 ? common->n_parallel : n_slots,
                                   .n_queue = TDM__CANDIDATES_MAX, /* an answer's candidates may wait for a slot */
                                   .prefix = tdm__common_prefix(common)};
    TDM_TRY(tdm__device_open(common->home.state, record, &out->device, err));
    TDM_TRY(tdm__service_create(out->device, &out->service, err));
    tdm__service_set_pack_dir(out->service, common->home.packed);
    return tdm__service_load(out->service, path, name, &o, err);
}

void tdm__local_service_close(tdm__local_service *l)
{
    tdm__service_destroy(l->service);
    tdm__device_close(l->device);
    *l = (tdm__local_service){0};
}
