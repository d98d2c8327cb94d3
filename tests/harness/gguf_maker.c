/* gguf_maker.c - the writing side of gguf_maker.h. Host byte order is taken to be little endian, as the format is. */
#include "gguf_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

enum { MAKER_PART_BYTES_MAX = 256 * 1024 * 1024 };

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "gguf_maker: %s\n", what);
        abort();
    }
}

static void put(tdm__buf *b, const void *bytes, size_t n)
{
    must(tdm__buf_append(b, bytes, n) == TDM_OK, "out of memory, or a part beyond 256 MiB");
}

static void put_u32(tdm__buf *b, uint32_t v) { put(b, &v, sizeof v); }
static void put_u64(tdm__buf *b, uint64_t v) { put(b, &v, sizeof v); }

static void put_str(tdm__buf *b, tdm__str s)
{
    put_u64(b, s.len);
    put(b, s.ptr, s.len);
}

static void pad(tdm__buf *b, uint64_t alignment)
{
    while (alignment > 1 && b->len % alignment != 0)
        put(b, "", 1);
}

void tdm__maker_init(tdm__maker *m)
{
    memset(m, 0, sizeof *m);
    memcpy(m->magic, "GGUF", sizeof m->magic);
    m->version = 3;
    m->alignment = 32;
    tdm__buf_init(&m->kv, MAKER_PART_BYTES_MAX);
    tdm__buf_init(&m->data, MAKER_PART_BYTES_MAX);
}

void tdm__maker_fini(tdm__maker *m)
{
    tdm__buf_fini(&m->kv);
    tdm__buf_fini(&m->data);
}

static void put_key(tdm__maker *m, const char *key, uint32_t type)
{
    put_str(&m->kv, tdm__str_from(key));
    put_u32(&m->kv, type);
    m->n_kv++;
}

void tdm__maker_raw(tdm__maker *m, const char *key, uint32_t type, const void *value, size_t n_bytes)
{
    put_key(m, key, type);
    put(&m->kv, value, n_bytes);
}

#define MAKER_SCALAR(name, c_type, gguf_type)                              \
    void tdm__maker_##name(tdm__maker *m, const char *key, c_type value)   \
    {                                                                      \
        tdm__maker_raw(m, key, gguf_type, &value, sizeof value);           \
    }
MAKER_SCALAR(u8, uint8_t, TDM__GGUF_U8)
MAKER_SCALAR(i8, int8_t, TDM__GGUF_I8)
MAKER_SCALAR(u16, uint16_t, TDM__GGUF_U16)
MAKER_SCALAR(i16, int16_t, TDM__GGUF_I16)
MAKER_SCALAR(u32, uint32_t, TDM__GGUF_U32)
MAKER_SCALAR(i32, int32_t, TDM__GGUF_I32)
MAKER_SCALAR(u64, uint64_t, TDM__GGUF_U64)
MAKER_SCALAR(i64, int64_t, TDM__GGUF_I64)
MAKER_SCALAR(f32, float, TDM__GGUF_F32)
MAKER_SCALAR(f64, double, TDM__GGUF_F64)

void tdm__maker_bool(tdm__maker *m, const char *key, bool value)
{
    tdm__maker_raw(m, key, TDM__GGUF_BOOL, &(uint8_t){value}, 1);
}

void tdm__maker_strn(tdm__maker *m, const char *key, tdm__str value)
{
    put_key(m, key, TDM__GGUF_STRING);
    put_str(&m->kv, value);
}

void tdm__maker_str(tdm__maker *m, const char *key, const char *value)
{
    tdm__maker_strn(m, key, tdm__str_from(value));
}

void tdm__maker_array_raw(tdm__maker *m, const char *key, uint32_t element, uint64_t len, const void *elements,
                          size_t n_bytes)
{
    put_key(m, key, TDM__GGUF_ARRAY);
    put_u32(&m->kv, element);
    put_u64(&m->kv, len);
    put(&m->kv, elements, n_bytes);
}

void tdm__maker_array_str(tdm__maker *m, const char *key, const char *const *items, size_t n)
{
    tdm__maker_array_raw(m, key, TDM__GGUF_STRING, n, NULL, 0);
    for (size_t i = 0; i < n; i++)
        put_str(&m->kv, tdm__str_from(items[i]));
}

void tdm__maker_array_i32(tdm__maker *m, const char *key, const int32_t *items, size_t n)
{
    tdm__maker_array_raw(m, key, TDM__GGUF_I32, n, items, n * sizeof *items);
}

void tdm__maker_array_f32(tdm__maker *m, const char *key, const float *items, size_t n)
{
    tdm__maker_array_raw(m, key, TDM__GGUF_F32, n, items, n * sizeof *items);
}

tdm__maker_tensor *tdm__maker_tensor_add(tdm__maker *m, const char *name, uint32_t type, uint32_t n_dims,
                                         const uint64_t *dims, const void *data, size_t n_bytes)
{
    must(m->n_tensors_added < TDM__MAKER_TENSORS_MAX && n_dims <= 8 && strlen(name) < TDM__MAKER_NAME_MAX,
         "too many tensors or dimensions, or a name too long");
    pad(&m->data, m->alignment);
    tdm__maker_tensor *t = &m->tensors[m->n_tensors_added++];
    *t = (tdm__maker_tensor){.type = type, .n_dims = n_dims, .offset = m->data.len};
    memcpy(t->name, name, strlen(name) + 1);
    memcpy(t->dims, dims, n_dims * sizeof *dims);
    m->n_tensors++;
    if (data) {
        put(&m->data, data, n_bytes);
    } else {
        for (size_t i = 0; i < n_bytes; i++)
            put(&m->data, "", 1);
    }
    return t;
}

unsigned char *tdm__maker_bytes(const tdm__maker *m, size_t *len)
{
    tdm__buf b;
    tdm__buf_init(&b, (size_t)3 * MAKER_PART_BYTES_MAX);
    put(&b, m->magic, sizeof m->magic);
    put_u32(&b, m->version);
    put_u64(&b, m->n_tensors);
    put_u64(&b, m->n_kv);
    put(&b, m->kv.ptr, m->kv.len);
    for (size_t i = 0; i < m->n_tensors_added; i++) {
        const tdm__maker_tensor *t = &m->tensors[i];
        put_str(&b, tdm__str_from(t->name));
        put_u32(&b, t->n_dims);
        put(&b, t->dims, (t->n_dims < 8 ? t->n_dims : 8) * sizeof t->dims[0]);
        put_u32(&b, t->type);
        put_u64(&b, t->offset);
    }
    if (m->n_tensors_added > 0)
        pad(&b, m->alignment);
    put(&b, m->data.ptr, m->data.len);
    unsigned char *bytes = malloc(b.len);
    must(bytes != NULL, "out of memory");
    memcpy(bytes, b.ptr, b.len);
    *len = b.len;
    tdm__buf_fini(&b);
    return bytes;
}

int tdm__maker_write(const tdm__maker *m, const char *path)
{
    size_t len;
    unsigned char *bytes = tdm__maker_bytes(m, &len);
    int rc = tdm__file_write_atomic(path, bytes, len, 0644);
    free(bytes);
    return rc;
}
