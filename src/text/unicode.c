/* unicode.c - UTF-8 one character at a time, and NFC in linear steps and n log n sorting.
 *
 * The vendors' normaliser knows Unicode 9, utf8proc a later one. So the generated tables say where runs begin: a run
 * is one character that NFC leaves alone followed by those that may join it, and only runs are normalised. A mark
 * that is younger than Unicode 9 begins a run of its own and so stays where it is, as with the vendors. Combining
 * marks are sorted here, since utf8proc's own sort takes the square of their number.
 */
#include "text/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "os/heap.h"

enum { DECOMPOSED_MAX = 4 }; /* code points that one decomposes to, canonically: UAX 15 */

size_t tdm__unicode_next(const unsigned char *p, const unsigned char *end, uint32_t *code_point)
{
    size_t left = (size_t)(end - p);
    unsigned c = p[0];
    if (c < 0x80) {
        *code_point = c;
        return 1;
    }
    if (c >= 0xC2 && c <= 0xDF && left >= 2 && (p[1] & 0xC0) == 0x80) {
        *code_point = (c & 0x1Fu) << 6 | (p[1] & 0x3Fu);
        return 2;
    }
    if ((c & 0xF0) == 0xE0 && left >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        uint32_t v = (c & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        if (v >= 0x800 && (v < 0xD800 || v > 0xDFFF)) {
            *code_point = v;
            return 3;
        }
    }
    if (c >= 0xF0 && c <= 0xF4 && left >= 4 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 &&
        (p[3] & 0xC0) == 0x80) {
        uint32_t v = (c & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
        if (v >= 0x10000 && v < TDM__NOT_UTF8) {
            *code_point = v;
            return 4;
        }
    }
    *code_point = TDM__NOT_UTF8;
    return 1;
}

size_t tdm__unicode_put(uint32_t code_point, char out[4])
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code_point, (utf8proc_uint8_t *)out);
}

static int combining_class(int32_t code_point)
{
    return utf8proc_get_property(code_point)->combining_class;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Sorts points[0..n), all of a non-zero combining class, by class; equal ones keep their order. */
static void sort_marks(int32_t *points, uint64_t *keys, size_t n)
{
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        keys[i] = (uint64_t)combining_class(points[i]) << 56 | (uint64_t)i << 24 | (uint32_t)points[i];
        sorted = sorted && (i == 0 || keys[i] > keys[i - 1]);
    }
    if (sorted)
        return;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 0; i < n; i++)
        points[i] = (int32_t)(keys[i] & 0xFFFFFF);
}

/* Decomposes a run; first_stays: its first character is no mark, whatever utf8proc says. Returns the code points. */
static size_t decompose(tdm__str run, bool first_stays, int32_t *points, uint64_t *keys)
{
    const unsigned char *p = (const unsigned char *)run.ptr, *end = p + run.len;
    size_t n = 0;
    while (p < end) {
        uint32_t c;
        int boundary = 0;
        p += tdm__unicode_next(p, end, &c);
        n += (size_t)utf8proc_decompose_char((utf8proc_int32_t)c, points + n, DECOMPOSED_MAX,
                                             UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    }
    for (size_t i = first_stays ? 1 : 0; i < n;) {
        size_t from = i;
        while (i < n && combining_class(points[i]) != 0)
            i++;
        if (i - from > 1)
            sort_marks(points + from, keys, i - from);
        i += i == from;
    }
    return n;
}

/* Appends the composed form of one run. */
static tdm_status append_run(tdm__str run, bool first_stays, tdm__buf *out)
{
    size_t cap = run.len * DECOMPOSED_MAX;
    int32_t few_points[64];
    uint64_t few_keys[64];
    bool few = cap <= 64;
    int32_t *points = few ? few_points : tdm__malloc(cap * sizeof *points);
    uint64_t *keys = few ? few_keys : tdm__malloc(cap * sizeof *keys);
    tdm_status s = points && keys ? TDM_OK : TDM_ERR_NOMEM;
    if (s == TDM_OK) {
        size_t n = decompose(run, first_stays, points, keys);
        utf8proc_ssize_t composed =
            utf8proc_normalize_utf32(points, (utf8proc_ssize_t)n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        for (utf8proc_ssize_t i = 0; s == TDM_OK && i < composed; i++) {
            char bytes[4];
            s = tdm__buf_append(out, bytes, tdm__unicode_put((uint32_t)points[i], bytes));
        }
    }
    if (!few) {
        tdm__free(points);
        tdm__free(keys);
    }
    return s;
}

tdm_status tdm__unicode_nfc(tdm__str text, size_t run_max, tdm__buf *scratch, tdm__str *out)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    const unsigned char *copied = p, *head = NULL; /* head: the character before p, if it can begin a run */
    tdm__buf_clear(scratch);
    while (p < end) {
        uint32_t c;
        size_t len = tdm__unicode_next(p, end, &c);
        if (!tdm__unicode_joins(c)) {
            head = c == TDM__NOT_UTF8 ? NULL : p;
            p += len;
            continue;
        }
        const unsigned char *from = head ? head : p;
        for (; p < end; p += len) {
            len = tdm__unicode_next(p, end, &c);
            if (!tdm__unicode_joins(c))
                break;
        }
        if ((size_t)(p - from) > run_max)
            return TDM_ERR_LIMIT;
        tdm_status s = tdm__buf_append(scratch, copied, (size_t)(from - copied));
        if (s == TDM_OK)
            s = append_run((tdm__str){(const char *)from, (size_t)(p - from)}, head != NULL, scratch);
        if (s != TDM_OK)
            return s;
        copied = p;
        head = NULL;
    }
    if (copied == (const unsigned char *)text.ptr) {
        *out = text;
        return TDM_OK;
    }
    tdm_status s = tdm__buf_append(scratch, copied, (size_t)(end - copied));
    *out = tdm__buf_str(scratch);
    return s;
}
