/* template.c - a template's life, and one rendering of it.
 *
 * A rendering has one arena for everything it makes; the output is copied out of it at the end. Only the values whose
 * names the template mentions are turned from JSON.
 */
#include "text/template.h"

#include <string.h>

#include "os/heap.h"
#include "text/template_eval.h"
#include "text/template_parse.h"

enum { TEMPLATE_ARENA_BYTES_MAX = 32 * 1024 * 1024, FIRST_OUTPUT_BYTES = 4096 };

/* Copies the source with its line ends as \n and without the last one, as jinja2 does. */
static tdm_status copy_source(tdm__template *t, tdm__str source, tdm_error *err)
{
    char *copy = tdm__arena_alloc(&t->arena, source.len + 1, 1);
    size_t n = 0;
    if (!copy)
        TDM_FAIL(err, TDM_ERR_NOMEM, "chat template: out of memory for its %zu bytes", source.len);
    for (size_t i = 0; i < source.len; i++) {
        char c = source.ptr[i];
        if (c == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n')
            continue;
        copy[n++] = c == '\r' ? '\n' : c;
    }
    if (n > 0 && copy[n - 1] == '\n')
        n--;
    t->source = (tdm__str){copy, n};
    return TDM_OK;
}

tdm_status tdm__template_create(tdm__str source, tdm__template **out, tdm_error *err)
{
    if (source.len > TDM__TEMPLATE_SOURCE_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "chat template: %zu bytes, at most %d", source.len,
                 TDM__TEMPLATE_SOURCE_BYTES_MAX);
    if (!tdm__jinja_utf8_valid(source.ptr, source.len))
        TDM_FAIL(err, TDM_ERR_FORMAT, "chat template: not UTF-8");
    tdm__template *t = tdm__calloc(1, sizeof *t);
    if (!t)
        TDM_FAIL(err, TDM_ERR_NOMEM, "chat template: out of memory");
    tdm__arena_init(&t->arena, "chat template", TEMPLATE_ARENA_BYTES_MAX);
    tdm_status s = copy_source(t, source, err);
    if (s == TDM_OK)
        s = tdm__parse_template(t, err);
    if (s != TDM_OK) {
        tdm__template_destroy(t);
        return s;
    }
    *out = t;
    return TDM_OK;
}

void tdm__template_destroy(tdm__template *t)
{
    if (!t)
        return;
    tdm__arena_reset(&t->arena);
    tdm__free(t);
}

static tdm_status set_value(tdm__jinja_run *run, tdm__jinja_frame *f, const char *name, tdm__jinja_value v)
{
    const tdm__jinja_name *known = tdm__template_name_find(run->template, tdm__str_from(name));
    return known ? tdm__jinja_frame_set(run, f, known, v) : TDM_OK;
}

static tdm_status set_token(tdm__jinja_run *run, tdm__jinja_frame *f, const char *name, tdm__str token)
{
    tdm__jinja_value v;
    if (!token.ptr)
        return TDM_OK;
    if (!tdm__jinja_utf8_valid(token.ptr, token.len))
        return tdm__jinja_fail(run, TDM_ERR_FORMAT, "the value of %s is not UTF-8", name);
    TDM_TRY(tdm__jinja_string_make(run, token.ptr, token.len, 1, &v));
    return set_value(run, f, name, v);
}

/* The variables of the outermost scope. What the caller sets by field is not overridden by a value of that name. */
static tdm_status set_values(tdm__jinja_run *run, tdm__jinja_frame *f)
{
    const tdm__template_input *in = run->input;
    TDM_TRY(set_value(run, f, "tools", tdm__jinja_none()));
    TDM_TRY(set_value(run, f, "documents", tdm__jinja_none()));
    for (void *it = json_object_iter(in->values); it; it = json_object_iter_next(in->values, it)) {
        tdm__jinja_value v;
        const char *name = json_object_iter_key(it);
        if (!tdm__template_name_find(run->template, tdm__str_from(name)))
            continue;
        TDM_TRY(tdm__jinja_from_json(run, json_object_iter_value(it), &v));
        TDM_TRY(set_value(run, f, name, v));
    }
    TDM_TRY(set_token(run, f, "bos_token", in->bos_token));
    TDM_TRY(set_token(run, f, "eos_token", in->eos_token));
    return set_value(run, f, "add_generation_prompt", tdm__jinja_bool(in->add_generation_prompt));
}

static tdm_status take_output(const tdm__jinja_run *run, tdm__rendered *out)
{
    const tdm__jinja_text *t = run->out;
    tdm__rendered r = {.text = tdm__malloc(t->len + 1), .trusted = tdm__malloc(t->len + 1), .len = t->len};
    if (!r.text || !r.trusted) {
        tdm__rendered_fini(&r);
        TDM_FAIL(run->err, TDM_ERR_NOMEM, "chat template: out of memory for an output of %zu bytes", t->len);
    }
    memcpy(r.text, t->bytes, t->len);
    memcpy(r.trusted, t->marks, t->len);
    r.text[t->len] = '\0';
    r.trusted[t->len] = 0;
    *out = r;
    return TDM_OK;
}

static tdm_status render(tdm__jinja_run *run, tdm__rendered *out)
{
    tdm__jinja_frame *globals, *f;
    TDM_TRY(tdm__jinja_text_new(run, FIRST_OUTPUT_BYTES, &run->out));
    TDM_TRY(tdm__jinja_frame_new(run, NULL, &globals));
    TDM_TRY(tdm__jinja_frame_new(run, globals, &f));
    TDM_TRY(set_values(run, globals));
    TDM_TRY(tdm__jinja_run_body(run, f, run->template->body));
    return take_output(run, out);
}

tdm_status tdm__template_render(const tdm__template *t, const tdm__template_input *in, tdm__rendered *out,
                                tdm_error *err)
{
    if (in->values && !json_is_object(in->values))
        TDM_FAIL(err, TDM_ERR_INVAL, "chat template: the values are no JSON object");
    tdm__arena arena;
    tdm__arena_init(&arena, "chat template rendering", TDM__TEMPLATE_MEMORY_BYTES_MAX);
    tdm__jinja_run run = {
        .template = t, .input = in, .arena = &arena, .err = err, .steps_left = TDM__TEMPLATE_STEPS_MAX, .line = 1};
    tdm_status s = render(&run, out);
    tdm__arena_reset(&arena);
    return s;
}

void tdm__rendered_fini(tdm__rendered *r)
{
    tdm__free(r->text);
    tdm__free(r->trusted);
    *r = (tdm__rendered){0};
}
