/* gguf_get.c - life of an open GGUF, and typed reads from its index. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/gguf_internal.h"
#include "os/heap.h"

static const struct {
    const char *name;
    size_t bytes; /* 0: not fixed */
} types[TDM__GGUF_TYPE_COUNT] = {
    [TDM__GGUF_U8] = {"u8", 1},     [TDM__GGUF_I8] = {"i8", 1},         [TDM__GGUF_U16] = {"u16", 2},
    [TDM__GGUF_I16] = {"i16", 2},   [TDM__GGUF_U32] = {"u32", 4},       [TDM__GGUF_I32] = {"i32", 4},
    [TDM__GGUF_F32] = {"f32", 4},   [TDM__GGUF_BOOL] = {"bool", 1},     [TDM__GGUF_STRING] = {"string", 0},
    [TDM__GGUF_ARRAY] = {"array", 0}, [TDM__GGUF_U64] = {"u64", 8},     [TDM__GGUF_I64] = {"i64", 8},
    [TDM__GGUF_F64] = {"f64", 8},
};

const char *tdm__gguf_type_name(tdm__gguf_type type) { return types[type].name; }

size_t tdm__gguf_type_bytes(tdm__gguf_type type) { return types[type].bytes; }

void tdm__gguf_load_scalar(tdm__gguf_type type, const unsigned char *p, tdm__gguf_value *v)
{
    size_t n = tdm__gguf_type_bytes(type);
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)p[i] << (8 * i);
    switch (type) {
    case TDM__GGUF_I8:
        v->i = (int8_t)bits;
        break;
    case TDM__GGUF_I16:
        v->i = (int16_t)bits;
        break;
    case TDM__GGUF_I32:
        v->i = (int32_t)bits;
        break;
    case TDM__GGUF_I64:
        v->i = (int64_t)bits;
        break;
    case TDM__GGUF_F32: {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, sizeof f);
        v->f = (double)f;
        break;
    }
    case TDM__GGUF_F64:
        memcpy(&v->f, &bits, sizeof v->f);
        break;
    default:
        assert(n > 0);
        v->u = bits;
    }
}

/* Takes the map over, also on failure. */
static tdm_status gguf_create(tdm__map map, const void *bytes, size_t len, const char *name, tdm__gguf **out,
                              tdm_error *err)
{
    size_t name_len = strlen(name);
    tdm__gguf *g = tdm__calloc(1, sizeof *g);
    char *copy = tdm__malloc(name_len + 1);
    if (!g || !copy) {
        tdm__free(g);
        tdm__free(copy);
        tdm__map_close(&map);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory to open a model file");
    }
    memcpy(copy, name, name_len + 1);
    *g = (tdm__gguf){.path = copy, .map = map, .bytes = bytes, .len = len};
    bool whole = name_len < sizeof g->shown;
    const char *tail = whole ? name : name + name_len - (sizeof g->shown - 4);
    while (!whole && ((unsigned char)*tail & 0xc0) == 0x80) /* not from within a character */
        tail++;
    snprintf(g->shown, sizeof g->shown, "%s%s", whole ? "" : "...", tail);
    tdm_status s = tdm__gguf_read(g, err);
    if (s < 0) {
        tdm__gguf_close(g);
        return s;
    }
    *out = g;
    return TDM_OK;
}

tdm_status tdm__gguf_open(const char *path, tdm__gguf **out, tdm_error *err)
{
    tdm__map map;
    int rc = tdm__map_open(path, &map);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be opened", path);
    return gguf_create(map, map.ptr, map.len, path, out, err);
}

tdm_status tdm__gguf_parse(const void *bytes, size_t len, const char *name, tdm__gguf **out, tdm_error *err)
{
    return gguf_create((tdm__map){0}, bytes, len, name, out, err);
}

void tdm__gguf_close(tdm__gguf *g)
{
    if (!g)
        return;
    tdm__free(g->kvs);
    tdm__free(g->tensors);
    tdm__free((void *)g->kvs_by_key);
    tdm__free((void *)g->tensors_by_name);
    tdm__free(g->strings);
    tdm__free(g->path);
    tdm__map_close(&g->map);
    tdm__free(g);
}

const tdm__map *tdm__gguf_map(const tdm__gguf *g) { return g->map.ptr ? &g->map : NULL; }

bool tdm__gguf_is_intact(const tdm__gguf *g) { return tdm__map_is_intact(&g->map); }
const char *tdm__gguf_path(const tdm__gguf *g) { return g->path; }
const char *tdm__gguf_name(const tdm__gguf *g) { return g->shown; }
uint32_t tdm__gguf_version(const tdm__gguf *g) { return g->version; }
size_t tdm__gguf_file_bytes(const tdm__gguf *g) { return g->len; }
const unsigned char *tdm__gguf_bytes(const tdm__gguf *g) { return g->bytes; }
size_t tdm__gguf_kv_count(const tdm__gguf *g) { return g->n_kvs; }
size_t tdm__gguf_tensor_count(const tdm__gguf *g) { return g->n_tensors; }

const tdm__gguf_kv *tdm__gguf_kv_at(const tdm__gguf *g, size_t i)
{
    assert(i < g->n_kvs);
    return &g->kvs[i];
}

const tdm__gguf_tensor *tdm__gguf_tensor_at(const tdm__gguf *g, size_t i)
{
    assert(i < g->n_tensors);
    return &g->tensors[i];
}

static bool type_is_signed(tdm__gguf_type t)
{
    return t == TDM__GGUF_I8 || t == TDM__GGUF_I16 || t == TDM__GGUF_I32 || t == TDM__GGUF_I64;
}

static bool type_is_unsigned(tdm__gguf_type t)
{
    return t == TDM__GGUF_U8 || t == TDM__GGUF_U16 || t == TDM__GGUF_U32 || t == TDM__GGUF_U64;
}

static tdm_status wrong_type(const tdm__gguf *g, const tdm__gguf_kv *kv, const char *wanted, tdm_error *err)
{
    TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.*s is of type %s, %s is needed", g->shown, TDM__GGUF_SHOWN(kv->key),
             tdm__gguf_type_name(kv->type), wanted);
}

tdm_status tdm__gguf_get_u64(const tdm__gguf *g, const char *key, uint64_t *out, tdm_error *err)
{
    const tdm__gguf_kv *kv = tdm__gguf_find(g, key);
    if (!kv)
        return TDM_END;
    if (type_is_signed(kv->type)) {
        if (kv->v.i < 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.*s is %" PRIi64 ", the least allowed is 0", g->shown,
                     TDM__GGUF_SHOWN(kv->key), kv->v.i);
        *out = (uint64_t)kv->v.i;
        return TDM_OK;
    }
    if (!type_is_unsigned(kv->type))
        return wrong_type(g, kv, "an integer", err);
    *out = kv->v.u;
    return TDM_OK;
}

tdm_status tdm__gguf_get_f32(const tdm__gguf *g, const char *key, float *out, tdm_error *err)
{
    const tdm__gguf_kv *kv = tdm__gguf_find(g, key);
    if (!kv)
        return TDM_END;
    if (kv->type != TDM__GGUF_F32 && kv->type != TDM__GGUF_F64)
        return wrong_type(g, kv, "a real number", err);
    float f = (float)kv->v.f;
    if (!isfinite(f))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.*s is %g, a finite number is needed", g->shown, TDM__GGUF_SHOWN(kv->key),
                 kv->v.f);
    *out = f;
    return TDM_OK;
}

tdm_status tdm__gguf_get_bool(const tdm__gguf *g, const char *key, bool *out, tdm_error *err)
{
    const tdm__gguf_kv *kv = tdm__gguf_find(g, key);
    if (!kv)
        return TDM_END;
    if (kv->type != TDM__GGUF_BOOL)
        return wrong_type(g, kv, "a bool", err);
    *out = kv->v.u != 0;
    return TDM_OK;
}

tdm_status tdm__gguf_get_str(const tdm__gguf *g, const char *key, tdm__str *out, tdm_error *err)
{
    const tdm__gguf_kv *kv = tdm__gguf_find(g, key);
    if (!kv)
        return TDM_END;
    if (kv->type != TDM__GGUF_STRING)
        return wrong_type(g, kv, "a string", err);
    *out = kv->v.s;
    return TDM_OK;
}

tdm_status tdm__gguf_get_array(const tdm__gguf *g, const char *key, tdm__gguf_type element, const tdm__gguf_kv **out,
                               tdm_error *err)
{
    const tdm__gguf_kv *kv = tdm__gguf_find(g, key);
    if (!kv)
        return TDM_END;
    if (kv->type != TDM__GGUF_ARRAY)
        return wrong_type(g, kv, "an array", err);
    if (kv->v.array.type != element)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.*s is an array of %s, one of %s is needed", g->shown,
                 TDM__GGUF_SHOWN(kv->key), tdm__gguf_type_name(kv->v.array.type), tdm__gguf_type_name(element));
    *out = kv;
    return TDM_OK;
}

tdm__str tdm__gguf_array_str(const tdm__gguf *g, const tdm__gguf_kv *kv, uint64_t i)
{
    assert(kv->type == TDM__GGUF_ARRAY && kv->v.array.type == TDM__GGUF_STRING && i < kv->v.array.len);
    const unsigned char *at = g->bytes + g->strings[kv->v.array.first_string + i];
    return (tdm__str){(const char *)at + 8, (size_t)tdm__gguf_load_u64(at)};
}

static tdm__gguf_value array_scalar(const tdm__gguf_kv *kv, uint64_t i)
{
    assert(kv->type == TDM__GGUF_ARRAY && i < kv->v.array.len);
    tdm__gguf_value v;
    tdm__gguf_load_scalar(kv->v.array.type, kv->v.array.bytes + i * tdm__gguf_type_bytes(kv->v.array.type), &v);
    return v;
}

int64_t tdm__gguf_array_i64(const tdm__gguf_kv *kv, uint64_t i)
{
    tdm__gguf_value v = array_scalar(kv, i);
    if (type_is_signed(kv->v.array.type))
        return v.i;
    assert(type_is_unsigned(kv->v.array.type) || kv->v.array.type == TDM__GGUF_BOOL);
    return v.u > INT64_MAX ? INT64_MAX : (int64_t)v.u;
}

double tdm__gguf_array_f64(const tdm__gguf_kv *kv, uint64_t i)
{
    assert(kv->v.array.type == TDM__GGUF_F32 || kv->v.array.type == TDM__GGUF_F64);
    return array_scalar(kv, i).f;
}
