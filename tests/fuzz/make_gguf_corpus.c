/* make_gguf_corpus.c - writes the few small files of corpus/gguf: run it when they are to change.
 *
 *     make_gguf_corpus tests/fuzz/corpus/gguf
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "gguf_maker.h"

static void every_type(tdm__maker *m)
{
    tdm__maker_u32(m, "general.alignment", 64);
    m->alignment = 64;
    tdm__maker_u8(m, "a.u8", 200);
    tdm__maker_i8(m, "a.i8", -3);
    tdm__maker_u16(m, "a.u16", 60000);
    tdm__maker_i16(m, "a.i16", -30000);
    tdm__maker_u32(m, "llama.block_count", 2);
    tdm__maker_i32(m, "a.i32", -7);
    tdm__maker_u64(m, "a.u64", UINT64_MAX);
    tdm__maker_i64(m, "a.i64", INT64_MIN);
    tdm__maker_f32(m, "llama.rope.freq_base", 10000.0f);
    tdm__maker_f64(m, "a.f64", -INFINITY);
    tdm__maker_bool(m, "a.bool", true);
    tdm__maker_str(m, "general.name", "tiny");
    tdm__maker_array_str(m, "a.strings", (const char *const[]){"", "b", "cde"}, 3);
    tdm__maker_array_i32(m, "a.ints", (const int32_t[]){1, -2, 3}, 3);
    tdm__maker_array_f32(m, "a.floats", (const float[]){0.5f, -1}, 2);
    tdm__maker_array_raw(m, "a.bools", TDM__GGUF_BOOL, 3, "\0\1\0", 3);
    tdm__maker_tensor_add(m, "x.weight", TDM__TYPE_F32, 2, (uint64_t[]){3, 2}, NULL, 24);
    tdm__maker_tensor_add(m, "y.weight", TDM__TYPE_Q4_0, 1, (uint64_t[]){32}, NULL, 18);
    tdm__maker_tensor_add(m, "z.weight", TDM__TYPE_Q8_0, 2, (uint64_t[]){32, 2}, NULL, 68);
}

static void vocabulary_only(tdm__maker *m)
{
    tdm__maker_str(m, "general.architecture", "qwen2");
    tdm__maker_str(m, "tokenizer.ggml.model", "gpt2");
    tdm__maker_array_str(m, "tokenizer.ggml.tokens", (const char *const[]){"a", "b", "ab", "<|x|>"}, 4);
    tdm__maker_array_i32(m, "tokenizer.ggml.token_type", (const int32_t[]){1, 1, 1, 3}, 4);
    tdm__maker_array_str(m, "tokenizer.ggml.merges", (const char *const[]){"a b"}, 1);
}

static void tensors_only(tdm__maker *m)
{
    m->version = 2;
    tdm__maker_tensor_add(m, "k", TDM__TYPE_Q4_K, 1, (uint64_t[]){256}, NULL, 144);
    tdm__maker_tensor_add(m, "b", TDM__TYPE_BF16, 4, (uint64_t[]){1, 2, 3, 4}, NULL, 48);
}

static void nothing(tdm__maker *m) { (void)m; }

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fill)(tdm__maker *m);
    } files[] = {{"every_type", every_type},
                 {"vocabulary_only", vocabulary_only},
                 {"tensors_only", tensors_only},
                 {"empty", nothing}};
    if (argc != 2) {
        fprintf(stderr, "usage: make_gguf_corpus FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        static tdm__maker m;
        char path[4096];
        tdm__maker_init(&m);
        files[i].fill(&m);
        int n = snprintf(path, sizeof path, "%s/%s.gguf", argv[1], files[i].name);
        if (n < 0 || (size_t)n >= sizeof path || tdm__maker_write(&m, path) != 0) {
            fprintf(stderr, "make_gguf_corpus: %s/%s.gguf cannot be written\n", argv[1], files[i].name);
            return 1;
        }
        tdm__maker_fini(&m);
    }
    return 0;
}
