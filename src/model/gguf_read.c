/* gguf_read.c - the bytes of a GGUF file into an index that every later reader may trust.
 *
 * The file is hostile. A cursor walks it once; no count is believed before the bytes that it claims are seen to be
 * there, so the index is never larger than a small multiple of the file. There is no recursion: arrays of arrays are
 * refused, as no model uses them. What a value means (a vocabulary's ids, a model's shapes) is for its reader.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "model/gguf_internal.h"
#include "os/heap.h"

enum {
    GGUF_KVS_MAX = 65536,
    GGUF_TENSORS_MAX = 262144, /* the largest mixtures of experts known have 50,000 */
    GGUF_KEY_BYTES_MAX = 65535,
    GGUF_TENSOR_NAME_BYTES_MAX = 64,
    GGUF_ALIGNMENT_DEFAULT = 32,
    GGUF_ALIGNMENT_MIN = 8,
    GGUF_ALIGNMENT_MAX = 65536,
    GGUF_KV_BYTES_MIN = 8 + 1 + 4 + 1,              /* key length, key, type, value */
    GGUF_TENSOR_BYTES_MIN = 8 + 1 + 4 + 8 + 4 + 8,  /* name length, name, n_dims, a dimension, type, offset */
};

typedef struct cursor {
    tdm__gguf *g;
    size_t pos;
    char where[128]; /* the entry that is being read, for sentences */
    tdm_error *err;
} cursor;

static const char *file_of(const cursor *c) { return c->g->shown; }

static size_t bytes_left(const cursor *c) { return c->g->len - c->pos; }

/* n bytes are there, or a sentence. */
static tdm_status need(cursor *c, uint64_t n, const char *what)
{
    if (n > bytes_left(c))
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s, %s: %" PRIu64 " bytes are needed at byte %zu, the file has %zu left",
                 file_of(c), c->where, what, n, c->pos, bytes_left(c));
    return TDM_OK;
}

static tdm_status take_u32(cursor *c, const char *what, uint32_t *out)
{
    TDM_TRY(need(c, 4, what));
    *out = tdm__gguf_load_u32(c->g->bytes + c->pos);
    c->pos += 4;
    return TDM_OK;
}

static tdm_status take_u64(cursor *c, const char *what, uint64_t *out)
{
    TDM_TRY(need(c, 8, what));
    *out = tdm__gguf_load_u64(c->g->bytes + c->pos);
    c->pos += 8;
    return TDM_OK;
}

static tdm_status take_str(cursor *c, const char *what, tdm__str *out)
{
    uint64_t len;
    TDM_TRY(take_u64(c, what, &len));
    TDM_TRY(need(c, len, what));
    *out = (tdm__str){(const char *)c->g->bytes + c->pos, (size_t)len};
    c->pos += (size_t)len;
    return TDM_OK;
}

/* A key or a tensor's name: printable ASCII of a bounded length, so that it can stand in any sentence. */
static tdm_status take_name(cursor *c, const char *what, size_t len_max, tdm__str *out)
{
    tdm__str s;
    TDM_TRY(take_str(c, what, &s));
    if (s.len == 0 || s.len > len_max)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: the %s has %zu bytes, 1 to %zu are allowed", file_of(c), c->where,
                 what, s.len, len_max);
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
            TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: byte %zu of the %s is 0x%02x, only printable ASCII is allowed",
                     file_of(c), c->where, i, what, (unsigned char)s.ptr[i]);
    *out = s;
    return TDM_OK;
}

static tdm_status check_bools(cursor *c, const unsigned char *bytes, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (bytes[i] > 1)
            TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: a bool is %u, only 0 and 1 are allowed", file_of(c), c->where,
                     bytes[i]);
    return TDM_OK;
}

static tdm_status check_type(cursor *c, uint32_t type, const char *what)
{
    if (type >= TDM__GGUF_TYPE_COUNT)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: the %s is %" PRIu32 ", the highest known is %d", file_of(c), c->where,
                 what, type, TDM__GGUF_TYPE_COUNT - 1);
    return TDM_OK;
}

/* Room for n more entries of the string table; the caller has seen that the file has 8 bytes for each. */
static tdm_status strings_reserve(cursor *c, size_t n)
{
    tdm__gguf *g = c->g;
    size_t need_n = g->n_strings + n; /* at most len / 8 */
    if (need_n <= g->strings_cap)
        return TDM_OK;
    size_t cap = tdm__max_size(need_n, g->strings_cap * 2);
    uint64_t *more = tdm__realloc(g->strings, cap * sizeof *more);
    if (!more)
        TDM_FAIL(c->err, TDM_ERR_NOMEM, "%s: no memory for an index of %zu strings", file_of(c), cap);
    g->strings = more;
    g->strings_cap = cap;
    return TDM_OK;
}

static tdm_status read_string_array(cursor *c, tdm__gguf_kv *kv)
{
    tdm__gguf *g = c->g;
    TDM_TRY(strings_reserve(c, (size_t)kv->v.array.len));
    kv->v.array.first_string = g->n_strings;
    for (uint64_t i = 0; i < kv->v.array.len; i++) {
        uint64_t at = c->pos;
        tdm__str s;
        TDM_TRY(take_str(c, "a string of the array", &s));
        g->strings[g->n_strings++] = at;
    }
    return TDM_OK;
}

static tdm_status read_array(cursor *c, tdm__gguf_kv *kv)
{
    uint32_t type;
    uint64_t len, n_bytes;
    TDM_TRY(take_u32(c, "element type", &type));
    TDM_TRY(check_type(c, type, "element type"));
    if (type == TDM__GGUF_ARRAY)
        TDM_FAIL(c->err, TDM_ERR_UNSUPPORTED, "%s: %s: arrays of arrays are not read", file_of(c), c->where);
    TDM_TRY(take_u64(c, "array length", &len));
    size_t each = type == TDM__GGUF_STRING ? 8 : tdm__gguf_type_bytes((tdm__gguf_type)type);
    if (!tdm__mul_u64(len, each, &n_bytes) || n_bytes > bytes_left(c))
        TDM_FAIL(c->err, TDM_ERR_FORMAT,
                 "%s: %s: the array length is %" PRIu64 ", the %zu bytes left in the file hold at most %zu elements",
                 file_of(c), c->where, len, bytes_left(c), bytes_left(c) / each);
    kv->v.array.type = (tdm__gguf_type)type;
    kv->v.array.len = len;
    kv->v.array.bytes = c->g->bytes + c->pos;
    if (type == TDM__GGUF_STRING)
        return read_string_array(c, kv);
    if (type == TDM__GGUF_BOOL)
        TDM_TRY(check_bools(c, kv->v.array.bytes, len));
    c->pos += (size_t)n_bytes;
    return TDM_OK;
}

static tdm_status read_kv(cursor *c, size_t i, tdm__gguf_kv *kv)
{
    uint32_t type;
    snprintf(c->where, sizeof c->where, "key %zu", i);
    TDM_TRY(take_name(c, "key", GGUF_KEY_BYTES_MAX, &kv->key));
    snprintf(c->where, sizeof c->where, "%.*s", TDM__GGUF_SHOWN(kv->key));
    TDM_TRY(take_u32(c, "value type", &type));
    TDM_TRY(check_type(c, type, "value type"));
    kv->type = (tdm__gguf_type)type;
    if (kv->type == TDM__GGUF_STRING)
        return take_str(c, "string", &kv->v.s);
    if (kv->type == TDM__GGUF_ARRAY)
        return read_array(c, kv);
    size_t n = tdm__gguf_type_bytes(kv->type);
    TDM_TRY(need(c, n, "value"));
    const unsigned char *p = c->g->bytes + c->pos;
    if (kv->type == TDM__GGUF_BOOL)
        TDM_TRY(check_bools(c, p, 1));
    tdm__gguf_load_scalar(kv->type, p, &kv->v);
    c->pos += n;
    return TDM_OK;
}

/* n_dims, dims, type; the byte count with every product checked. */
static tdm_status read_shape(cursor *c, tdm__gguf_tensor *t)
{
    uint32_t type;
    uint64_t n_values = 1;
    TDM_TRY(take_u32(c, "number of dimensions", &t->n_dims));
    if (t->n_dims < 1 || t->n_dims > TDM__GGUF_DIMS_MAX)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s has %" PRIu32 " dimensions, 1 to %d are allowed", file_of(c), c->where,
                 t->n_dims, TDM__GGUF_DIMS_MAX);
    for (uint32_t d = 0; d < TDM__GGUF_DIMS_MAX; d++) {
        t->dims[d] = 1;
        if (d < t->n_dims)
            TDM_TRY(take_u64(c, "dimension", &t->dims[d]));
        if (t->dims[d] == 0 || !tdm__mul_u64(n_values, t->dims[d], &n_values) || n_values > INT64_MAX)
            TDM_FAIL(c->err, TDM_ERR_FORMAT,
                     "%s: %s: dimension %" PRIu32 " is %" PRIu64
                     ", each must be at least 1 and their product at most 2^63 - 1", file_of(c), c->where, d,
                      t->dims[d]);
    }
    TDM_TRY(take_u32(c, "tensor type", &type));
    const tdm__type_traits *traits = tdm__type_get(type);
    if (!traits)
        TDM_FAIL(c->err, TDM_ERR_UNSUPPORTED, "%s: %s has tensor type %" PRIu32 ", which is not among those read here",
                 file_of(c), c->where, type);
    if (t->dims[0] % traits->block_values != 0)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: the row length %" PRIu64 " is no multiple of %s's block of %" PRIu32,
                 file_of(c), c->where, t->dims[0], traits->name, traits->block_values);
    if (!tdm__mul_u64(n_values / traits->block_values, traits->block_bytes, &t->n_bytes))
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: the size of %" PRIu64 " values of type %s exceeds 2^64 bytes",
                 file_of(c), c->where, n_values, traits->name);
    t->type = (tdm__type)type;
    return TDM_OK;
}

static tdm_status read_tensor(cursor *c, size_t i, tdm__gguf_tensor *t)
{
    snprintf(c->where, sizeof c->where, "tensor %zu", i);
    TDM_TRY(take_name(c, "name", GGUF_TENSOR_NAME_BYTES_MAX, &t->name));
    snprintf(c->where, sizeof c->where, "tensor %.*s", TDM__GGUF_SHOWN(t->name));
    TDM_TRY(read_shape(c, t));
    TDM_TRY(take_u64(c, "offset", &t->offset));
    if (t->offset % c->g->alignment != 0)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: %s: the offset %" PRIu64 " is no multiple of the alignment %" PRIu32,
                 file_of(c), c->where, t->offset, c->g->alignment);
    return TDM_OK;
}

static tdm_status read_header(cursor *c, uint64_t *n_tensors, uint64_t *n_kvs)
{
    tdm__gguf *g = c->g;
    snprintf(c->where, sizeof c->where, "header");
    TDM_TRY(need(c, 4, "magic"));
    if (memcmp(g->bytes, "GGUF", 4) != 0)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s is no GGUF file: it does not begin with the bytes GGUF", file_of(c));
    c->pos = 4;
    TDM_TRY(take_u32(c, "version", &g->version));
    if (g->version > 0xffff && (g->version & 0xffff) == 0)
        TDM_FAIL(c->err, TDM_ERR_UNSUPPORTED, "%s is a big-endian GGUF file, only little-endian ones are read",
                 file_of(c));
    if (g->version < 2 || g->version > 3)
        TDM_FAIL(c->err, TDM_ERR_UNSUPPORTED, "%s has GGUF version %" PRIu32 ", versions 2 and 3 are read", file_of(c),
                 g->version);
    TDM_TRY(take_u64(c, "number of tensors", n_tensors));
    TDM_TRY(take_u64(c, "number of keys", n_kvs));
    uint64_t kvs_max = tdm__min_size(GGUF_KVS_MAX, bytes_left(c) / GGUF_KV_BYTES_MIN);
    uint64_t tensors_max = tdm__min_size(GGUF_TENSORS_MAX, bytes_left(c) / GGUF_TENSOR_BYTES_MIN);
    if (*n_kvs > kvs_max)
        TDM_FAIL(c->err, *n_kvs > GGUF_KVS_MAX ? TDM_ERR_LIMIT : TDM_ERR_FORMAT,
                 "%s: the header announces %" PRIu64 " keys, %" PRIu64 " is the most for a file of %zu bytes",
                 file_of(c), *n_kvs, kvs_max, g->len);
    if (*n_tensors > tensors_max)
        TDM_FAIL(c->err, *n_tensors > GGUF_TENSORS_MAX ? TDM_ERR_LIMIT : TDM_ERR_FORMAT,
                 "%s: the header announces %" PRIu64 " tensors, %" PRIu64 " is the most for a file of %zu bytes",
                 file_of(c), *n_tensors, tensors_max, g->len);
    return TDM_OK;
}

/* general.alignment, when the file has it. The keys are indexed by now. */
static tdm_status read_alignment(cursor *c)
{
    tdm__gguf *g = c->g;
    const tdm__gguf_kv *kv = tdm__gguf_find(g, "general.alignment");
    g->alignment = GGUF_ALIGNMENT_DEFAULT;
    if (!kv)
        return TDM_OK;
    if (kv->type != TDM__GGUF_U32)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: general.alignment is of type %s, u32 is needed", file_of(c),
                 tdm__gguf_type_name(kv->type));
    uint64_t a = kv->v.u;
    if (a < GGUF_ALIGNMENT_MIN || a > GGUF_ALIGNMENT_MAX || (a & (a - 1)) != 0)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: general.alignment is %" PRIu64 ", a power of two from %d to %d is needed",
                 file_of(c), a, GGUF_ALIGNMENT_MIN, GGUF_ALIGNMENT_MAX);
    g->alignment = (uint32_t)a;
    return TDM_OK;
}

/* A model in several files is refused before its missing tensors surprise anybody. */
static tdm_status check_split(cursor *c)
{
    uint64_t n_files = 1;
    TDM_TRY(tdm__gguf_get_u64(c->g, "split.count", &n_files, c->err));
    if (n_files > 1)
        TDM_FAIL(c->err, TDM_ERR_UNSUPPORTED,
                 "%s is one part of a model split into %" PRIu64 " files (split.count), only whole files are read",
                 file_of(c), n_files);
    return TDM_OK;
}

/* Where each tensor's bytes are. The data part begins at the first aligned byte behind the tensors' entries. */
static tdm_status place_tensors(cursor *c)
{
    tdm__gguf *g = c->g;
    size_t begin = tdm__align_up(c->pos, g->alignment); /* pos <= len, which is a mapping's or an object's size */
    for (size_t i = 0; i < g->n_tensors; i++) {
        tdm__gguf_tensor *t = &g->tensors[i];
        size_t n = begin < g->len ? g->len - begin : 0;
        if (t->n_bytes > n || t->offset > n - t->n_bytes)
            TDM_FAIL(c->err, TDM_ERR_FORMAT,
                     "%s: tensor %.*s has %" PRIu64 " bytes at offset %" PRIu64 ", the data part of the file has %zu",
                     file_of(c), TDM__GGUF_SHOWN(t->name), t->n_bytes, t->offset, n);
        t->data = g->bytes + begin + (size_t)t->offset;
    }
    return TDM_OK;
}

tdm_status tdm__gguf_read(tdm__gguf *g, tdm_error *err)
{
    cursor c = {.g = g, .err = err};
    uint64_t n_tensors, n_kvs;
    TDM_TRY(read_header(&c, &n_tensors, &n_kvs));
    g->kvs = tdm__calloc((size_t)n_kvs + 1, sizeof *g->kvs);
    g->tensors = tdm__calloc((size_t)n_tensors + 1, sizeof *g->tensors);
    if (!g->kvs || !g->tensors)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for an index of %" PRIu64 " keys and %" PRIu64 " tensors",
                 g->shown, n_kvs, n_tensors);
    for (; g->n_kvs < n_kvs; g->n_kvs++)
        TDM_TRY(read_kv(&c, g->n_kvs, &g->kvs[g->n_kvs]));
    TDM_TRY(tdm__gguf_index_kvs(g, err));
    TDM_TRY(check_split(&c));
    TDM_TRY(read_alignment(&c));
    for (; g->n_tensors < n_tensors; g->n_tensors++)
        TDM_TRY(read_tensor(&c, g->n_tensors, &g->tensors[g->n_tensors]));
    TDM_TRY(place_tensors(&c));
    return tdm__gguf_index_tensors(g, err);
}
