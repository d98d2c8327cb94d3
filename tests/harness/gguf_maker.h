/* gguf_maker.h - builds GGUF files in memory, right ones and deliberately wrong ones, for tests and fuzz seeds.
 *
 *     tdm__maker m;
 *     tdm__maker_init(&m);
 *     tdm__maker_str(&m, "general.architecture", "llama");
 *     tdm__maker_u32(&m, "llama.block_count", 2);
 *     tdm__maker_tensor_add(&m, "output_norm.weight", TDM__TYPE_F32, 1, (uint64_t[]){64}, NULL, 64 * 4);
 *     size_t len;
 *     unsigned char *bytes = tdm__maker_bytes(&m, &len);    // or tdm__maker_write(&m, path)
 *     tdm__maker_fini(&m);
 *
 * The members of tdm__maker and of its tensors may be changed after they were added: that is how a test makes a file
 * lie about itself. Nothing is checked here. Out of memory, or beyond the limits below, the test program aborts.
 */
#ifndef TDM_HARNESS_GGUF_MAKER_H
#define TDM_HARNESS_GGUF_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/gguf.h"

enum { TDM__MAKER_TENSORS_MAX = 512, TDM__MAKER_NAME_MAX = 300 };

typedef struct tdm__maker_tensor {
    char name[TDM__MAKER_NAME_MAX];
    uint32_t type;
    uint32_t n_dims; /* written as it stands; at most 8 dims follow it */
    uint64_t dims[8];
    uint64_t offset;   /* from the start of the data part: set by tensor_add, change it to lie */
} tdm__maker_tensor;

typedef struct tdm__maker {
    char magic[4];        /* "GGUF" */
    uint32_t version;     /* 3 */
    uint64_t n_kv;        /* what the header will say; counted up by each key added */
    uint64_t n_tensors;   /* the same for tensors */
    uint64_t alignment;   /* 32: what the layout uses; general.alignment is a key that you add yourself, first */
    tdm__buf kv;          /* keys and values, encoded */
    tdm__buf data;        /* the data part */
    tdm__maker_tensor tensors[TDM__MAKER_TENSORS_MAX];
    size_t n_tensors_added;
} tdm__maker;

void tdm__maker_init(tdm__maker *m);
void tdm__maker_fini(tdm__maker *m);

/* One metadata value each. */
void tdm__maker_u8(tdm__maker *m, const char *key, uint8_t value);
void tdm__maker_i8(tdm__maker *m, const char *key, int8_t value);
void tdm__maker_u16(tdm__maker *m, const char *key, uint16_t value);
void tdm__maker_i16(tdm__maker *m, const char *key, int16_t value);
void tdm__maker_u32(tdm__maker *m, const char *key, uint32_t value);
void tdm__maker_i32(tdm__maker *m, const char *key, int32_t value);
void tdm__maker_u64(tdm__maker *m, const char *key, uint64_t value);
void tdm__maker_i64(tdm__maker *m, const char *key, int64_t value);
void tdm__maker_f32(tdm__maker *m, const char *key, float value);
void tdm__maker_f64(tdm__maker *m, const char *key, double value);
void tdm__maker_bool(tdm__maker *m, const char *key, bool value);
void tdm__maker_str(tdm__maker *m, const char *key, const char *value);
void tdm__maker_strn(tdm__maker *m, const char *key, tdm__str value); /* any bytes */

/* Arrays. */
void tdm__maker_array_str(tdm__maker *m, const char *key, const char *const *items, size_t n);
void tdm__maker_array_i32(tdm__maker *m, const char *key, const int32_t *items, size_t n);
void tdm__maker_array_f32(tdm__maker *m, const char *key, const float *items, size_t n);

/* A key with any type number and any bytes as its value: what the functions above cannot say. */
void tdm__maker_raw(tdm__maker *m, const char *key, uint32_t type, const void *value, size_t n_bytes);

/* An array head (element type, stated length) and any bytes as its elements. */
void tdm__maker_array_raw(tdm__maker *m, const char *key, uint32_t element, uint64_t len, const void *elements,
                          size_t n_bytes);

/* Appends a tensor and its n_bytes of data (zeros when data is NULL), aligned. dims[0] is the row length. The
 * result may be changed until the file is made. */
tdm__maker_tensor *tdm__maker_tensor_add(tdm__maker *m, const char *name, uint32_t type, uint32_t n_dims,
                                         const uint64_t *dims, const void *data, size_t n_bytes);

/* The file, in a malloc'd block of exactly its size (a read beyond it is found by ASan); the caller frees it. */
unsigned char *tdm__maker_bytes(const tdm__maker *m, size_t *len);

/* The same, written to path. Returns 0 or an errno value. */
int tdm__maker_write(const tdm__maker *m, const char *path);

#endif
