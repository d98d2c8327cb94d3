/* cmd_info.c - tandem info MODEL: what a model file says about itself, without loading it.
 *
 * Works for every GGUF that the reader accepts, also for one with a vocabulary only or of a family that the engine
 * does not know. The file's texts are shown with control characters replaced: a model's name must not drive a
 * terminal. The JSON form is described in docs/formats/info.md.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "model/family.h"
#include "model/gguf.h"

enum { INFO_TEXT_MAX = 240, INFO_KEY_MAX = 160 };

typedef struct info_text {
    bool present;
    char text[INFO_TEXT_MAX];
} info_text;

typedef struct info_count {
    bool present;
    uint64_t n;
} info_count;

typedef struct info_type {
    uint64_t n_tensors, n_bytes;
} info_type;

typedef struct info {
    info_text architecture, name, size_label, license, tokenizer, pre;
    info_count n_ctx, n_layers, n_embd, n_heads, n_kv_heads, n_ff, n_vocab;
    bool family_known;
    bool chat_template;
    uint64_t n_parameters, tensor_bytes;
    info_type types[TDM__TYPE_COUNT];
} info;

/* Bytes of the character that begins with c, 0 when none does. */
static size_t utf8_width(unsigned char c)
{
    if (c < 0x80)
        return 1;
    return c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
}

/* Printable ASCII as it is, well-formed UTF-8 beyond U+009F as it is, all else as '?'; cut to what fits. */
static void clean(tdm__str s, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len && n + 5 < cap;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t len = utf8_width(c);
        bool good = len > 0 && len <= s.len - i && (len > 1 || (c >= 0x20 && c != 0x7F));
        for (size_t k = 1; good && k < len; k++)
            good = ((unsigned char)s.ptr[i + k] & 0xC0) == 0x80;
        unsigned char second = good && len > 1 ? (unsigned char)s.ptr[i + 1] : 0x80;
        if ((c == 0xC2 && second < 0xA0) || (c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) ||
            (c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F))
            good = false; /* C1 controls, overlong forms, surrogates, beyond U+10FFFF */
        if (good) {
            memcpy(out + n, s.ptr + i, len);
            n += len;
            i += len;
        } else {
            out[n++] = '?';
            i++;
        }
    }
    out[n] = '\0';
}

/* Reads one text; a value of another type counts as absent: this command describes, the loader judges. */
static void get_text(const tdm__gguf *g, const char *key, info_text *out)
{
    tdm__str s;
    if (tdm__gguf_get_str(g, key, &s, NULL) != TDM_OK)
        return;
    out->present = true;
    clean(s, out->text, sizeof out->text);
}

static void get_count(const tdm__gguf *g, const info_text *architecture, const char *tail, info_count *out)
{
    char key[INFO_TEXT_MAX + INFO_KEY_MAX];
    snprintf(key, sizeof key, "%s.%s", architecture->text, tail);
    out->present = tdm__gguf_get_u64(g, key, &out->n, NULL) == TDM_OK && out->n <= INT64_MAX; /* JSON's integers */
}

static void collect(const tdm__gguf *g, info *o)
{
    *o = (info){0};
    tdm__str s;
    const tdm__gguf_kv *tokens;
    get_text(g, "general.architecture", &o->architecture);
    get_text(g, "general.name", &o->name);
    get_text(g, "general.size_label", &o->size_label);
    get_text(g, "general.license", &o->license);
    get_text(g, "tokenizer.ggml.model", &o->tokenizer);
    get_text(g, "tokenizer.ggml.pre", &o->pre);
    get_count(g, &o->architecture, "context_length", &o->n_ctx);
    get_count(g, &o->architecture, "block_count", &o->n_layers);
    get_count(g, &o->architecture, "embedding_length", &o->n_embd);
    get_count(g, &o->architecture, "attention.head_count", &o->n_heads);
    get_count(g, &o->architecture, "attention.head_count_kv", &o->n_kv_heads);
    get_count(g, &o->architecture, "feed_forward_length", &o->n_ff);
    if (tdm__gguf_get_array(g, "tokenizer.ggml.tokens", TDM__GGUF_STRING, &tokens, NULL) == TDM_OK)
        o->n_vocab = (info_count){true, tokens->v.array.len};
    o->family_known = tdm__family_find(tdm__str_from(o->architecture.text)) != NULL;
    o->chat_template = tdm__gguf_get_str(g, "tokenizer.chat_template", &s, NULL) == TDM_OK && s.len > 0;
    for (size_t i = 0; i < tdm__gguf_tensor_count(g); i++) {
        const tdm__gguf_tensor *t = tdm__gguf_tensor_at(g, i);
        o->types[t->type].n_tensors++;
        o->types[t->type].n_bytes += t->n_bytes;
        o->tensor_bytes += t->n_bytes; /* parts of one file without overlap: neither sum can wrap */
        o->n_parameters += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    }
}

/* 494032768 as "494.0 M". */
static const char *scaled(uint64_t n, char *out, size_t cap)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " K"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if ((double)n >= units[i].unit) {
            snprintf(out, cap, "%.2f%s", (double)n / units[i].unit, units[i].name);
            return out;
        }
    snprintf(out, cap, "%" PRIu64, n);
    return out;
}

static void print_text(const char *label, const info_text *t)
{
    if (t->present)
        printf("%-18s %s\n", label, t->text);
}

static void print_count(const char *label, const info_count *c)
{
    if (c->present)
        printf("%-18s %" PRIu64 "\n", label, c->n);
}

static void print_human(const tdm__gguf *g, const info *o)
{
    char a[32];
    printf("%-18s %s\n", "file", tdm__gguf_path(g));
    printf("%-18s %sB (GGUF version %" PRIu32 ")\n", "size", scaled(tdm__gguf_file_bytes(g), a, sizeof a),
           tdm__gguf_version(g));
    print_text("name", &o->name);
    print_text("license", &o->license);
    printf("%-18s %s%s\n", "architecture", o->architecture.present ? o->architecture.text : "not stated",
           o->family_known ? "" : " (this engine does not run it)");
    if (tdm__gguf_tensor_count(g) == 0)
        printf("%-18s none: a vocabulary only\n", "weights");
    else
        printf("%-18s %s\n", "parameters", scaled(o->n_parameters, a, sizeof a));
    print_count("context", &o->n_ctx);
    print_count("layers", &o->n_layers);
    print_count("width", &o->n_embd);
    print_count("heads", &o->n_heads);
    print_count("heads of K and V", &o->n_kv_heads);
    print_count("feed-forward", &o->n_ff);
    print_text("tokenizer", &o->tokenizer);
    print_text("pre-tokenizer", &o->pre);
    print_count("vocabulary", &o->n_vocab);
    printf("%-18s %s\n", "chat template", o->chat_template ? "yes" : "no");
    for (uint32_t t = 0; t < TDM__TYPE_COUNT; t++)
        if (o->types[t].n_tensors > 0)
            printf("%-18s %-5s %5" PRIu64 " tensors, %sB\n", "type", tdm__type_get(t)->name, o->types[t].n_tensors,
                   scaled(o->types[t].n_bytes, a, sizeof a));
}

/* A member of an object under construction; what is absent in the file is null. */
static int add_text(json_t *object, const char *key, const info_text *t)
{
    return json_object_set_new(object, key, t->present ? json_string(t->text) : json_null());
}

static int add_count(json_t *object, const char *key, const info_count *c)
{
    return json_object_set_new(object, key, c->present ? json_integer((json_int_t)c->n) : json_null());
}

static int add_number(json_t *object, const char *key, uint64_t n)
{
    return json_object_set_new(object, key, json_integer((json_int_t)n));
}

static json_t *json_types(const info *o)
{
    json_t *types = json_object();
    int failed = types ? 0 : -1;
    for (uint32_t t = 0; t < TDM__TYPE_COUNT && !failed; t++) {
        if (o->types[t].n_tensors == 0)
            continue;
        json_t *row = json_object();
        failed |= add_number(row, "tensors", o->types[t].n_tensors);
        failed |= add_number(row, "bytes", o->types[t].n_bytes);
        failed |= json_object_set_new(types, tdm__type_get(t)->name, row);
    }
    if (!failed)
        return types;
    json_decref(types);
    return NULL;
}

static json_t *json_tokenizer(const info *o)
{
    json_t *t = json_object();
    int failed = add_text(t, "model", &o->tokenizer);
    failed |= add_text(t, "pre", &o->pre);
    failed |= add_count(t, "vocabulary", &o->n_vocab);
    if (!failed)
        return t;
    json_decref(t);
    return NULL;
}

/* jansson refuses a NULL object or value, so one failure anywhere shows in the sum of the results. */
static int print_json(const tdm__gguf *g, const info *o)
{
    char file[4096];
    clean(tdm__str_from(tdm__gguf_path(g)), file, sizeof file);
    json_t *root = json_object();
    int failed = json_object_set_new(root, "file", json_string(file));
    failed |= add_number(root, "file_bytes", tdm__gguf_file_bytes(g));
    failed |= add_number(root, "gguf_version", tdm__gguf_version(g));
    failed |= add_text(root, "architecture", &o->architecture);
    failed |= json_object_set_new(root, "supported", json_boolean(o->family_known));
    failed |= add_text(root, "name", &o->name);
    failed |= add_text(root, "size_label", &o->size_label);
    failed |= add_text(root, "license", &o->license);
    failed |= add_number(root, "parameters", o->n_parameters);
    failed |= add_number(root, "tensors", tdm__gguf_tensor_count(g));
    failed |= add_number(root, "tensor_bytes", o->tensor_bytes);
    failed |= json_object_set_new(root, "tensor_types", json_types(o));
    failed |= add_count(root, "context_length", &o->n_ctx);
    failed |= add_count(root, "block_count", &o->n_layers);
    failed |= add_count(root, "embedding_length", &o->n_embd);
    failed |= add_count(root, "head_count", &o->n_heads);
    failed |= add_count(root, "head_count_kv", &o->n_kv_heads);
    failed |= add_count(root, "feed_forward_length", &o->n_ff);
    failed |= json_object_set_new(root, "tokenizer", json_tokenizer(o));
    failed |= json_object_set_new(root, "chat_template", json_boolean(o->chat_template));
    if (!failed)
        failed = json_dumpf(root, stdout, JSON_INDENT(2));
    if (!failed)
        printf("\n");
    json_decref(root);
    return failed;
}

int tdm__cmd_info(int argc, char **argv)
{
    static const tdm__option rows[] = {{0}};
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("info", "MODEL [--json]", rows, argc, argv, &common, args, 1, &n_args, &code))
        return code;
    if (n_args == 0)
        return tdm__command_usage("info", "MODEL is missing: a file, a catalogue name or the beginning of one");
    char path[4096];
    tdm_error err = {0};
    tdm__gguf *g = NULL;
    if (tdm__command_model_path(&common, args[0], path, sizeof path, &err) < 0 || tdm__gguf_open(path, &g, &err) < 0)
        return tdm__command_fail("info", &err);
    info o;
    collect(g, &o);
    if (!common.json)
        print_human(g, &o);
    else if (print_json(g, &o) != 0)
        code = tdm__command_fail("info", &(tdm_error){.code = TDM_ERR_NOMEM});
    tdm__gguf_close(g);
    return code;
}
