/* lib_model.c - a file opened once, with a count of those who hold it. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "lib/lib_internal.h"
#include "os/heap.h"

void tdm_model_options_default(tdm_model_options *o, size_t struct_size) { tdm__lib_options_default(o, struct_size); }

/* The file's name without its folder and ending, unless the caller has a better one. */
static tdm_status set_name(tdm_model *m, const tdm_model_options *o, tdm_error *err)
{
    const char *slash = strrchr(o->path, '/');
    tdm__str name = tdm__str_from(slash ? slash + 1 : o->path);
    if (name.len > 5 && memcmp(name.ptr + name.len - 5, ".gguf", 5) == 0)
        name.len -= 5;
    if (o->name)
        TDM_TRY(tdm__lib_text(o->name, 0, "the name of the model", &name, err));
    if (name.len >= sizeof m->name)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the name of the model has %zu bytes, the limit is %zu", name.len,
                 sizeof m->name - 1);
    memcpy(m->name, name.ptr, name.len);
    return TDM_OK;
}

static void destroy(tdm_model *m)
{
    tdm__tokenizer_destroy(m->tokenizer);
    tdm__model_close(m->model);
    tdm__free(m);
}

static tdm_status open_all(tdm_model *m, const tdm_model_options *o, tdm_error *err)
{
    TDM_TRY(set_name(m, o, err));
    TDM_TRY(tdm__model_open(o->path, o->cache_dir, &m->model, err));
    return tdm__tokenizer_create(m->model->gguf, &m->tokenizer, err);
}

tdm_status tdm_model_open(const tdm_model_options *options, tdm_model **out, tdm_error *err)
{
    tdm_model_options o = {0};
    TDM_TRY(tdm__lib_check_null(options, "options", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&o, sizeof o, sizeof o, options, "tdm_model_options", err));
    if (!o.path || o.path[0] == '\0')
        TDM_FAIL(err, TDM_ERR_INVAL, "tdm_model_options.path names no file");
    tdm_model *m = tdm__calloc(1, sizeof *m);
    if (!m)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a model");
    atomic_init(&m->n_references, 1);
    tdm_status s = open_all(m, &o, err);
    if (s != TDM_OK) {
        destroy(m);
        return s;
    }
    *out = m;
    return TDM_OK;
}

tdm_model *tdm_model_ref(tdm_model *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->n_references, 1, memory_order_relaxed);
    return m;
}

void tdm_model_unref(tdm_model **model)
{
    if (!model || !*model)
        return;
    tdm_model *m = *model;
    *model = NULL;
    if (atomic_fetch_sub_explicit(&m->n_references, 1, memory_order_acq_rel) == 1)
        destroy(m);
}

tdm_status tdm_model_get_info(const tdm_model *m, tdm_model_info *out, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    const tdm__gguf *g = m->model->gguf;
    tdm__str template = {0};
    TDM_TRY(tdm__gguf_get_str(g, "tokenizer.chat_template", &template, err));
    tdm_model_info info = {.name = m->name,
                           .architecture = m->model->family->arch,
                           .file_bytes = tdm__gguf_file_bytes(g),
                           .n_context = m->model->hp.n_ctx_train,
                           .n_vocabulary = m->model->hp.n_vocab,
                           .n_layers = m->model->hp.n_layers,
                           .n_embedding = m->model->hp.n_embd,
                           .can_chat = template.len > 0};
    for (size_t i = 0; i < tdm__gguf_tensor_count(g); i++) {
        const tdm__gguf_tensor *t = tdm__gguf_tensor_at(g, i);
        info.n_parameters += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    }
    return tdm__lib_options_give(&info, sizeof info, sizeof info, out, "tdm_model_info", err);
}
