/* tiny_model.c - see tiny_model.h. Weights come from a fixed pseudo-random sequence, so a model is a constant. */
#include "tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_maker.h"

enum { EMBD = 64, HEADS = 4, KV_HEADS = 2, HEAD_DIM = EMBD / HEADS, FF = 96, LAYERS = 3, WEIGHTS_MAX = 64 * 1024 };

static const char short_template[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static float next_random(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (float)(*x >> 40) / 8388608.0f - 1;
}

/* n_rows x n_cols in Q8_0: an f16 scale (0.0059 = 0x1e0b), 32 signed bytes. */
static void add_q8_0(tdm__maker *m, const char *name, uint64_t n_cols, uint64_t n_rows, uint64_t *x)
{
    static uint8_t block[WEIGHTS_MAX];
    size_t n = 0;
    for (uint64_t i = 0; i < n_cols * n_rows / 32; i++) {
        block[n++] = 0x0b;
        block[n++] = 0x1e;
        for (int k = 0; k < 32; k++)
            block[n++] = (uint8_t)(int8_t)(next_random(x) * 100);
    }
    tdm__maker_tensor_add(m, name, TDM__TYPE_Q8_0, 2, (uint64_t[]){n_cols, n_rows}, block, n);
}

static void add_f32(tdm__maker *m, const char *name, uint64_t n_cols, uint64_t n_rows, float base, float spread,
                    uint64_t *x)
{
    static float values[WEIGHTS_MAX / 2];
    for (uint64_t i = 0; i < n_cols * n_rows; i++)
        values[i] = base + next_random(x) * spread;
    tdm__maker_tensor_add(m, name, TDM__TYPE_F32, n_rows > 1 ? 2 : 1, (uint64_t[]){n_cols, n_rows}, values,
                          (size_t)(n_cols * n_rows) * sizeof(float));
}

static void add_layer(tdm__maker *m, int layer, bool bias, uint64_t *x)
{
    char name[64];
#define NAME(part) (snprintf(name, sizeof name, "blk.%d." part, layer), name)
    add_f32(m, NAME("attn_norm.weight"), EMBD, 1, 1, 0.3f, x);
    add_q8_0(m, NAME("attn_q.weight"), EMBD, EMBD, x);
    add_q8_0(m, NAME("attn_k.weight"), EMBD, KV_HEADS * HEAD_DIM, x);
    add_f32(m, NAME("attn_v.weight"), EMBD, KV_HEADS * HEAD_DIM, 0, 0.4f, x);
    add_q8_0(m, NAME("attn_output.weight"), EMBD, EMBD, x);
    if (bias) {
        add_f32(m, NAME("attn_q.bias"), EMBD, 1, 0, 0.5f, x);
        add_f32(m, NAME("attn_k.bias"), KV_HEADS * HEAD_DIM, 1, 0, 0.5f, x);
        add_f32(m, NAME("attn_v.bias"), KV_HEADS * HEAD_DIM, 1, 0, 0.5f, x);
    }
    add_f32(m, NAME("ffn_norm.weight"), EMBD, 1, 1, 0.3f, x);
    add_q8_0(m, NAME("ffn_gate.weight"), EMBD, FF, x);
    add_q8_0(m, NAME("ffn_up.weight"), EMBD, FF, x);
    add_q8_0(m, NAME("ffn_down.weight"), FF, EMBD, x);
#undef NAME
}

/* GPT-2's characters for bytes: printable ones stand for themselves, the others for U+0100 and on. */
static unsigned character_of(unsigned byte)
{
    unsigned n_before = 0;
    for (unsigned b = 0; b <= byte; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte)
            return printable ? b : 256 + n_before;
        n_before += !printable;
    }
    return 0;
}

int32_t tdm__tiny_byte_id(unsigned char byte) { return (int32_t)byte; }

static void add_vocabulary(tdm__maker *m, int32_t eos, bool adds_bos)
{
    static const char *const names[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    static char tokens[TDM__TINY_VOCAB][16], merges[TDM__TINY_VOCAB][16];
    const char *items[TDM__TINY_VOCAB], *merge_items[TDM__TINY_VOCAB];
    int32_t types[TDM__TINY_VOCAB];
    size_t n_merges = 0;
    for (unsigned i = 0; i < TDM__TINY_VOCAB; i++) {
        types[i] = i >= TDM__TINY_END_OF_TEXT && i <= TDM__TINY_IM_END ? 3 : 1; /* control, normal */
        unsigned c = i < TDM__TINY_BYTES ? character_of(i) : 0;
        if (i < TDM__TINY_BYTES && c < 0x80) {
            snprintf(tokens[i], sizeof tokens[i], "%c", (char)c);
        } else if (i < TDM__TINY_BYTES) {
            snprintf(tokens[i], sizeof tokens[i], "%c%c", (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)));
        } else if (i <= TDM__TINY_IM_END) {
            snprintf(tokens[i], sizeof tokens[i], "%s", names[i - TDM__TINY_BYTES]);
        } else { /* words of two letters: aa, ab, .. */
            char a = (char)('a' + (i - 259) / 6), b = (char)('a' + (i - 259) % 6);
            snprintf(tokens[i], sizeof tokens[i], "%c%c", a, b);
            snprintf(merges[n_merges], sizeof merges[0], "%c %c", a, b);
            merge_items[n_merges] = merges[n_merges];
            n_merges++;
        }
        items[i] = tokens[i];
    }
    tdm__maker_str(m, "tokenizer.ggml.model", "gpt2");
    tdm__maker_str(m, "tokenizer.ggml.pre", "qwen2");
    tdm__maker_array_str(m, "tokenizer.ggml.tokens", items, TDM__TINY_VOCAB);
    tdm__maker_array_i32(m, "tokenizer.ggml.token_type", types, TDM__TINY_VOCAB);
    tdm__maker_array_str(m, "tokenizer.ggml.merges", merge_items, n_merges);
    tdm__maker_u32(m, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    tdm__maker_u32(m, "tokenizer.ggml.bos_token_id", TDM__TINY_END_OF_TEXT);
    tdm__maker_bool(m, "tokenizer.ggml.add_bos_token", adds_bos);
}

static void add_sizes(tdm__maker *m, const char *arch, size_t n_ctx)
{
    char key[96];
#define KEY(name) (snprintf(key, sizeof key, "%s." name, arch), key)
    tdm__maker_u32(m, KEY("block_count"), LAYERS);
    tdm__maker_u32(m, KEY("context_length"), (uint32_t)n_ctx);
    tdm__maker_u32(m, KEY("embedding_length"), EMBD);
    tdm__maker_u32(m, KEY("feed_forward_length"), FF);
    tdm__maker_u32(m, KEY("attention.head_count"), HEADS);
    tdm__maker_u32(m, KEY("attention.head_count_kv"), KV_HEADS);
    tdm__maker_f32(m, KEY("attention.layer_norm_rms_epsilon"), 1e-6f);
    tdm__maker_f32(m, KEY("rope.freq_base"), 10000);
#undef KEY
}

unsigned char *tdm__tiny_bytes(const tdm__tiny_options *o, size_t *len)
{
    tdm__maker *m = malloc(sizeof *m);
    if (!m)
        abort();
    uint64_t x = 20250213;
    bool qwen2 = strcmp(o->arch, "qwen2") == 0;
    tdm__maker_init(m);
    tdm__maker_str(m, "general.architecture", o->arch);
    tdm__maker_str(m, "general.name", "tiny");
    add_sizes(m, o->arch, o->n_ctx ? o->n_ctx : TDM__TINY_CTX);
    add_vocabulary(m, o->eos ? o->eos : TDM__TINY_IM_END, o->adds_bos);
    const char *chat_template = o->chat_template ? o->chat_template : short_template;
    if (*chat_template)
        tdm__maker_str(m, "tokenizer.chat_template", chat_template);
    add_f32(m, "output_norm.weight", EMBD, 1, o->broken ? NAN : 1, 0.3f, &x);
    add_q8_0(m, "token_embd.weight", EMBD, TDM__TINY_VOCAB, &x);
    if (!qwen2) /* the other one is tied */
        add_q8_0(m, "output.weight", EMBD, TDM__TINY_VOCAB, &x);
    for (int i = 0; i < LAYERS; i++)
        add_layer(m, i, qwen2, &x);
    unsigned char *bytes = tdm__maker_bytes(m, len);
    tdm__maker_fini(m);
    free(m);
    return bytes;
}

static void must(tdm_status s, const tdm_error *err)
{
    if (s != TDM_OK) {
        fprintf(stderr, "tiny_model: %s\n", err->msg);
        abort();
    }
}

void tdm__tiny_write(const tdm__tiny_options *o, const char *path)
{
    size_t len;
    unsigned char *bytes = tdm__tiny_bytes(o, &len);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
        abort();
    free(bytes);
}

tdm__tiny tdm__tiny_open(const tdm__tiny_options *o)
{
    tdm__tiny t = {0};
    tdm_error err = {0};
    size_t len;
    t.bytes = tdm__tiny_bytes(o, &len);
    tdm__gguf *g = NULL;
    must(tdm__gguf_parse(t.bytes, len, "tiny.gguf", &g, &err), &err);
    must(tdm__model_bind(g, NULL, &t.model, &err), &err);
    must(tdm__tokenizer_create(g, &t.tokenizer, &err), &err);
    return t;
}

void tdm__tiny_close(tdm__tiny *t)
{
    tdm__tokenizer_destroy(t->tokenizer);
    tdm__model_close(t->model);
    free(t->bytes);
    *t = (tdm__tiny){0};
}
