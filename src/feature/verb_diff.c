/* verb_diff.c - longest common subsequence over words, by the plain table: both sides are sentences, not books. */
#include "feature/verb_diff.h"

#include "base/error.h"

tdm_status tdm__word_list_make(tdm__str text, tdm__arena *arena, tdm__word_list *out, tdm_error *err)
{
    tdm__word *items = tdm__arena_array(arena, TDM__DIFF_WORDS_MAX, sizeof *items);
    if (!items)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the words of a sentence");
    size_t n = 0;
    tdm__words it = tdm__words_of(text);
    for (tdm__word w; tdm__words_next(&it, &w);) {
        if (n == TDM__DIFF_WORDS_MAX)
            TDM_FAIL(err, TDM_ERR_LIMIT, "a sentence has more than %d words", TDM__DIFF_WORDS_MAX);
        items[n++] = w;
    }
    *out = (tdm__word_list){text, items, n};
    return TDM_OK;
}

static tdm__str word_at(const tdm__word_list *l, size_t i)
{
    return tdm__str_sub(l->text, l->items[i].start, l->items[i].end);
}

/* lengths[i][k]: of the longest common subsequence of old from i on and new from k on. */
static void fill_table(const tdm__word_list *old, const tdm__word_list *new, uint16_t *lengths)
{
    const size_t row = new->n + 1;
    for (size_t i = old->n; i-- > 0;)
        for (size_t k = new->n; k-- > 0;) {
            uint16_t *cell = &lengths[i * row + k];
            const uint16_t down = lengths[(i + 1) * row + k], right = lengths[i * row + k + 1];
            if (tdm__str_eq(word_at(old, i), word_at(new, k)))
                *cell = (uint16_t)(lengths[(i + 1) * row + k + 1] + 1);
            else
                *cell = down > right ? down : right;
        }
}

tdm_status tdm__diff_words(const tdm__word_list *old, const tdm__word_list *new, tdm__arena *arena, tdm__change **out,
                           size_t *n, tdm_error *err)
{
    const size_t row = new->n + 1;
    uint16_t *lengths = tdm__arena_array(arena, (old->n + 1) * row, sizeof *lengths); /* at most 601 * 601 */
    tdm__change *changes = tdm__arena_array(arena, old->n + new->n + 1, sizeof *changes);
    if (!lengths || !changes)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for comparing %zu with %zu words", old->n, new->n);
    fill_table(old, new, lengths);
    *n = 0;
    bool is_open = false;
    for (size_t i = 0, k = 0; i < old->n || k < new->n;) {
        if (i < old->n && k < new->n &&tdm__str_eq(word_at(old, i), word_at(new, k))) {
            is_open = false;
            i++;
            k++;
            continue;
        }
        if (!is_open)
            changes[(*n)++] = (tdm__change){i, i, k, k};
        is_open = true;
        if (i < old->n && (k == new->n || lengths[(i + 1) * row + k] >= lengths[i * row + k + 1]))
            changes[*n - 1].old_end = ++i;
        else
            changes[*n - 1].new_end = ++k;
    }
    *out = changes;
    return TDM_OK;
}

/* A word that comes new between two Latin words needs a blank; between Chinese characters and marks it needs none. */
static bool needs_blank(const tdm__word *w)
{
    return w->kind != TDM__WORD_HAN && w->kind != TDM__WORD_MARK;
}

/* A deletion takes the white space behind, so that none is left double; at a line's end that before. */
static void widen(const tdm__word_list *old, const tdm__change *c, size_t *start, size_t *end)
{
    const size_t next = c->old_end < old->n ? old->items[c->old_end].start : old->text.len;
    const size_t before = c->old_start > 0 ? old->items[c->old_start - 1].end : 0;
    const tdm__str gap = tdm__str_sub(old->text, *end, next);
    if (c->old_end < old->n && !memchr(gap.ptr, '\n', gap.len) && old->items[c->old_end].kind != TDM__WORD_MARK)
        *end = next;
    else if (!memchr(old->text.ptr + before, '\n', *start - before))
        *start = before;
}

static tdm_status insertion(const tdm__word_list *old, const tdm__word_list *new, const tdm__change *c,
                            tdm__arena *arena, tdm__verb_edit *out, tdm_error *err)
{
    const tdm__str text = tdm__str_sub(new->text, new->items[c->new_start].start, new->items[c->new_end - 1].end);
    const bool at_begin = c->old_start == 0;
    const bool blank = at_begin ? needs_blank(&new->items[c->new_end - 1])
                                : needs_blank(&new->items[c->new_start]) && needs_blank(&old->items[c->old_start - 1]);
    const tdm__str padded = {NULL, text.len + blank};
    char *p = tdm__arena_alloc(arena, padded.len + 1, 1);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an edit");
    memcpy(p + (blank && !at_begin), text.ptr, text.len);
    if (blank)
        p[at_begin ? text.len : 0] = ' ';
    out->start = out->end = at_begin ? (old->n > 0 ? old->items[0].start : 0) : old->items[c->old_start - 1].end;
    out->text = (tdm__str){p, padded.len};
    return TDM_OK;
}

/* Models like to begin what they are given with a capital letter, also where its writer did not. */
static bool begins_small(const tdm__word_list *old, const tdm__change *c)
{
    const tdm__word *w = &old->items[c->old_start];
    const char first = old->text.ptr[w->start];
    return w->begins_sentence && first >= 'a' && first <= 'z';
}

tdm_status tdm__diff_edit(const tdm__word_list *old, const tdm__word_list *new, const tdm__change *c, tdm__arena *arena,
                          tdm__verb_edit *out, tdm_error *err)
{
    if (c->old_start == c->old_end)
        return insertion(old, new, c, arena, out, err);
    tdm__verb_edit e = {old->items[c->old_start].start, old->items[c->old_end - 1].end, {"", 0}};
    if (c->new_start == c->new_end)
        widen(old, c, &e.start, &e.end);
    else
        e.text = tdm__str_sub(new->text, new->items[c->new_start].start, new->items[c->new_end - 1].end);
    char *copy = tdm__arena_dup(arena, e.text);
    if (!copy)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an edit");
    if (begins_small(old, c) && e.text.len > 1 && copy[0] >= 'A' && copy[0] <= 'Z')
        copy[0] = (char)(copy[0] + ('a' - 'A'));
    e.text.ptr = copy;
    *out = e;
    return TDM_OK;
}
