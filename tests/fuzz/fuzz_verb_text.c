/* fuzz_verb_text.c - a user's text and, behind the first byte 0x01, what a model made of it: cut, searched, checked,
 * compared. Words and sentences must walk to the end without gaps backwards, edits must be in order and within the
 * text, and what is unwrapped must lie within what came. */
#include <stdlib.h>
#include <string.h>

#include "feature/verb_check.h"
#include "feature/verb_diff.h"
#include "feature/verb_text.h"
#include "feature/verb_urgency.h"
#include "fuzz.h"

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void walk(tdm__str s)
{
    size_t at = 0;
    tdm__words it = tdm__words_of(s);
    for (tdm__word w; tdm__words_next(&it, &w); at = w.end)
        must(w.start >= at && w.end > w.start && w.end <= s.len);
    for (size_t begin = 0, end; begin < s.len; begin = end) {
        end = tdm__sentence_end(s, begin);
        must(end > begin && end <= s.len);
        must(tdm__speaker_len(tdm__str_sub(s, begin, end)) <= end - begin);
    }
    const tdm__str trimmed = tdm__str_trim(s);
    must(trimmed.len <= s.len);
    tdm__urgency_find(s, trimmed);
}

static void compare(tdm__str source, tdm__str text, tdm__arena *a)
{
    tdm__word_list old, new;
    tdm__change *changes;
    size_t n, at = 0;
    if (tdm__word_list_make(source, a, &old, NULL) != TDM_OK || tdm__word_list_make(text, a, &new, NULL) != TDM_OK)
        return;
    must(tdm__diff_words(&old, &new, a, &changes, &n, NULL) == TDM_OK);
    must(n == 0 || !tdm__str_eq(source, text));
    n = tdm__diff_keep_corrections(&old, &new, changes, n);
    for (size_t i = 0; i < n; i++) {
        tdm__verb_edit e;
        must(tdm__diff_edit(&old, &new, &changes[i], a, &e, NULL) == TDM_OK);
        must(e.start >= at && e.end >= e.start && e.end <= source.len);
        at = e.end;
    }
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len > 0 ? memchr(data, 1, len) : NULL;
    const size_t n = cut ? (size_t)(cut - data) : len;
    const tdm__str source = {(const char *)data, n};
    const tdm__str text = cut ? (tdm__str){(const char *)cut + 1, len - n - 1} : (tdm__str){"", 0};
    tdm__arena a;
    tdm__check_rule rule;
    tdm__flaw flaw;
    int likeness;
    tdm__arena_init(&a, "fuzz", 64 << 20);
    walk(source);
    const tdm__str inner = tdm__check_unwrap(text, source);
    must(inner.len <= text.len);
    if (tdm__check_rule_init(&rule, source, &a, NULL) == TDM_OK) {
        rule.keeps_facts = true;
        must(tdm__check_text(&rule, inner, &a, &flaw, NULL) == TDM_OK);
        must(tdm__check_text(&rule, source, &a, &flaw, NULL) == TDM_OK);
        must(flaw != TDM__FLAW_NUMBER_LOST && flaw != TDM__FLAW_NUMBER_ADDED && flaw != TDM__FLAW_NAME_LOST);
    }
    must(tdm__check_likeness(source, text, &a, &likeness, NULL) == TDM_OK && likeness >= 0 && likeness <= 100);
    compare(source, inner, &a);
    tdm__arena_reset(&a);
    return 0;
}
