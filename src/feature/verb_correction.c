/* verb_correction.c - whether a change is a plausible correction of a slip. The rules are docs/internals/verbs.md's.
 *
 * English: a word may become one that is near by letters, one that sounds alike, or another form of itself; small
 * function words may be put in or taken out; words may be joined or split. Chinese: one character may become another,
 * two may be swapped, a doubled one may go. Never touched: numbers, addresses, names, negations, Chinese numerals and
 * pronouns, and marks.
 */
#include "feature/verb_diff.h"

enum { WORD_BYTES_MAX = 40 };

typedef struct sides {
    const tdm__word_list *old, *new;
    const tdm__change *c;
    size_t n_old, n_new;
} sides;

static tdm__str word_at(const tdm__word_list *l, size_t i)
{
    return tdm__str_sub(l->text, l->items[i].start, l->items[i].end);
}

/* ---- English words ---- */

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters put in, left out, replaced, or swapped with their neighbour (optimal string alignment), case aside. */
static size_t distance(tdm__str a, tdm__str b)
{
    size_t rows[3][WORD_BYTES_MAX + 1];
    for (size_t k = 0; k <= b.len; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            const bool same = fold(a.ptr[i - 1]) == fold(b.ptr[k - 1]);
            now[k] = least(least(one[k] + 1, now[k - 1] + 1), one[k - 1] + !same);
            if (i > 1 && k > 1 && fold(a.ptr[i - 1]) == fold(b.ptr[k - 2]) && fold(a.ptr[i - 2]) == fold(b.ptr[k - 1]))
                now[k] = least(now[k], two[k - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

/* Words that stand for each other by a slip though their letters are far apart. */
static bool are_confused(tdm__str a, tdm__str b)
{
    static const char *const groups[] = {
        "is are was were am be been ",
        "has have had ",
        "do does did ",
        "a an the ",
        "to too two ",
        "there their they're ",
        "your you're ",
        "its it's ",
        "whose who's ",
        "right write ",
        "know now no ",
        "knew new ",
        "here hear ",
        "hole whole ",
        "weather whether ",
        "threw through ",
        "passed past ",
        "piece peace ",
        "week weak ",
        "by buy bye ",
        "would wood ",
        "which witch ",
        "wrote written write ",
        "went gone go ",
        "took taken take ",
        "saw seen see ",
        "this these ",
        "that those ",
        "me i ",
        "he him ",
        "she her ",
        "they them ",
        "we us ",
        "who whom ",
        "good well ",
        "much many ",
        "less fewer ",
        "buy bought ",
        "think thought ",
        "teach taught ",
        "catch caught ",
        "bring brought ",
        "one won ",
        "our are hour ",
        "ate eight ",
        "for four ",
        "red read ",
        "sea see ",
        "son sun ",
        "meet meat ",
        "break brake ",
    };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (tdm__str_is_listed(a, groups[i]) && tdm__str_is_listed(b, groups[i]))
            return true;
    return false;
}

static bool negates(tdm__str w)
{
    return tdm__str_is_listed(w, "not no never none nor without ") ||
           (w.len > 3 && tdm__str_eq_fold(tdm__str_sub(w, w.len - 3, w.len), TDM_STR("n't")));
}

/* One capital, the first letter. */
static bool is_capitalised(tdm__str w)
{
    for (size_t i = 1; i < w.len; i++)
        if (fold(w.ptr[i]) != w.ptr[i])
            return false;
    return fold(w.ptr[0]) != w.ptr[0];
}

/* dont -> don't: the same letters with an apostrophe. */
static bool differ_by_apostrophe(tdm__str a, tdm__str b)
{
    size_t i = 0, k = 0;
    while (i < a.len || k < b.len) {
        if (i < a.len && a.ptr[i] == '\'')
            i++;
        else if (k < b.len && b.ptr[k] == '\'')
            k++;
        else if (i == a.len || k == b.len || fold(a.ptr[i++]) != fold(b.ptr[k++]))
            return false;
    }
    return true;
}

static bool may_become(tdm__str a, tdm__str b, bool is_name, bool begins_sentence)
{
    if (a.len > WORD_BYTES_MAX || b.len > WORD_BYTES_MAX || is_name)
        return false;
    if (tdm__str_eq_fold(a, b)) /* "monday"; how a sentence begins in a chat is its writer's */
        return !begins_sentence && fold(a.ptr[0]) == a.ptr[0] && is_capitalised(b);
    if (differ_by_apostrophe(a, b) || are_confused(a, b))
        return true;
    if (negates(a) != negates(b))
        return false;
    const size_t d = distance(a, b), longer = a.len > b.len ? a.len : b.len;
    if (d == 1)
        return longer >= 3;
    if (d == 2)
        return longer >= 5 || (longer == 4 && fold(a.ptr[0]) == fold(b.ptr[0]));
    return d == 3 && longer >= 8 && fold(a.ptr[0]) == fold(b.ptr[0]);
}

static bool is_name_at(const tdm__word_list *l, size_t i)
{
    const tdm__str w = word_at(l, i);
    return !l->items[i].begins_sentence && w.ptr[0] >= 'A' && w.ptr[0] <= 'Z' && w.len > 1;
}

static bool may_come_or_go(tdm__str w)
{
    return tdm__str_is_listed(w, "a an the to of in on at is are be for and it have has ");
}

/* "alot" and "a lot", "every one" and "everyone". */
static bool are_joined(const sides *s)
{
    char a[2 * WORD_BYTES_MAX], b[2 * WORD_BYTES_MAX];
    size_t n_a = 0, n_b = 0;
    for (size_t i = s->c->old_start; i < s->c->old_end; i++)
        for (size_t k = 0; k < word_at(s->old, i).len && n_a < sizeof a; k++)
            a[n_a++] = fold(word_at(s->old, i).ptr[k]);
    for (size_t i = s->c->new_start; i < s->c->new_end; i++)
        for (size_t k = 0; k < word_at(s->new, i).len && n_b < sizeof b; k++)
            b[n_b++] = fold(word_at(s->new, i).ptr[k]);
    return n_a == n_b && n_a < sizeof a && memcmp(a, b, n_a) == 0;
}

static bool repeats_neighbour(const sides *s)
{
    const size_t i = s->c->old_start;
    const tdm__str w = word_at(s->old, i);
    return (i > 0 && tdm__str_eq_fold(word_at(s->old, i - 1), w)) ||
           (i + 1 < s->old->n && tdm__str_eq_fold(word_at(s->old, i + 1), w));
}

static bool pair_may_stand(const sides *s, size_t o, size_t n)
{
    const tdm__str a = word_at(s->old, o), b = word_at(s->new, n);
    return tdm__str_eq(a, b) || may_become(a, b, is_name_at(s->old, o), s->old->items[o].begins_sentence);
}

/* Slips side by side come as one change: words that may stand for each other at its begin are taken off. */
static tdm__change without_pairs(const sides *s)
{
    tdm__change c = *s->c;
    while (c.old_end - c.old_start != c.new_end - c.new_start && c.old_start < c.old_end && c.new_start < c.new_end &&
           c.old_end - c.old_start + c.new_end - c.new_start > 3 && pair_may_stand(s, c.old_start, c.new_start)) {
        c.old_start++;
        c.new_start++;
    }
    return c;
}

static bool is_latin_correction(const sides *whole)
{
    const tdm__change rest = without_pairs(whole);
    const sides part = {whole->old, whole->new, &rest, rest.old_end - rest.old_start, rest.new_end - rest.new_start};
    const sides *s = &part;
    if (s->n_old == s->n_new && s->n_old <= 3) {
        for (size_t i = 0; i < s->n_old; i++)
            if (!pair_may_stand(s, s->c->old_start + i, s->c->new_start + i))
                return false;
        return true;
    }
    if (s->n_old == 1 && s->n_new == 0)
        return repeats_neighbour(s) || may_come_or_go(word_at(s->old, s->c->old_start));
    if (s->n_old == 0 && s->n_new == 1)
        return may_come_or_go(word_at(s->new, s->c->new_start));
    return s->n_old + s->n_new == 3 && s->n_old > 0 && s->n_new > 0 && are_joined(s);
}

/* ---- Chinese characters ---- */

static bool is_char_of(tdm__str c, const char *table)
{
    for (const char *p = table; c.len == 3 && *p; p += 3)
        if (memcmp(p, c.ptr, 3) == 0)
            return true;
    return false;
}

static bool is_fixed_char(tdm__str c)
{
    return is_char_of(c, "一二三四五六七八九十百千万亿两零半不没无未非别我你您他她它");
}

static bool is_particle(tdm__str c)
{
    return is_char_of(c, "的地得了");
}

/* AB -> BA comes as two changes: the character goes at one place and comes at the other, one character between. other
 * is the one behind s. */
static bool is_swap(const sides *s, const tdm__change *other)
{
    const bool goes = s->n_old == 1;
    const tdm__change *from = goes ? s->c : other, *to = goes ? other : s->c;
    if (from->old_end - from->old_start != 1 || from->new_end != from->new_start || to->old_end != to->old_start ||
        to->new_end - to->new_start != 1)
        return false;
    const size_t gap = goes ? to->old_start - from->old_end : from->old_start - to->old_start;
    const size_t between = goes ? from->old_end : to->old_start;
    return gap == 1 && s->old->items[from->old_start].kind == TDM__WORD_HAN &&
           s->old->items[between].kind == TDM__WORD_HAN &&
           tdm__str_eq(word_at(s->old, from->old_start), word_at(s->new, to->new_start));
}

static bool is_han_correction(const sides *s)
{
    if (s->n_old == s->n_new && s->n_old <= 2) {
        for (size_t i = 0; i < s->n_old; i++) {
            const tdm__str a = word_at(s->old, s->c->old_start + i), b = word_at(s->new, s->c->new_start + i);
            if (is_fixed_char(a) || (is_fixed_char(b) && s->n_old == 2))
                return false;
        }
        return s->n_old == 1 || tdm__str_eq(word_at(s->old, s->c->old_start), word_at(s->new, s->c->new_start + 1));
    }
    if (s->n_old != 1 || s->n_new != 0)
        return false;
    const size_t i = s->c->old_start;
    const tdm__str c = word_at(s->old, i);
    if (repeats_neighbour(s))
        return true;
    return is_particle(c) && ((i > 0 && is_particle(word_at(s->old, i - 1))) ||
                              (i + 1 < s->old->n && is_particle(word_at(s->old, i + 1))));
}

/* ---- both ---- */

/* All words of the change are of that kind. */
static bool all_are(const sides *s, tdm__word_kind kind)
{
    for (size_t i = s->c->old_start; i < s->c->old_end; i++)
        if (s->old->items[i].kind != kind)
            return false;
    for (size_t i = s->c->new_start; i < s->c->new_end; i++)
        if (s->new->items[i].kind != kind)
            return false;
    return true;
}

static bool is_correction(const sides *s)
{
    if (all_are(s, TDM__WORD_LATIN))
        return is_latin_correction(s);
    return all_are(s, TDM__WORD_HAN) && is_han_correction(s);
}

size_t tdm__diff_keep_corrections(const tdm__word_list *old, const tdm__word_list *new, tdm__change *changes, size_t n)
{
    size_t n_kept = 0, n_touched = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t n_old = changes[i].old_end - changes[i].old_start,
                     n_new = changes[i].new_end - changes[i].new_start;
        n_touched += n_old > n_new ? n_old : n_new;
    }
    /* More than half of the words differ: that is another sentence, and what is near in it is near by chance. */
    if (2 * n_touched > old->n + 2)
        return 0;
    for (size_t i = 0; i < n; i++) {
        tdm__change c = changes[i];
        const sides s = {old, new, &c, c.old_end - c.old_start, c.new_end - c.new_start};
        if (i + 1 < n && is_swap(&s, &changes[i + 1])) { /* both halves are one correction */
            c.old_end = changes[i + 1].old_end;
            c.new_end = changes[++i].new_end;
        } else if (!is_correction(&s)) {
            continue;
        }
        changes[n_kept++] = c;
    }
    return n_kept;
}
