/* test_tokenizer_vectors.c - ids against the vendors' tokenizers, string by string.
 *
 * In the tree: two small trained vocabularies under each pre-tokenizer, always run; the real models' strings, run with
 * -Dmodels=DIR (tools/make_tokenizer_vectors.py makes both). With -Dvectors=DIR every NAME.gguf of the folder that has
 * NAME.gguf.inp and .out beside it, in llama.cpp's form: strings between separator lines, a line of ids each.
 */
#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "gguf_maker.h"
#include "os/file.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

enum { PATH_CAP = 1024, FILE_MAX = 256 << 20 };

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!j)
        fail_msg("%s: %s", path, error.text);
    return j;
}

/* Whether the text gives the ids, and for byte-level vocabularies itself again. */
static bool agrees(const tdm__tokenizer *t, tdm__str text, bool trusted, const json_t *want)
{
    tdm_error err = {0};
    size_t cap = tdm__tokenizer_ids_max(t, text.len), n = 0;
    int32_t *ids = malloc((cap + 1) * sizeof *ids);
    uint8_t *marks = malloc(text.len + 1);
    assert_non_null(ids);
    assert_non_null(marks);
    memset(marks, 1, text.len + 1);
    if (tdm__tokenizer_encode(t, text, trusted ? marks : NULL, ids, cap, &n, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    bool same = n == json_array_size(want);
    for (size_t i = 0; same && i < n; i++)
        same = json_integer_value(json_array_get(want, i)) == ids[i];
    free(marks);
    free(ids);
    return same;
}

/* Every vector of a file made by tools/make_tokenizer_vectors.py. */
static void run_vectors(const tdm__tokenizer *t, const char *path)
{
    json_t *file = load(path), *vectors = json_object_get(file, "vectors");
    size_t n = json_array_size(vectors), n_wrong = 0;
    assert_true(n > 100);
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_array_get(vectors, i), *text = json_array_get(v, 0), *plain = json_array_get(v, 1);
        json_t *special = json_is_array(json_array_get(v, 2)) ? json_array_get(v, 2) : plain;
        tdm__str s = {json_string_value(text), json_string_length(text)};
        if (!agrees(t, s, false, plain) || !agrees(t, s, true, special)) {
            char *shown = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
            print_error("vector %zu: %s\n", i, shown);
            free(shown);
            n_wrong++;
        }
    }
    json_decref(file);
    print_message("%s: %zu strings, %zu wrong\n", path, n, n_wrong);
    assert_int_equal(n_wrong, 0);
}

static void run_model(const char *model, const char *vectors)
{
    tdm_error err = {0};
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    if (tdm__gguf_open(model, &g, &err) != TDM_OK || tdm__tokenizer_create(g, &t, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    run_vectors(t, vectors);
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
}

static void maker_strings(tdm__maker *m, const char *key, const json_t *array)
{
    size_t n = json_array_size(array);
    const char **items = calloc(n, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < n; i++)
        items[i] = json_string_value(json_array_get(array, i));
    tdm__maker_array_str(m, key, items, n);
    free(items);
}

static void maker_numbers(tdm__maker *m, const char *key, const json_t *array, bool reals)
{
    size_t n = json_array_size(array);
    int32_t *ints = calloc(n, sizeof *ints);
    float *floats = calloc(n, sizeof *floats);
    assert_true(ints && floats);
    for (size_t i = 0; i < n; i++) {
        ints[i] = (int32_t)json_integer_value(json_array_get(array, i));
        floats[i] = (float)json_number_value(json_array_get(array, i));
    }
    if (reals)
        tdm__maker_array_f32(m, key, floats, n);
    else
        tdm__maker_array_i32(m, key, ints, n);
    free(ints);
    free(floats);
}

static void run_tiny(const char *name, const char *pre)
{
    char path[PATH_CAP];
    const char *folder = getenv("TANDEM_TEST_TOKENIZER");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/tiny-%s.json", folder, name);
    json_t *made = load(path);
    tdm__maker m;
    tdm__maker_init(&m);
    tdm__maker_str(&m, "tokenizer.ggml.model", json_string_value(json_object_get(made, "model")));
    tdm__maker_str(&m, "tokenizer.ggml.pre", pre);
    maker_strings(&m, "tokenizer.ggml.tokens", json_object_get(made, "tokens"));
    maker_numbers(&m, "tokenizer.ggml.token_type", json_object_get(made, "token_type"), false);
    if (json_object_get(made, "scores"))
        maker_numbers(&m, "tokenizer.ggml.scores", json_object_get(made, "scores"), true);
    if (json_object_get(made, "merges"))
        maker_strings(&m, "tokenizer.ggml.merges", json_object_get(made, "merges"));
    size_t len;
    unsigned char *bytes = tdm__maker_bytes(&m, &len);
    tdm__maker_fini(&m);
    json_decref(made);
    tdm_error err = {0};
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    if (tdm__gguf_parse(bytes, len, path, &g, &err) != TDM_OK || tdm__tokenizer_create(g, &t, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    snprintf(path, sizeof path, "%s/tiny-%s-%s.json", folder, name, pre);
    run_vectors(t, path);
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
    free(bytes);
}

static void every_pre_tokenizer_gives_the_vendors_ids(void **state)
{
    (void)state;
    static const char *const pres[] = {"qwen2", "llama-bpe", "smollm", "gpt-2", "deepseek-llm"};
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        run_tiny("bytes", pres[i]);
}

static void sentencepiece_gives_the_vendors_ids(void **state)
{
    (void)state;
    run_tiny("pieces", "default");
}

static void the_real_models_give_the_vendors_ids(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2.5-coder-0.5b-instruct-q4_k_m", "smollm2-135m-instruct-q4_1"};
    const char *models = getenv("TANDEM_TEST_MODELS"), *folder = getenv("TANDEM_TEST_TOKENIZER");
    if (!models || !models[0]) {
        print_message("skipped: no folder of models (-Dmodels=DIR)\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char model[PATH_CAP], vectors[PATH_CAP];
        snprintf(model, sizeof model, "%s/%s.gguf", models, names[i]);
        snprintf(vectors, sizeof vectors, "%s/%s.json", folder, names[i]);
        run_model(model, vectors);
    }
}

/* "1 2 3" to [1,2,3]; at is set behind the line. */
static json_t *read_line(const char **at)
{
    json_t *ids = json_array();
    const char *p = *at;
    while (*p && *p != '\n') {
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p)
            p++;
        else {
            json_array_append_new(ids, json_integer(id));
            p = end;
        }
    }
    *at = *p ? p + 1 : p;
    return ids;
}

static void run_lines(const char *model)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[PATH_CAP + 8];
    char *in, *out;
    size_t in_len, out_len, n = 0, n_wrong = 0;
    tdm_error err = {0};
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    if (tdm__gguf_open(model, &g, &err) != TDM_OK || tdm__tokenizer_create(g, &t, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    snprintf(path, sizeof path, "%s.inp", model);
    assert_int_equal(tdm__file_read(path, FILE_MAX, &in, &in_len), 0);
    snprintf(path, sizeof path, "%s.out", model);
    assert_int_equal(tdm__file_read(path, FILE_MAX, &out, &out_len), 0);
    const char *ids = out;
    for (const char *text = in, *end; text; text = end ? end + sizeof separator - 1 : NULL, n++) {
        end = strstr(text, separator);
        json_t *want = read_line(&ids);
        if (!agrees(t, (tdm__str){text, end ? (size_t)(end - text) : strlen(text)}, false, want)) {
            print_error("string %zu differs\n", n);
            n_wrong++;
        }
        json_decref(want);
    }
    print_message("%s: %zu strings, %zu wrong\n", model, n, n_wrong);
    assert_int_equal(n_wrong, 0);
    free(in);
    free(out);
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
}

static void the_given_vectors_agree(void **state)
{
    (void)state;
    const char *folder = getenv("TANDEM_TEST_VECTORS");
    if (!folder || !folder[0]) {
        print_message("skipped: no folder of vectors (-Dvectors=DIR)\n");
        skip();
    }
    DIR *d = opendir(folder);
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char path[PATH_CAP], beside[PATH_CAP + 8];
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 5, ".gguf") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        snprintf(beside, sizeof beside, "%s.inp", path);
        FILE *f = fopen(beside, "rb");
        if (!f)
            continue;
        fclose(f);
        run_lines(path);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pre_tokenizer_gives_the_vendors_ids),
        cmocka_unit_test(sentencepiece_gives_the_vendors_ids),
        cmocka_unit_test(the_real_models_give_the_vendors_ids),
        cmocka_unit_test(the_given_vectors_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
