/* template_lines.c - renders chat templates given as lines of JSON, for comparing with other renderers.
 *
 * Each line of standard input is an object: template, values, and optionally bos, eos, add_generation_prompt, now.
 * Each line of output: {"status": NAME, "text": TEXT} or {"status": NAME, "error": SENTENCE}, and with --trust also
 * "trusted": a string of 0 and 1, one for each byte of the text.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template.h"

static tdm__str member(json_t *line, const char *name)
{
    json_t *v = json_object_get(line, name);
    return (tdm__str){json_string_value(v), json_string_length(v)};
}

static tdm_status render(json_t *line, tdm__rendered *out, tdm_error *err)
{
    tdm__template *t;
    tdm__template_input in = {.values = json_object_get(line, "values"),
                              .bos_token = member(line, "bos"),
                              .eos_token = member(line, "eos"),
                              .add_generation_prompt = json_is_true(json_object_get(line, "add_generation_prompt")),
                              .now_unix_s = json_integer_value(json_object_get(line, "now"))};
    tdm_status s = tdm__template_create(member(line, "template"), &t, err);
    if (s != TDM_OK)
        return s;
    s = tdm__template_render(t, &in, out, err);
    tdm__template_destroy(t);
    return s;
}

static json_t *answer(json_t *line, bool with_trust)
{
    tdm__rendered r = {0};
    tdm_error err = {0};
    tdm_status s = render(line, &r, &err);
    json_t *out = json_object();
    json_object_set_new(out, "status", json_string(tdm_status_name(s)));
    if (s != TDM_OK) {
        json_object_set_new(out, "error", json_string(err.msg));
        return out;
    }
    json_object_set_new(out, "text", json_stringn(r.text, r.len));
    for (size_t i = 0; i < r.len; i++)
        r.trusted[i] = (uint8_t)('0' + r.trusted[i]);
    if (with_trust)
        json_object_set_new(out, "trusted", json_stringn((const char *)r.trusted, r.len));
    tdm__rendered_fini(&r);
    return out;
}

int main(int argc, char **argv)
{
    bool with_trust = argc > 1 && strcmp(argv[1], "--trust") == 0;
    char *text = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&text, &cap, stdin)) > 0;) {
        json_error_t bad;
        json_t *line = json_loadb(text, (size_t)n, JSON_ALLOW_NUL, &bad);
        if (!line) {
            fprintf(stderr, "template_lines: %s\n", bad.text);
            free(text);
            return 1;
        }
        json_t *out = answer(line, with_trust);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
        json_decref(line);
    }
    free(text);
    return 0;
}
