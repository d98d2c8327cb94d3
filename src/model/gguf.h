/* gguf.h - a GGUF file (v2, v3) as an index over its mapped bytes.
 *
 * The file is hostile until proven otherwise: every count is checked against the bytes that are left before anything
 * is allocated, every product is checked, tensors lie inside the data part, aligned, and do not overlap. Nothing is
 * copied but the index; strings, arrays and tensor data are borrowed from the mapping. Immutable after open, shared
 * by all threads.
 */
#ifndef TDM_MODEL_GGUF_H
#define TDM_MODEL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "kernel/quant.h"
#include "os/map.h"
#include "tandem/status.h"

/* Limits: 65,536 keys of at most 65,535 bytes, 262,144 tensors, 4 dimensions, alignment 8 .. 65,536. The index takes
 * at most five times the bytes of the entries it stands for: what a file cannot show, it cannot make us allocate. */
enum { TDM__GGUF_DIMS_MAX = 4 };

/* Values are those of the file format. */
typedef enum tdm__gguf_type {
    TDM__GGUF_U8 = 0, TDM__GGUF_I8, TDM__GGUF_U16, TDM__GGUF_I16, TDM__GGUF_U32, TDM__GGUF_I32, TDM__GGUF_F32,
    TDM__GGUF_BOOL, TDM__GGUF_STRING, TDM__GGUF_ARRAY, TDM__GGUF_U64, TDM__GGUF_I64, TDM__GGUF_F64,
    TDM__GGUF_TYPE_COUNT
} tdm__gguf_type;

/* A metadata value. Scalars are widened; which member holds follows from the type. */
typedef union tdm__gguf_value {
    uint64_t u; /* U8, U16, U32, U64, BOOL */
    int64_t i;  /* I8, I16, I32, I64 */
    double f;   /* F32, F64 */
    tdm__str s; /* STRING */
    struct {
        tdm__gguf_type type;        /* of the elements; no nested arrays */
        uint64_t len;
        const unsigned char *bytes; /* unaligned, little endian */
        uint64_t first_string;      /* index of the first element in the string table, for STRING */
    } array;
} tdm__gguf_value;

typedef struct tdm__gguf_kv {
    tdm__str key; /* printable ASCII */
    tdm__gguf_type type;
    tdm__gguf_value v;
} tdm__gguf_kv;

typedef struct tdm__gguf_tensor {
    tdm__str name; /* printable ASCII, at most 64 bytes */
    tdm__type type;
    uint32_t n_dims;
    uint64_t dims[TDM__GGUF_DIMS_MAX]; /* dims[0] is the row length; unused ones are 1 */
    uint64_t n_bytes;
    uint64_t offset; /* from the begin of the data part; a multiple of the file's alignment */
    const unsigned char *data;
} tdm__gguf_tensor;

typedef struct tdm__gguf tdm__gguf;

/* Maps and checks a file. On failure *out is untouched and err names file, field, value and limit. */
tdm_status tdm__gguf_open(const char *path, tdm__gguf **out, tdm_error *err);

/* The same over bytes that the caller keeps alive; name stands for the file in errors. */
tdm_status tdm__gguf_parse(const void *bytes, size_t len, const char *name, tdm__gguf **out, tdm_error *err);

/* Whether the mapped file is still what it was at open (os/map.h). Any thread. */
bool tdm__gguf_is_intact(const tdm__gguf *g);

/* The mapped file; NULL when the bytes are the caller's. */
const tdm__map *tdm__gguf_map(const tdm__gguf *g);

/* NULL-safe. */
void tdm__gguf_close(tdm__gguf *g);

/* The path or name given at open: whole, and its tail of at most 127 bytes, which leaves room in a sentence. */
const char *tdm__gguf_path(const tdm__gguf *g);
const char *tdm__gguf_name(const tdm__gguf *g);

uint32_t tdm__gguf_version(const tdm__gguf *g);
size_t tdm__gguf_file_bytes(const tdm__gguf *g);
const unsigned char *tdm__gguf_bytes(const tdm__gguf *g); /* the whole file */

size_t tdm__gguf_kv_count(const tdm__gguf *g);
const tdm__gguf_kv *tdm__gguf_kv_at(const tdm__gguf *g, size_t i);
const tdm__gguf_kv *tdm__gguf_find(const tdm__gguf *g, const char *key); /* NULL: absent */

size_t tdm__gguf_tensor_count(const tdm__gguf *g);
const tdm__gguf_tensor *tdm__gguf_tensor_at(const tdm__gguf *g, size_t i);
const tdm__gguf_tensor *tdm__gguf_tensor_find(const tdm__gguf *g, tdm__str name); /* NULL: absent */

/* Typed reads of a key. Absent: *out keeps what it held and the result is TDM_END; a value of another kind or out of
 * range: ERR_FORMAT with a sentence. Any integer type is accepted for u64 when not negative, F32 and F64 for f32 when
 * finite. */
tdm_status tdm__gguf_get_u64(const tdm__gguf *g, const char *key, uint64_t *out, tdm_error *err);
tdm_status tdm__gguf_get_f32(const tdm__gguf *g, const char *key, float *out, tdm_error *err);
tdm_status tdm__gguf_get_bool(const tdm__gguf *g, const char *key, bool *out, tdm_error *err);
tdm_status tdm__gguf_get_str(const tdm__gguf *g, const char *key, tdm__str *out, tdm_error *err);
tdm_status tdm__gguf_get_array(const tdm__gguf *g, const char *key, tdm__gguf_type element, const tdm__gguf_kv **out,
                               tdm_error *err);

/* Element i (< len) of an array of the matching element type, in constant time. i64 takes any integer type and BOOL
 * (a U64 beyond INT64_MAX comes out as INT64_MAX), f64 takes F32 and F64. */
tdm__str tdm__gguf_array_str(const tdm__gguf *g, const tdm__gguf_kv *kv, uint64_t i);
int64_t tdm__gguf_array_i64(const tdm__gguf_kv *kv, uint64_t i);
double tdm__gguf_array_f64(const tdm__gguf_kv *kv, uint64_t i);

/* "u32", "string" and so on, for messages. */
const char *tdm__gguf_type_name(tdm__gguf_type type);

#endif
