/* special.c - the sorted set of special tokens and the longest match in it.
 *
 * A match narrows the range of candidates byte by byte, so a text that begins like thousands of tokens costs one
 * binary search a byte. Fillers are left out: converters write [PAD<id>] into ids that the vendor's vocabulary does
 * not have, and older ones mark them user-defined.
 */
#include "text/special.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/heap.h"

static bool is_filler(tdm__str text, int32_t id)
{
    char filler[32];
    int len = snprintf(filler, sizeof filler, "[PAD%d]", (int)id);
    return tdm__str_eq(text, (tdm__str){filler, (size_t)len});
}

static int compare_specials(const void *a, const void *b)
{
    tdm__str x = ((const tdm__special *)a)->text, y = ((const tdm__special *)b)->text;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : x.len < y.len ? -1 : x.len > y.len;
}

static bool special_make(const tdm__vocabulary *v, int32_t id, tdm__special *out)
{
    uint8_t kind = v->kinds[id];
    if (kind != TDM__TOKEN_CONTROL && kind != TDM__TOKEN_UNKNOWN && kind != TDM__TOKEN_USER_DEFINED)
        return false;
    tdm__str text = tdm__vocabulary_piece(v, id); /* of a user-defined one U+2581 is already a space */
    *out = (tdm__special){text, id, kind != TDM__TOKEN_USER_DEFINED, tdm__vocabulary_is_markup(v, id)};
    return text.len > 0 && !is_filler(text, id);
}

tdm_status tdm__special_init(tdm__special_set *s, const tdm__vocabulary *v, tdm_error *err)
{
    tdm__special special;
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        n += special_make(v, (int32_t)i, &special);
    s->items = tdm__calloc(n + 1, sizeof *s->items);
    if (!s->items)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for %zu special tokens", tdm__gguf_name(v->gguf), n);
    for (size_t i = 0; i < v->n; i++)
        if (special_make(v, (int32_t)i, &special))
            s->items[s->n++] = special;
    qsort(s->items, s->n, sizeof *s->items, compare_specials);
    for (size_t i = 0; i < s->n; i++)
        s->begins[(unsigned char)s->items[i].text.ptr[0] + 1] = i + 1;
    for (size_t b = 1; b <= 256; b++)
        if (s->begins[b] < s->begins[b - 1])
            s->begins[b] = s->begins[b - 1];
    return TDM_OK;
}

void tdm__special_fini(tdm__special_set *s)
{
    tdm__free(s->items);
    *s = (tdm__special_set){0};
}

/* The first item of [low, high), which agree in the first depth bytes, whose byte at depth is >= byte. Items that end
 * there come first. */
static size_t lower_bound(const tdm__special_set *s, size_t low, size_t high, size_t depth, unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        tdm__str text = s->items[middle].text;
        if (text.len <= depth || (unsigned char)text.ptr[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_allowed(const tdm__special *s, const uint8_t *trusted, size_t at)
{
    if (!s->control && (!s->markup || !trusted))
        return true;
    return trusted && !memchr(trusted + at, 0, s->text.len);
}

const tdm__special *tdm__special_match(const tdm__special_set *s, tdm__str text, const uint8_t *trusted, size_t at)
{
    unsigned first = (unsigned char)text.ptr[at];
    size_t low = s->begins[first], high = s->begins[first + 1];
    const tdm__special *best = NULL;
    for (size_t depth = 1; low < high; depth++) {
        for (; low < high && s->items[low].text.len == depth; low++)
            if (is_allowed(&s->items[low], trusted, at))
                best = &s->items[low];
        if (at + depth >= text.len)
            break;
        unsigned byte = (unsigned char)text.ptr[at + depth];
        low = lower_bound(s, low, high, depth, byte);
        high = lower_bound(s, low, high, depth, byte + 1);
    }
    return best;
}
