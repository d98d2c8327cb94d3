/* test_gguf.c - the GGUF reader: right files come back as they were made, wrong ones are refused in a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf_maker.h"
#include "model/model.h"

typedef void (*change_fn)(tdm__maker *m);

static tdm_status parse_made(const tdm__maker *m, tdm__gguf **out, unsigned char **bytes, tdm_error *err)
{
    size_t len;
    *bytes = tdm__maker_bytes(m, &len);
    return tdm__gguf_parse(*bytes, len, "made.gguf", out, err);
}

static void add_every_type(tdm__maker *m)
{
    tdm__maker_u32(m, "general.alignment", 64);
    m->alignment = 64;
    tdm__maker_u8(m, "u8", 255);
    tdm__maker_i8(m, "i8", -128);
    tdm__maker_u16(m, "u16", 65535);
    tdm__maker_i16(m, "i16", -32768);
    tdm__maker_u32(m, "u32", UINT32_MAX);
    tdm__maker_i32(m, "i32", INT32_MIN);
    tdm__maker_u64(m, "u64", UINT64_MAX);
    tdm__maker_i64(m, "i64", INT64_MIN);
    tdm__maker_f32(m, "f32", 0.1f);
    tdm__maker_f64(m, "f64", 0.1);
    tdm__maker_bool(m, "bool", true);
    tdm__maker_strn(m, "string", TDM_STR("a\0b"));
    tdm__maker_array_str(m, "strings", (const char *const[]){"", "b", "cde"}, 3);
    tdm__maker_array_i32(m, "ints", (const int32_t[]){1, -2}, 2);
    tdm__maker_array_f32(m, "floats", (const float[]){0.5f, -1}, 2);
    tdm__maker_array_raw(m, "u64s", TDM__GGUF_U64, 2, (const uint64_t[]){7, UINT64_MAX}, 16);
    tdm__maker_array_raw(m, "nothing", TDM__GGUF_STRING, 0, NULL, 0);
    tdm__maker_tensor_add(m, "x", TDM__TYPE_F32, 2, (uint64_t[]){3, 2}, "abcdefghijklmnopqrstuvwx", 24);
    tdm__maker_tensor_add(m, "y", TDM__TYPE_Q4_0, 3, (uint64_t[]){32, 2, 3}, NULL, 108);
}

static void every_value_type_comes_back(void **state)
{
    (void)state;
    static tdm__maker m;
    tdm__gguf *g;
    unsigned char *bytes;
    tdm__maker_init(&m);
    add_every_type(&m);
    assert_int_equal(parse_made(&m, &g, &bytes, NULL), TDM_OK);

    assert_int_equal(tdm__gguf_version(g), 3);
    assert_int_equal(tdm__gguf_kv_count(g), 18);
    assert_int_equal(tdm__gguf_find(g, "u8")->v.u, 255);
    assert_int_equal(tdm__gguf_find(g, "i8")->v.i, -128);
    assert_int_equal(tdm__gguf_find(g, "u16")->v.u, 65535);
    assert_int_equal(tdm__gguf_find(g, "i16")->v.i, -32768);
    assert_int_equal(tdm__gguf_find(g, "u32")->v.u, UINT32_MAX);
    assert_int_equal(tdm__gguf_find(g, "i32")->v.i, INT32_MIN);
    assert_true(tdm__gguf_find(g, "u64")->v.u == UINT64_MAX);
    assert_true(tdm__gguf_find(g, "i64")->v.i == INT64_MIN);
    assert_true(tdm__gguf_find(g, "f32")->v.f == (double)0.1f);
    assert_true(tdm__gguf_find(g, "f64")->v.f == 0.1);
    assert_null(tdm__gguf_find(g, "u"));
    assert_null(tdm__gguf_find(g, "u88"));
    assert_null(tdm__gguf_find(g, ""));

    const tdm__gguf_kv *a;
    assert_int_equal(tdm__gguf_get_array(g, "strings", TDM__GGUF_STRING, &a, NULL), TDM_OK);
    assert_int_equal(a->v.array.len, 3);
    assert_true(tdm__str_eq(tdm__gguf_array_str(g, a, 0), TDM_STR("")));
    assert_true(tdm__str_eq(tdm__gguf_array_str(g, a, 2), TDM_STR("cde")));
    assert_int_equal(tdm__gguf_get_array(g, "ints", TDM__GGUF_I32, &a, NULL), TDM_OK);
    assert_int_equal(tdm__gguf_array_i64(a, 1), -2);
    assert_int_equal(tdm__gguf_get_array(g, "floats", TDM__GGUF_F32, &a, NULL), TDM_OK);
    assert_true(tdm__gguf_array_f64(a, 1) == -1.0);
    assert_int_equal(tdm__gguf_get_array(g, "u64s", TDM__GGUF_U64, &a, NULL), TDM_OK);
    assert_true(tdm__gguf_array_i64(a, 1) == INT64_MAX);
    assert_int_equal(tdm__gguf_get_array(g, "nothing", TDM__GGUF_STRING, &a, NULL), TDM_OK);
    assert_int_equal(a->v.array.len, 0);

    const tdm__gguf_tensor *x = tdm__gguf_tensor_find(g, TDM_STR("x")), *y = tdm__gguf_tensor_find(g, TDM_STR("y"));
    assert_memory_equal(x->data, "abcdefghijklmnopqrstuvwx", 24);
    assert_int_equal(x->dims[0], 3);
    assert_int_equal(x->dims[1], 2);
    assert_int_equal(x->dims[3], 1);
    assert_int_equal(y->n_bytes, 108);
    assert_int_equal(y->offset, 64);
    assert_int_equal((size_t)(y->data - bytes) % 64, 0);
    assert_null(tdm__gguf_tensor_find(g, TDM_STR("z")));
    tdm__gguf_close(g);
    free(bytes);
    tdm__maker_fini(&m);
}

static void typed_reads_refuse_other_kinds_and_leave_absent_values(void **state)
{
    (void)state;
    static tdm__maker m;
    tdm__gguf *g;
    unsigned char *bytes;
    tdm_error err = {0};
    tdm__maker_init(&m);
    add_every_type(&m);
    tdm__maker_f64(&m, "huge", 1e300);
    tdm__maker_f32(&m, "nan", NAN);
    tdm__maker_i16(&m, "nine", 9);
    assert_int_equal(parse_made(&m, &g, &bytes, NULL), TDM_OK);

    uint64_t u = 5;
    float f = 5;
    bool b = true;
    tdm__str s = TDM_STR("kept");
    const tdm__gguf_kv *a = NULL;
    assert_int_equal(tdm__gguf_get_u64(g, "absent", &u, &err), TDM_END);
    assert_int_equal(tdm__gguf_get_f32(g, "absent", &f, &err), TDM_END);
    assert_int_equal(tdm__gguf_get_bool(g, "absent", &b, &err), TDM_END);
    assert_int_equal(tdm__gguf_get_str(g, "absent", &s, &err), TDM_END);
    assert_int_equal(tdm__gguf_get_array(g, "absent", TDM__GGUF_I32, &a, &err), TDM_END);
    assert_int_equal(err.code, TDM_OK);

    assert_int_equal(tdm__gguf_get_u64(g, "i32", &u, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "made.gguf: i32 is -2147483648, the least allowed is 0");
    assert_int_equal(tdm__gguf_get_u64(g, "f32", &u, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "made.gguf: f32 is of type f32, an integer is needed");
    assert_int_equal(tdm__gguf_get_u64(g, "bool", &u, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_f32(g, "u32", &f, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_f32(g, "huge", &f, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_f32(g, "nan", &f, &err), TDM_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "a finite number is needed"));
    assert_int_equal(tdm__gguf_get_bool(g, "u8", &b, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_str(g, "strings", &s, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_array(g, "string", TDM__GGUF_STRING, &a, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__gguf_get_array(g, "ints", TDM__GGUF_F32, &a, &err), TDM_ERR_FORMAT);
    assert_string_equal(err.msg, "made.gguf: ints is an array of i32, one of f32 is needed");
    assert_true(u == 5 && f == 5 && b && tdm__str_eq(s, TDM_STR("kept")) && !a);

    assert_int_equal(tdm__gguf_get_u64(g, "nine", &u, &err), TDM_OK);
    assert_int_equal(u, 9);
    assert_int_equal(tdm__gguf_get_f32(g, "f64", &f, &err), TDM_OK);
    assert_true(f == 0.1f);
    assert_int_equal(tdm__gguf_get_str(g, "string", &s, &err), TDM_OK);
    assert_true(tdm__str_eq(s, TDM_STR("a\0b")));
    tdm__gguf_close(g);
    free(bytes);
    tdm__maker_fini(&m);
}

/* The smallest file that the changes below start from: keys a, b; tensors x (32 bytes), y (64 bytes). */
static void add_small(tdm__maker *m)
{
    tdm__maker_u32(m, "a", 1);
    tdm__maker_str(m, "b", "text");
    tdm__maker_tensor_add(m, "x", TDM__TYPE_F32, 1, (uint64_t[]){8}, NULL, 32);
    tdm__maker_tensor_add(m, "y", TDM__TYPE_F32, 2, (uint64_t[]){4, 4}, NULL, 64);
}

static void bad_magic(tdm__maker *m) { m->magic[3] = 'X'; }
static void version_1(tdm__maker *m) { m->version = 1; }
static void version_4(tdm__maker *m) { m->version = 4; }
static void big_endian(tdm__maker *m) { m->version = 0x03000000; }
static void many_keys(tdm__maker *m) { m->n_kv = UINT64_MAX; }
static void more_keys_than_bytes(tdm__maker *m) { m->n_kv = 100; }
static void one_key_more(tdm__maker *m) { m->n_kv++; }
static void one_key_less(tdm__maker *m) { m->n_kv--; }
static void many_tensors(tdm__maker *m) { m->n_tensors = (uint64_t)1 << 61; }
static void more_tensors_than_bytes(tdm__maker *m) { m->n_tensors = 100; }
static void one_tensor_more(tdm__maker *m) { m->n_tensors++; }
static void value_type_13(tdm__maker *m) { tdm__maker_raw(m, "c", 13, "", 1); }
static void empty_key(tdm__maker *m) { tdm__maker_u8(m, "", 1); }
static void key_with_newline(tdm__maker *m) { tdm__maker_u8(m, "c\nd", 1); }
static void key_twice(tdm__maker *m) { tdm__maker_u8(m, "a", 1); }
static void bool_of_2(tdm__maker *m) { tdm__maker_raw(m, "c", TDM__GGUF_BOOL, "\2", 1); }
static void bools_of_2(tdm__maker *m) { tdm__maker_array_raw(m, "c", TDM__GGUF_BOOL, 3, "\0\1\2", 3); }
static void nested_array(tdm__maker *m) { tdm__maker_array_raw(m, "c", TDM__GGUF_ARRAY, 1, "", 1); }
static void element_type_99(tdm__maker *m) { tdm__maker_array_raw(m, "c", 99, 1, "", 1); }
static void array_beyond_file(tdm__maker *m) { tdm__maker_array_raw(m, "c", TDM__GGUF_I32, 1000, "", 1); }
static void array_product_wraps(tdm__maker *m)
{
    tdm__maker_array_raw(m, "c", TDM__GGUF_U64, ((uint64_t)1 << 61) + 1, "", 1);
}
static void strings_beyond_file(tdm__maker *m)
{
    tdm__maker_array_raw(m, "c", TDM__GGUF_STRING, (uint64_t)1 << 61, "", 1);
}
static void string_in_array_beyond_file(tdm__maker *m)
{
    tdm__maker_array_raw(m, "c", TDM__GGUF_STRING, 2, (const uint64_t[]){0, UINT64_MAX}, 16);
}
static void string_beyond_file(tdm__maker *m)
{
    tdm__maker_raw(m, "c", TDM__GGUF_STRING, &(uint64_t){UINT64_MAX - 7}, 8);
}
static void split_in_two(tdm__maker *m) { tdm__maker_u16(m, "split.count", 2); }
static void split_negative(tdm__maker *m) { tdm__maker_i16(m, "split.count", -1); }
static void alignment_0(tdm__maker *m) { tdm__maker_u32(m, "general.alignment", 0); }
static void alignment_1(tdm__maker *m) { tdm__maker_u32(m, "general.alignment", 1); }
static void alignment_48(tdm__maker *m) { tdm__maker_u32(m, "general.alignment", 48); }
static void alignment_huge(tdm__maker *m) { tdm__maker_u32(m, "general.alignment", 0x80000000u); }
static void alignment_of_u64(tdm__maker *m) { tdm__maker_u64(m, "general.alignment", 32); }
static void no_dims(tdm__maker *m) { m->tensors[0].n_dims = 0; }
static void five_dims(tdm__maker *m) { m->tensors[0].n_dims = 5; }
static void zero_dim(tdm__maker *m) { m->tensors[1].dims[1] = 0; }
static void values_wrap(tdm__maker *m) { m->tensors[1].dims[0] = m->tensors[1].dims[1] = (uint64_t)1 << 32; }
static void values_beyond_signed(tdm__maker *m) { m->tensors[0].dims[0] = (uint64_t)1 << 63; }
static void bytes_wrap(tdm__maker *m) { m->tensors[0].dims[0] = (uint64_t)1 << 62; }
static void block_broken(tdm__maker *m) { m->tensors[0].type = TDM__TYPE_Q4_0; }
static void type_unknown(tdm__maker *m) { m->tensors[0].type = 16; }
static void type_beyond(tdm__maker *m) { m->tensors[0].type = UINT32_MAX; }
static void offset_unaligned(tdm__maker *m) { m->tensors[1].offset = 36; }
static void offset_beyond_file(tdm__maker *m) { m->tensors[1].offset = 128; }
static void offset_wraps(tdm__maker *m) { m->tensors[1].offset = UINT64_MAX - 31; }
static void tensor_larger_than_file(tdm__maker *m) { m->tensors[1].dims[0] = 1000; }
static void overlap(tdm__maker *m) { m->tensors[1].offset = 0; }
static void overlap_inside(tdm__maker *m) { m->tensors[0].offset = 64; }
static void tensor_twice(tdm__maker *m) { m->tensors[1].name[0] = 'x'; }
static void tensor_unnamed(tdm__maker *m) { m->tensors[1].name[0] = '\0'; }
static void tensor_name_long(tdm__maker *m) { memset(m->tensors[1].name, 'n', 65); }
static void tensor_name_not_ascii(tdm__maker *m) { m->tensors[1].name[0] = '\x80'; }

#define HOSTILE(change, status, sentence) {#change, change, status, sentence}

static const struct {
    const char *name;
    change_fn change;
    tdm_status status;
    const char *sentence; /* a part of it */
} hostile[] = {
    HOSTILE(bad_magic, TDM_ERR_FORMAT, "made.gguf is no GGUF file"),
    HOSTILE(version_1, TDM_ERR_UNSUPPORTED, "has GGUF version 1, versions 2 and 3 are read"),
    HOSTILE(version_4, TDM_ERR_UNSUPPORTED, "has GGUF version 4"),
    HOSTILE(big_endian, TDM_ERR_UNSUPPORTED, "is a big-endian GGUF file"),
    HOSTILE(many_keys, TDM_ERR_LIMIT, "announces 18446744073709551615 keys"),
    HOSTILE(more_keys_than_bytes, TDM_ERR_FORMAT, "announces 100 keys, "),
    HOSTILE(one_key_more, TDM_ERR_FORMAT, ""),
    HOSTILE(one_key_less, TDM_ERR_FORMAT, ""),
    HOSTILE(many_tensors, TDM_ERR_LIMIT, "announces 2305843009213693952 tensors"),
    HOSTILE(more_tensors_than_bytes, TDM_ERR_FORMAT, "announces 100 tensors, "),
    HOSTILE(one_tensor_more, TDM_ERR_FORMAT, "tensor 2"),
    HOSTILE(value_type_13, TDM_ERR_FORMAT, "c: the value type is 13, the highest known is 12"),
    HOSTILE(empty_key, TDM_ERR_FORMAT, "key 2: the key has 0 bytes, 1 to 65535 are allowed"),
    HOSTILE(key_with_newline, TDM_ERR_FORMAT, "key 2: byte 1 of the key is 0x0a, only printable ASCII is allowed"),
    HOSTILE(key_twice, TDM_ERR_FORMAT, "the key a comes twice"),
    HOSTILE(bool_of_2, TDM_ERR_FORMAT, "c: a bool is 2, only 0 and 1 are allowed"),
    HOSTILE(bools_of_2, TDM_ERR_FORMAT, "c: a bool is 2"),
    HOSTILE(nested_array, TDM_ERR_UNSUPPORTED, "c: arrays of arrays are not read"),
    HOSTILE(element_type_99, TDM_ERR_FORMAT, "c: the element type is 99"),
    HOSTILE(array_beyond_file, TDM_ERR_FORMAT, "c: the array length is 1000, the "),
    HOSTILE(array_product_wraps, TDM_ERR_FORMAT, "c: the array length is 2305843009213693953"),
    HOSTILE(strings_beyond_file, TDM_ERR_FORMAT, "c: the array length is 2305843009213693952"),
    HOSTILE(string_in_array_beyond_file, TDM_ERR_FORMAT, "c, a string of the array: 18446744073709551615 bytes"),
    HOSTILE(string_beyond_file, TDM_ERR_FORMAT, "c, string: 18446744073709551608 bytes are needed"),
    HOSTILE(split_in_two, TDM_ERR_UNSUPPORTED, "one part of a model split into 2 files (split.count)"),
    HOSTILE(split_negative, TDM_ERR_FORMAT, "split.count is -1"),
    HOSTILE(alignment_0, TDM_ERR_FORMAT, "general.alignment is 0, a power of two from 8 to 65536 is needed"),
    HOSTILE(alignment_1, TDM_ERR_FORMAT, "general.alignment is 1,"),
    HOSTILE(alignment_48, TDM_ERR_FORMAT, "general.alignment is 48,"),
    HOSTILE(alignment_huge, TDM_ERR_FORMAT, "general.alignment is 2147483648,"),
    HOSTILE(alignment_of_u64, TDM_ERR_FORMAT, "general.alignment is of type u64, u32 is needed"),
    HOSTILE(no_dims, TDM_ERR_FORMAT, "tensor x has 0 dimensions, 1 to 4 are allowed"),
    HOSTILE(five_dims, TDM_ERR_FORMAT, "tensor x has 5 dimensions"),
    HOSTILE(zero_dim, TDM_ERR_FORMAT, "tensor y: dimension 1 is 0"),
    HOSTILE(values_wrap, TDM_ERR_FORMAT, "tensor y: dimension 1 is 4294967296"),
    HOSTILE(values_beyond_signed, TDM_ERR_FORMAT, "tensor x: dimension 0 is 9223372036854775808"),
    HOSTILE(bytes_wrap, TDM_ERR_FORMAT, "tensor x: the size of 4611686018427387904 values of type F32 exceeds"),
    HOSTILE(block_broken, TDM_ERR_FORMAT, "tensor x: the row length 8 is no multiple of Q4_0's block of 32"),
    HOSTILE(type_unknown, TDM_ERR_UNSUPPORTED, "tensor x has tensor type 16"),
    HOSTILE(type_beyond, TDM_ERR_UNSUPPORTED, "tensor x has tensor type 4294967295"),
    HOSTILE(offset_unaligned, TDM_ERR_FORMAT, "tensor y: the offset 36 is no multiple of the alignment 32"),
    HOSTILE(offset_beyond_file, TDM_ERR_FORMAT, "y has 64 bytes at offset 128, the data part of the file has 96"),
    HOSTILE(offset_wraps, TDM_ERR_FORMAT, "tensor y has 64 bytes at offset 18446744073709551584"),
    HOSTILE(tensor_larger_than_file, TDM_ERR_FORMAT, "tensor y has 16000 bytes"),
    HOSTILE(overlap, TDM_ERR_FORMAT, "overlaps tensor"),
    HOSTILE(overlap_inside, TDM_ERR_FORMAT, "tensor y (64 bytes at offset 32) overlaps tensor x at offset 64"),
    HOSTILE(tensor_twice, TDM_ERR_FORMAT, "the tensor x comes twice"),
    HOSTILE(tensor_unnamed, TDM_ERR_FORMAT, "tensor 1: the name has 0 bytes, 1 to 64 are allowed"),
    HOSTILE(tensor_name_long, TDM_ERR_FORMAT, "tensor 1: the name has 65 bytes"),
    HOSTILE(tensor_name_not_ascii, TDM_ERR_FORMAT, "tensor 1: byte 0 of the name is 0x80"),
};

static void hostile_files_are_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        static tdm__maker m;
        tdm__gguf *g = NULL;
        unsigned char *bytes;
        tdm_error err = {0};
        tdm__maker_init(&m);
        add_small(&m);
        hostile[i].change(&m);
        tdm_status s = parse_made(&m, &g, &bytes, &err);
        bool said = strstr(err.msg, hostile[i].sentence) && strstr(err.msg, "made.gguf");
        if (s != hostile[i].status || err.code != s || !said)
            fail_msg("%s: %s: \"%s\", \"%s\" was expected", hostile[i].name, tdm_status_name(s), err.msg,
                     hostile[i].sentence);
        assert_null(g);
        free(bytes);
        tdm__maker_fini(&m);
    }
}

/* Whatever parses, its index points into the file. */
static void walk(const tdm__gguf *g, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < tdm__gguf_tensor_count(g); i++) {
        const tdm__gguf_tensor *t = tdm__gguf_tensor_at(g, i);
        assert_true(t->data >= bytes && t->n_bytes <= len && (size_t)(t->data - bytes) <= len - t->n_bytes);
    }
    for (size_t i = 0; i < tdm__gguf_kv_count(g); i++) {
        const tdm__gguf_kv *kv = tdm__gguf_kv_at(g, i);
        if (kv->type != TDM__GGUF_ARRAY || kv->v.array.type != TDM__GGUF_STRING)
            continue;
        for (uint64_t k = 0; k < kv->v.array.len; k++) {
            tdm__str s = tdm__gguf_array_str(g, kv, k);
            const unsigned char *at = (const unsigned char *)s.ptr;
            assert_true(at >= bytes && s.len <= len && (size_t)(at - bytes) <= len - s.len);
        }
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static tdm__maker m;
    size_t len;
    tdm__maker_init(&m);
    add_every_type(&m);
    unsigned char *bytes = tdm__maker_bytes(&m, &len);
    for (size_t n = 0; n <= len; n++) {
        unsigned char *prefix = malloc(n + (n == 0));
        assert_non_null(prefix);
        memcpy(prefix, bytes, n);
        tdm__gguf *g = NULL;
        tdm_error err = {0};
        tdm_status s = tdm__gguf_parse(prefix, n, "cut.gguf", &g, &err);
        if ((s == TDM_OK) != (n == len) || (s < 0 && !strstr(err.msg, "cut.gguf")))
            fail_msg("%zu of %zu bytes: %s \"%s\"", n, len, tdm_status_name(s), err.msg);
        tdm__gguf_close(g);
        free(prefix);
    }
    free(bytes);
    tdm__maker_fini(&m);
}

static void every_flipped_bit_is_read_or_refused(void **state)
{
    (void)state;
    static tdm__maker m;
    size_t len, n_read = 0;
    tdm__maker_init(&m);
    add_every_type(&m);
    unsigned char *bytes = tdm__maker_bytes(&m, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << (bit % 8));
        tdm__gguf *g = NULL;
        tdm_error err = {0};
        if (tdm__gguf_parse(bytes, len, "flipped.gguf", &g, &err) == TDM_OK) {
            walk(g, bytes, len);
            n_read++;
        } else {
            assert_null(g);
            assert_non_null(strstr(err.msg, "flipped.gguf"));
        }
        tdm__gguf_close(g);
        bytes[bit / 8] ^= (unsigned char)(1u << (bit % 8));
    }
    assert_true(n_read > 0 && n_read < len * 8); /* values may change, the structure may not */
    free(bytes);
    tdm__maker_fini(&m);
}

static void sixty_thousand_look_alike_names_are_found(void **state)
{
    (void)state;
    static tdm__maker m;
    enum { N = 65536 };
    tdm__maker_init(&m);
    for (size_t i = 0; i < N; i++) {
        char key[40];
        snprintf(key, sizeof key, "%s%05zu", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", (i * 40503) % N); /* 40503 is odd */
        tdm__maker_u8(&m, key, 1);
    }
    tdm__gguf *g;
    unsigned char *bytes;
    tdm_error err = {0};
    assert_int_equal(parse_made(&m, &g, &bytes, &err), TDM_OK);
    for (size_t i = 0; i < N; i++) {
        const tdm__gguf_kv *kv = tdm__gguf_kv_at(g, i);
        char key[40];
        snprintf(key, sizeof key, "%.*s", (int)kv->key.len, kv->key.ptr);
        assert_ptr_equal(tdm__gguf_find(g, key), kv);
    }
    tdm__gguf_close(g);
    free(bytes);
    tdm__maker_u8(&m, "one.more", 1);
    assert_int_equal(parse_made(&m, &g, &bytes, &err), TDM_ERR_LIMIT);
    assert_non_null(strstr(err.msg, "announces 65537 keys, 65536 is the most"));
    free(bytes);
    tdm__maker_fini(&m);
}

static void files_that_cannot_be_opened_are_named(void **state)
{
    (void)state;
    tdm__gguf *g = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__gguf_open("/nonexistent/model.gguf", &g, &err), TDM_ERR_NOT_FOUND);
    assert_string_equal(err.msg, "/nonexistent/model.gguf cannot be opened: No such file or directory");
    assert_int_equal(tdm__gguf_open("/", &g, &err), TDM_ERR_IO);
    assert_string_equal(err.msg, "/ cannot be opened: Is a directory");
    assert_int_equal(tdm__gguf_open("/dev/null", &g, &err), TDM_ERR_IO);
    assert_null(g);

    char path[] = "/tmp/tandem_test_gguf_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tdm__gguf_open(path, &g, &err), TDM_ERR_FORMAT); /* an empty file */
    assert_non_null(strstr(err.msg, "header, magic: 4 bytes are needed at byte 0, the file has 0 left"));
    static tdm__maker m;
    tdm__maker_init(&m);
    add_small(&m);
    assert_int_equal(tdm__maker_write(&m, path), 0);
    assert_int_equal(tdm__gguf_open(path, &g, &err), TDM_OK);
    unlink(path);
    assert_int_equal(tdm__gguf_find(g, "a")->v.u, 1); /* deleted while open: the mapping stays */
    assert_string_equal(tdm__gguf_path(g), path);
    tdm__gguf_close(g);
    tdm__maker_fini(&m);
}

static void long_paths_leave_room_for_the_sentence(void **state)
{
    (void)state;
    char name[600];
    tdm__gguf *g = NULL;
    tdm_error err = {0};
    memset(name, 'd', sizeof name);
    memcpy(name + sizeof name - 12, "/model.gguf", 12);
    assert_int_equal(tdm__gguf_parse("XXXXXXXX", 8, name, &g, &err), TDM_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "/model.gguf is no GGUF file: it does not begin with the bytes GGUF"));
    assert_memory_equal(err.msg, "...ddd", 6);

    static tdm__maker m; /* nor do the sentences of those who read from an open file */
    tdm__model *model = NULL;
    size_t len;
    tdm__maker_init(&m);
    add_small(&m);
    unsigned char *bytes = tdm__maker_bytes(&m, &len);
    memcpy(name + sizeof name - 126, "\xc3\xa9", 2); /* the tail would begin inside this character */
    assert_int_equal(tdm__gguf_parse(bytes, len, name, &g, &err), TDM_OK);
    assert_memory_equal(tdm__gguf_name(g), "...ddd", 6);
    assert_int_equal(tdm__model_bind(g, NULL, &model, &err), TDM_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "/model.gguf: key general.architecture is missing"));
    tdm__gguf_close(g);
    free(bytes);
    tdm__maker_fini(&m);
}

static void tensors_that_would_be_left_out_are_refused(void **state)
{
    (void)state;
    static const char *const sizes[] = {"block_count", "embedding_length", "feed_forward_length", "context_length",
                                        "attention.head_count"};
    static const char *const parts[] = {"rope_freqs.weight", "rope_factors_long.weight", "blk.0.ffn_up.bias",
                                        "blk.0.attn_k_norm.weight", "output.bias"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        static tdm__maker m;
        char key[64];
        float ones[16] = {1, 1};
        tdm__maker_init(&m);
        tdm__maker_str(&m, "general.architecture", "qwen2");
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            snprintf(key, sizeof key, "qwen2.%s", sizes[k]);
            tdm__maker_u32(&m, key, k == 1 ? 4 : 1);
        }
        tdm__maker_tensor_add(&m, "token_embd.weight", TDM__TYPE_F32, 2, (uint64_t[]){4, 2}, ones, 32);
        tdm__maker_tensor_add(&m, "output_norm.weight", TDM__TYPE_F32, 1, (uint64_t[]){4}, ones, 16);
        tdm__maker_tensor_add(&m, parts[i], TDM__TYPE_F32, 1, (uint64_t[]){2}, ones, 8);
        tdm__gguf *g = NULL;
        tdm__model *model = NULL;
        unsigned char *bytes;
        tdm_error err = {0};
        assert_int_equal(parse_made(&m, &g, &bytes, &err), TDM_OK);
        assert_int_equal(tdm__model_bind(g, NULL, &model, &err), TDM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.msg, parts[i]));
        tdm__gguf_close(g);
        free(bytes);
        tdm__maker_fini(&m);
    }
}

static void version_2_and_a_bare_header_are_read(void **state)
{
    (void)state;
    static tdm__maker m;
    tdm__gguf *g;
    unsigned char *bytes;
    tdm__maker_init(&m);
    m.version = 2;
    assert_int_equal(parse_made(&m, &g, &bytes, NULL), TDM_OK);
    assert_int_equal(tdm__gguf_version(g), 2);
    assert_int_equal(tdm__gguf_kv_count(g) + tdm__gguf_tensor_count(g), 0);
    assert_null(tdm__gguf_find(g, "a"));
    tdm__gguf_close(g);
    free(bytes);
    tdm__maker_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_type_comes_back),
        cmocka_unit_test(typed_reads_refuse_other_kinds_and_leave_absent_values),
        cmocka_unit_test(hostile_files_are_refused_with_a_sentence),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_read_or_refused),
        cmocka_unit_test(sixty_thousand_look_alike_names_are_found),
        cmocka_unit_test(files_that_cannot_be_opened_are_named),
        cmocka_unit_test(long_paths_leave_room_for_the_sentence),
        cmocka_unit_test(tensors_that_would_be_left_out_are_refused),
        cmocka_unit_test(version_2_and_a_bare_header_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
