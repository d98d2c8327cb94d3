/* gguf_dump.c - everything that the GGUF reader sees in a file, as text, for tools/gguf_check.py to compare.
 *
 *     kv KEY TYPE VALUE            strings as hex, arrays as "ELEMENT_TYPE LENGTH ELEMENT.."
 *     tensor NAME TYPE OFFSET BYTES DIM..    the offset is that in the file
 */
#include <inttypes.h>
#include <stdio.h>

#include "model/gguf.h"

static void print_hex(tdm__str s)
{
    putchar('=');
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", (unsigned char)s.ptr[i]);
}

static void print_array(const tdm__gguf *g, const tdm__gguf_kv *kv)
{
    tdm__gguf_type type = kv->v.array.type;
    printf("%s %" PRIu64, tdm__gguf_type_name(type), kv->v.array.len);
    for (uint64_t i = 0; i < kv->v.array.len; i++) {
        putchar(' ');
        if (type == TDM__GGUF_STRING)
            print_hex(tdm__gguf_array_str(g, kv, i));
        else if (type == TDM__GGUF_F32 || type == TDM__GGUF_F64)
            printf("%a", tdm__gguf_array_f64(kv, i));
        else
            printf("%" PRIi64, tdm__gguf_array_i64(kv, i));
    }
}

static void print_kv(const tdm__gguf *g, const tdm__gguf_kv *kv)
{
    printf("kv %.*s %s ", (int)kv->key.len, kv->key.ptr, tdm__gguf_type_name(kv->type));
    switch (kv->type) {
    case TDM__GGUF_STRING:
        print_hex(kv->v.s);
        break;
    case TDM__GGUF_ARRAY:
        print_array(g, kv);
        break;
    case TDM__GGUF_F32:
    case TDM__GGUF_F64:
        printf("%a", kv->v.f);
        break;
    case TDM__GGUF_I8:
    case TDM__GGUF_I16:
    case TDM__GGUF_I32:
    case TDM__GGUF_I64:
        printf("%" PRIi64, kv->v.i);
        break;
    default:
        printf("%" PRIu64, kv->v.u);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    tdm__gguf *g;
    tdm_error err;
    if (argc != 2) {
        fprintf(stderr, "usage: gguf_dump FILE\n");
        return 2;
    }
    if (tdm__gguf_open(argv[1], &g, &err) != TDM_OK) {
        fprintf(stderr, "gguf_dump: %s\n", err.msg);
        return 1;
    }
    for (size_t i = 0; i < tdm__gguf_kv_count(g); i++)
        print_kv(g, tdm__gguf_kv_at(g, i));
    const unsigned char *file = tdm__gguf_bytes(g);
    for (size_t i = 0; i < tdm__gguf_tensor_count(g); i++) {
        const tdm__gguf_tensor *t = tdm__gguf_tensor_at(g, i);
        printf("tensor %.*s %d %td %" PRIu64, (int)t->name.len, t->name.ptr, (int)t->type, t->data - file, t->n_bytes);
        for (uint32_t d = 0; d < t->n_dims; d++)
            printf(" %" PRIu64, t->dims[d]);
        putchar('\n');
    }
    tdm__gguf_close(g);
    return 0;
}
