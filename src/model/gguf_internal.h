/* gguf_internal.h - the index behind tdm__gguf, for the three gguf_*.c files only. */
#ifndef TDM_MODEL_GGUF_INTERNAL_H
#define TDM_MODEL_GGUF_INTERNAL_H

#include "model/gguf.h"
#include "os/map.h"

struct tdm__gguf {
    char *path;      /* as given at open */
    char shown[128]; /* its tail, short enough to leave room for the rest of a sentence */
    tdm__map map; /* ptr NULL when the bytes are the caller's */
    const unsigned char *bytes;
    size_t len;
    uint32_t version;
    uint32_t alignment;
    tdm__gguf_kv *kvs; /* [n_kvs], in the file's order */
    size_t n_kvs;
    tdm__gguf_tensor *tensors; /* [n_tensors], in the file's order */
    size_t n_tensors;
    const tdm__gguf_kv **kvs_by_key;          /* [n_kvs], sorted */
    const tdm__gguf_tensor **tensors_by_name; /* [n_tensors], sorted */
    uint64_t *strings; /* [n_strings]: where in the file each string of an array begins, its length first */
    size_t n_strings, strings_cap;
};

/* gguf_read.c: walks the bytes into the index. What it took stays in g on failure, for tdm__gguf_close. */
tdm_status tdm__gguf_read(tdm__gguf *g, tdm_error *err);

/* gguf_index.c: sorts, refuses names that come twice and tensors that share bytes. */
tdm_status tdm__gguf_index_kvs(tdm__gguf *g, tdm_error *err);
tdm_status tdm__gguf_index_tensors(tdm__gguf *g, tdm_error *err);

/* A key or a tensor's name in a sentence: "%.*s" with these two arguments. */
#define TDM__GGUF_SHOWN_MAX 80
#define TDM__GGUF_SHOWN(s) ((s).len < TDM__GGUF_SHOWN_MAX ? (int)(s).len : TDM__GGUF_SHOWN_MAX), (s).ptr

/* Bytes of a value of a fixed size, 0 for STRING and ARRAY. */
size_t tdm__gguf_type_bytes(tdm__gguf_type type);

/* Little-endian loads from unaligned bytes. */
static inline uint32_t tdm__gguf_load_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t tdm__gguf_load_u64(const unsigned char *p)
{
    return (uint64_t)tdm__gguf_load_u32(p) | (uint64_t)tdm__gguf_load_u32(p + 4) << 32;
}

/* A value of a fixed size (at p, little endian), widened into the member of v that belongs to its type. */
void tdm__gguf_load_scalar(tdm__gguf_type type, const unsigned char *p, tdm__gguf_value *v);

#endif
