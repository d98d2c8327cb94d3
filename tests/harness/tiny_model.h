/* tiny_model.h - a whole model of a few hundred KiB with random weights, made in memory: for tests of the engine.
 *
 * It is a real GGUF of a built family: three layers, grouped-query attention, quantised and float weights, a
 * byte-level vocabulary with control tokens, a chat template. What it answers is noise, but always the same noise.
 */
#ifndef TDM_HARNESS_TINY_MODEL_H
#define TDM_HARNESS_TINY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "text/tokenizer.h"

enum {
    TDM__TINY_BYTES = 256, /* ids 0 .. 255 are the single bytes, in the vocabulary's order; tiny_byte_id maps */
    TDM__TINY_END_OF_TEXT = 256,
    TDM__TINY_IM_START = 257,
    TDM__TINY_IM_END = 258,
    TDM__TINY_VOCAB = 288, /* the rest is words */
    TDM__TINY_CTX = 256,
};

typedef struct tdm__tiny_options {
    const char *arch; /* "qwen2" or "llama" */
    int32_t eos;      /* 0: TDM__TINY_IM_END */
    const char *chat_template; /* NULL: a short one like Qwen's; "": none */
    bool adds_bos;    /* the file wants texts to begin with TDM__TINY_END_OF_TEXT */
    bool broken;      /* a NaN in the output norm */
    size_t n_ctx;     /* what the file says about its context; 0: TDM__TINY_CTX */
} tdm__tiny_options;

/* The file, in a malloc'd block; the caller frees it. */
unsigned char *tdm__tiny_bytes(const tdm__tiny_options *o, size_t *len);

/* The same as a file at path. Whatever fails aborts the test program. */
void tdm__tiny_write(const tdm__tiny_options *o, const char *path);

typedef struct tdm__tiny {
    unsigned char *bytes;
    tdm__model *model;
    tdm__tokenizer *tokenizer;
} tdm__tiny;

/* Opened. Whatever fails aborts the test program. */
tdm__tiny tdm__tiny_open(const tdm__tiny_options *o);
void tdm__tiny_close(tdm__tiny *t);

/* The id of the token that is this byte. */
int32_t tdm__tiny_byte_id(unsigned char byte);

#endif
