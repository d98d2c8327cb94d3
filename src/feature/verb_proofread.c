/* verb_proofread.c - slips corrected, everything else left as it is.
 *
 * A few sentences at a time are given to the model, which writes them again, corrected; what differs is compared word
 * by word, and only plausible corrections are taken (verb_correction.c). The result is the source with those edits, so
 * what the model did not touch cannot change. Chinese is written again more than once, drawn with other seeds, and the
 * corrections are united: one reading of a small model sees less than half of the wrong characters, and the filter
 * keeps the price of another reading low (docs/decisions/015).
 */
#include "base/error.h"
#include "feature/verb_diff.h"
#include "feature/verb_internal.h"

enum {
    CHUNK_BYTES = 160,     /* whole sentences up to here; one that is longer goes alone */
    CHUNK_WORDS_MAX = 200, /* a "sentence" without an end is cut here */
    READINGS = 1 + TDM__VERB_DRAFTS,
};

typedef struct proofreading {
    tdm__verb_run *w;
    tdm__request *r;
    tdm__verb_edit *edits; /* [n], of the whole text; the run's arena */
    size_t n, cap;
    tdm__buf out;
} proofreading;

/* Takes an edit into those of the chunk, in order, unless it meets one that is there. */
static size_t unite(tdm__verb_edit *edits, size_t n, const tdm__verb_edit *e)
{
    size_t at = n;
    while (at > 0 && edits[at - 1].start >= e->end && !(edits[at - 1].start == e->start))
        at--;
    if (at > 0 && edits[at - 1].end > e->start)
        return n;
    if (at > 0 && edits[at - 1].start == e->start && edits[at - 1].end == e->end)
        return n;
    memmove(edits + at + 1, edits + at, (n - at) * sizeof *edits);
    edits[at] = *e;
    return n + 1;
}

/* The plausible corrections of one reading. */
static tdm_status take_reading(proofreading *t, const tdm__word_list *old, tdm__str reading, tdm__verb_edit *edits,
                               size_t *n, tdm_error *err)
{
    tdm__word_list new;
    tdm__change *changes;
    size_t n_changes;
    if (tdm__word_list_make(reading, &t->w->scratch, &new, NULL) == TDM_ERR_LIMIT)
        return TDM_OK; /* the model did not find its end */
    TDM_TRY(tdm__word_list_make(reading, &t->w->scratch, &new, err));
    TDM_TRY(tdm__diff_words(old, &new, &t->w->scratch, &changes, &n_changes, err));
    n_changes = tdm__diff_keep_corrections(old, &new, changes, n_changes);
    for (size_t i = 0; i < n_changes && *n < TDM__DIFF_WORDS_MAX; i++) {
        tdm__verb_edit e;
        TDM_TRY(tdm__diff_edit(old, &new, &changes[i], &t->w->arena, &e, err));
        *n = unite(edits, *n, &e);
    }
    return TDM_OK;
}

static tdm_status read_chunk(proofreading *t, tdm__str chunk, tdm__verb_edit *edits, size_t *n, tdm_error *err)
{
    tdm__verb_run *w = t->w;
    tdm__word_list old;
    tdm__verb_answer answers[READINGS];
    size_t n_tokens, n_readings = 1;
    TDM_TRY(tdm__word_list_make(chunk, &w->scratch, &old, err));
    TDM_TRY(tdm__compose_count_tokens(t->r, chunk, &n_tokens, err));
    tdm__verb_question q = {
        .prompt = "text", .text = chunk, .max_tokens = n_tokens + n_tokens * 3 / 10 + 16, .is_copy = true};
    TDM_TRY(tdm__verb_ask_model(w, t->r, &q, answers, err));
    if (w->language[0] == 'z') {
        q.n = TDM__VERB_DRAFTS;
        TDM_TRY(tdm__verb_ask_model(w, t->r, &q, answers + 1, err));
        n_readings = READINGS;
    }
    for (size_t i = 0; i < n_readings; i++)
        if (!answers[i].is_cut && answers[i].text.len > 0)
            TDM_TRY(take_reading(t, &old, answers[i].text, edits, n, err));
    return TDM_OK;
}

static tdm_status keep_edit(proofreading *t, const tdm__verb_edit *e, size_t offset, tdm_error *err)
{
    if (t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 64;
        tdm__verb_edit *edits = tdm__arena_array(&t->w->arena, cap, sizeof *edits);
        if (!edits)
            TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu edits", cap);
        if (t->n > 0)
            memcpy(edits, t->edits, t->n * sizeof *edits);
        t->edits = edits;
        t->cap = cap;
    }
    t->edits[t->n++] = (tdm__verb_edit){e->start + offset, e->end + offset, e->text};
    return TDM_OK;
}

static tdm_status append(proofreading *t, tdm__str text, tdm_error *err)
{
    if (tdm__buf_append_str(&t->out, text) != TDM_OK)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a text of %zu bytes", t->out.len + text.len);
    return TDM_OK;
}

/* Bytes [start, end) of the source, corrected and released. */
static tdm_status proofread_chunk(proofreading *t, size_t start, size_t end, tdm_error *err)
{
    const tdm__str chunk = tdm__str_sub(t->w->source, start, end), core = tdm__str_trim(chunk);
    const size_t offset = core.len > 0 ? (size_t)(core.ptr - t->w->source.ptr) : start;
    const size_t from = t->out.len;
    size_t n = 0, at = start;
    tdm__arena_reset(&t->w->scratch);
    tdm__verb_edit *edits = tdm__arena_array(&t->w->scratch, TDM__DIFF_WORDS_MAX + 1, sizeof *edits);
    if (!edits)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the edits of a sentence");
    if (tdm__language_find(core).n_words >= 2)
        TDM_TRY(read_chunk(t, core, edits, &n, err));
    for (size_t i = 0; i < n; i++) {
        TDM_TRY(keep_edit(t, &edits[i], offset, err));
        TDM_TRY(append(t, tdm__str_sub(t->w->source, at, offset + edits[i].start), err));
        TDM_TRY(append(t, edits[i].text, err));
        at = offset + edits[i].end;
    }
    TDM_TRY(append(t, tdm__str_sub(t->w->source, at, end), err));
    return tdm__compose_release(t->r, 0, tdm__str_sub(tdm__buf_str(&t->out), from, t->out.len), err);
}

/* Whole sentences of one line up to CHUNK_BYTES, at least one, at most CHUNK_WORDS_MAX words. */
static size_t chunk_end(tdm__str text, size_t at)
{
    size_t end = tdm__sentence_end(text, at);
    while (end < text.len && text.ptr[end - 1] != '\n') {
        const size_t more = tdm__sentence_end(text, end);
        if (more - at > CHUNK_BYTES)
            break;
        end = more;
    }
    tdm__words it = tdm__words_of(tdm__str_sub(text, at, end));
    size_t n = 0;
    for (tdm__word w; tdm__words_next(&it, &w);)
        if (++n == CHUNK_WORDS_MAX)
            return at + w.end;
    return end;
}

static tdm_status proofread_text(proofreading *t, tdm_error *err)
{
    const tdm__str text = t->w->source;
    for (size_t at = 0, end; at < text.len; at = end) {
        const bool begins_line = at == 0 || text.ptr[at - 1] == '\n';
        const size_t speaker = begins_line ? tdm__speaker_len(tdm__str_sub(text, at, tdm__sentence_end(text, at))) : 0;
        if (speaker > 0) {
            end = at + speaker;
            TDM_TRY(append(t, tdm__str_sub(text, at, end), err));
            TDM_TRY(tdm__compose_release(t->r, 0, tdm__str_sub(text, at, end), err));
            continue;
        }
        end = chunk_end(text, at);
        TDM_TRY(proofread_chunk(t, at, end, err));
    }
    return TDM_OK;
}

tdm_status tdm__verb_proofread(tdm__verb_run *w, tdm__request *r, tdm_error *err)
{
    static const tdm__verb_edit none[1];
    proofreading t = {.w = w, .r = r};
    size_t budget;
    TDM_TRY(tdm__verb_reserve(w, 1, err));
    TDM_TRY(tdm__verb_budget(w, r, "text", &budget, err));
    tdm__buf_init(&t.out, 2 * TDM__VERB_TEXT_BYTES_MAX);
    tdm_status s = proofread_text(&t, err);
    if (s == TDM_OK)
        s = tdm__verb_copy(w, tdm__buf_str(&t.out), &w->suggestions[0].text, err);
    tdm__buf_fini(&t.out);
    w->suggestions[0].edits = t.n > 0 ? t.edits : none;
    w->suggestions[0].n_edits = t.n;
    w->n_suggestions = s == TDM_OK;
    return s;
}
