/* tiny_vocabulary.c - the byte alphabet is spelled by its definition (GPT-2's encoder.py), not by the code under test.
 */
#include "tiny_vocabulary.h"

#include <stdio.h>

static void add(tdm__tiny_vocabulary *v, const char *text, int32_t type, float score)
{
    v->tokens[v->n_tokens] = text;
    v->types[v->n_types++] = type;
    v->scores[v->n_tokens++] = score;
}

/* Printable Latin-1 bytes spell themselves, the others take U+0100 and the following in order. */
static void spell_bytes(tdm__tiny_vocabulary *v)
{
    unsigned next = 0x100;
    for (unsigned b = 0; b < 256; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        unsigned c = printable ? b : next++;
        if (c < 0x80)
            snprintf(v->spelled[b], sizeof v->spelled[b], "%c", (char)c);
        else
            snprintf(v->spelled[b], sizeof v->spelled[b], "%c%c", (char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F)));
        add(v, v->spelled[b], 1, 0);
    }
}

void tdm__tiny_vocabulary_bytes(tdm__tiny_vocabulary *v, const char *pre)
{
    static const char *const merges[] = {"h e", "l l", "he ll", "hell o", "\xC4\xA0 hello", "\xC4\xA0 \xC4\xA0"};
    *v = (tdm__tiny_vocabulary){.model = "gpt2", .pre = pre};
    spell_bytes(v);
    add(v, "he", 1, 0);
    add(v, "ll", 1, 0);
    add(v, "hell", 1, 0);
    add(v, "hello", 1, 0);
    add(v, "\xC4\xA0hello", 1, 0);
    add(v, "\xC4\xA0\xC4\xA0", 1, 0);
    add(v, "<|endoftext|>", 3, 0);
    add(v, "<|im", 3, 0);
    add(v, "<|im_start|>", 3, 0);
    add(v, "<tool_call>", 4, 0);
    add(v, "\xE2\x82\xAC\xE2\x82\xAC", 4, 0); /* two euro signs */
    add(v, "[PAD267]", 4, 0);
    add(v, "[UNUSED]", 5, 0);
    for (v->n_merges = 0; v->n_merges < sizeof merges / sizeof *merges; v->n_merges++)
        v->merges[v->n_merges] = merges[v->n_merges];
    v->n_scores = 0;
}

void tdm__tiny_vocabulary_pieces(tdm__tiny_vocabulary *v)
{
    *v = (tdm__tiny_vocabulary){.model = "llama", .pre = "default"};
    add(v, "<unk>", 2, 0);
    add(v, "<s>", 3, 0);
    add(v, "</s>", 3, 0);
    for (unsigned b = 0; b < 256; b++) {
        snprintf(v->spelled[b], sizeof v->spelled[b], "<0x%02X>", b);
        add(v, v->spelled[b], 6, 0);
    }
    add(v, "\xE2\x96\x81", 1, -10);
    add(v, "a", 1, -11);
    add(v, "b", 1, -12);
    add(v, "ab", 1, -1);
    add(v,
        "\xE2\x96\x81"
        "ab",
        1, -2);
    add(v, "<", 1, -13);
    add(v, "s", 1, -14);
    add(v, "<s", 1, -3);
    add(v, ">", 1, -15);
    v->n_scores = v->n_tokens;
}

void tdm__tiny_vocabulary_write(const tdm__tiny_vocabulary *v, tdm__maker *m)
{
    if (v->model)
        tdm__maker_str(m, "tokenizer.ggml.model", v->model);
    if (v->pre)
        tdm__maker_str(m, "tokenizer.ggml.pre", v->pre);
    if (v->n_tokens)
        tdm__maker_array_str(m, "tokenizer.ggml.tokens", v->tokens, v->n_tokens);
    if (v->n_types)
        tdm__maker_array_i32(m, "tokenizer.ggml.token_type", v->types, v->n_types);
    if (v->n_scores)
        tdm__maker_array_f32(m, "tokenizer.ggml.scores", v->scores, v->n_scores);
    if (v->n_merges)
        tdm__maker_array_str(m, "tokenizer.ggml.merges", v->merges, v->n_merges);
}
