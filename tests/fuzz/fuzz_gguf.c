/* fuzz_gguf.c - the GGUF reader over arbitrary bytes; what it accepts is then read through to the last byte. */
#include <stdlib.h>

#include "fuzz.h"
#include "model/gguf.h"

static uint64_t sum_bytes(const unsigned char *p, uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static uint64_t touch_kv(const tdm__gguf *g, const tdm__gguf_kv *kv)
{
    uint64_t sum = 0;
    if (kv->type == TDM__GGUF_STRING)
        return sum_bytes((const unsigned char *)kv->v.s.ptr, kv->v.s.len);
    if (kv->type != TDM__GGUF_ARRAY)
        return 0;
    for (uint64_t i = 0; i < kv->v.array.len; i++) {
        if (kv->v.array.type == TDM__GGUF_STRING) {
            tdm__str s = tdm__gguf_array_str(g, kv, i);
            sum += sum_bytes((const unsigned char *)s.ptr, s.len);
        } else if (kv->v.array.type == TDM__GGUF_F32 || kv->v.array.type == TDM__GGUF_F64) {
            sum += tdm__gguf_array_f64(kv, i) > 0;
        } else {
            sum += tdm__gguf_array_i64(kv, i) > 0;
        }
    }
    return sum;
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__gguf *g = NULL;
    tdm_error err = {0};
    if (tdm__gguf_parse(data, len, "fuzz.gguf", &g, &err) != TDM_OK) {
        if (g || err.msg[0] == '\0' || err.code >= 0)
            abort(); /* a failure gives nothing but its sentence */
        return 0;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < tdm__gguf_kv_count(g); i++) {
        const tdm__gguf_kv *kv = tdm__gguf_kv_at(g, i);
        sum += touch_kv(g, kv);
    }
    for (size_t i = 0; i < tdm__gguf_tensor_count(g); i++) {
        const tdm__gguf_tensor *t = tdm__gguf_tensor_at(g, i);
        if (tdm__gguf_tensor_find(g, t->name) != t)
            abort();
        sum += sum_bytes(t->data, t->n_bytes);
    }
    volatile uint64_t kept = sum; /* the reads above are not to be left out */
    (void)kept;
    uint64_t u;
    float f;
    tdm__str s;
    (void)tdm__gguf_get_u64(g, "llama.block_count", &u, NULL);
    (void)tdm__gguf_get_f32(g, "llama.rope.freq_base", &f, NULL);
    (void)tdm__gguf_get_str(g, "general.name", &s, NULL);
    tdm__gguf_close(g);
    return 0;
}
