/* prompt.c - template, then tokenizer, with the provenance of each byte handed from one to the other. */
#include "request/prompt.h"

#include <string.h>

#include "base/error.h"
#include "os/heap.h"

static tdm__str control_text(const tdm__tokenizer *t, int32_t id)
{
    return id == TDM__TOKEN_NONE ? (tdm__str){0} : tdm__tokenizer_piece(t, id, true);
}

static tdm_status render(const tdm__template *template, const tdm__tokenizer *t, json_t *messages, bool asks,
                         int64_t now_unix_s, tdm__rendered *out, tdm_error *err)
{
    json_t *values = json_object();
    if (!values || json_object_set(values, "messages", messages) != 0) {
        json_decref(values);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a request's values");
    }
    tdm__template_input input = {.values = values,
                                 .bos_token = control_text(t, tdm__tokenizer_bos(t)),
                                 .eos_token = control_text(t, tdm__tokenizer_eos(t)),
                                 .add_generation_prompt = asks,
                                 .now_unix_s = now_unix_s};
    tdm_status s = tdm__template_render(template, &input, out, err);
    json_decref(values);
    return s;
}

static tdm_status tokenize(const tdm__tokenizer *t, const tdm__rendered *r, int32_t **ids, size_t *n_ids,
                           tdm_error *err)
{
    size_t cap = tdm__tokenizer_ids_max(t, r->len), n;
    int32_t *made = cap < SIZE_MAX / sizeof *made - 1 ? tdm__malloc((cap + 1) * sizeof *made) : NULL;
    if (!made)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the tokens of a prompt of %zu bytes", r->len);
    tdm_status s = tdm__tokenizer_encode(t, (tdm__str){r->text, r->len}, r->trusted, made + 1, cap, &n, err);
    if (s != TDM_OK) {
        tdm__free(made);
        return s;
    }
    int32_t bos = tdm__tokenizer_bos(t);
    if (tdm__tokenizer_adds_bos(t) && bos != TDM__TOKEN_NONE && (n == 0 || made[1] != bos)) {
        made[0] = bos;
        n++;
    } else {
        memmove(made, made + 1, n * sizeof *made);
    }
    *ids = made;
    *n_ids = n;
    return TDM_OK;
}

static tdm_status make(const tdm__template *template, const tdm__tokenizer *t, json_t *messages, bool asks,
                       int64_t now_unix_s, int32_t **ids, size_t *n_ids, tdm_error *err)
{
    tdm__rendered rendered;
    TDM_TRY(render(template, t, messages, asks, now_unix_s, &rendered, err));
    tdm_status s = tokenize(t, &rendered, ids, n_ids, err);
    tdm__rendered_fini(&rendered);
    return s;
}

tdm_status tdm__prompt_make(const tdm__template *template, const tdm__tokenizer *t, json_t *messages,
                            int64_t now_unix_s, int32_t **ids, size_t *n_ids, tdm_error *err)
{
    return make(template, t, messages, true, now_unix_s, ids, n_ids, err);
}

size_t tdm__prompt_count_public(const tdm__template *template, const tdm__tokenizer *t, const json_t *messages,
                                size_t n_turns, int64_t now_unix_s, const int32_t *ids, size_t n_ids)
{
    int32_t *first = NULL;
    size_t n_first = 0, n = 0;
    json_t *turns = n_turns > 0 ? json_array() : NULL;
    if (!turns)
        return 0;
    for (size_t i = 0; i < n_turns && i < json_array_size(messages); i++)
        json_array_append(turns, json_array_get(messages, i));
    if (make(template, t, turns, false, now_unix_s, &first, &n_first, NULL) == TDM_OK)
        while (n < n_first && n < n_ids && first[n] == ids[n])
            n++;
    tdm__free(first);
    json_decref(turns);
    return n;
}
