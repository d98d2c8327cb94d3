/* fuzz_yaml.c - YAML over arbitrary bytes. What is accepted must be JSON, and every place in it must have a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "policy/yaml.h"

enum { DEPTH_MAX = 32, PLACES_MAX = 40 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

typedef struct walk {
    tdm__str yaml;
    size_t n_lines;
    size_t n_places; /* asked for so far: each reads the text again */
} walk;

/* Bounded by the reader's own depth. */
static void check_places(walk *w, const json_t *v, const char *path, unsigned depth)
{
    check(depth <= DEPTH_MAX);
    if (w->n_places++ >= PLACES_MAX)
        return;
    const size_t line = tdm__yaml_line_of(w->yaml, path);
    check(line >= 1 && line <= w->n_lines);
    char *below = malloc(strlen(path) + 256);
    check(below != NULL);
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(below, strlen(path) + 256, "%s[%zu]", path, i);
        check_places(w, json_array_get(v, i), below, depth + 1);
    }
    for (void *it = json_object_iter((json_t *)v); it; it = json_object_iter_next((json_t *)v, it)) {
        snprintf(below, strlen(path) + 256, "%s%s%s", path, path[0] ? "." : "", json_object_iter_key(it));
        check_places(w, json_object_iter_value(it), below, depth + 1);
    }
    free(below);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const tdm__str yaml = {(const char *)data, len};
    json_t *v = NULL;
    tdm_error err = {0};
    const tdm_status status = tdm__yaml_to_json(yaml, "fuzz.yaml", &v, &err);
    if (status < 0) {
        check(!v && err.code == status && strncmp(err.msg, "fuzz.yaml:", 10) == 0);
        return 0;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    check(text != NULL);
    json_t *back = json_loads(text, JSON_DECODE_ANY, NULL);
    check(back && json_equal(v, back));
    walk w = {.yaml = yaml, .n_lines = len + 1};
    check_places(&w, v, "", 0);
    json_decref(back);
    json_decref(v);
    free(text);
    return 0;
}
