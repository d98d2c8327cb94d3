/* verb_summarize.c - a text in at most 40 % of its characters, and nothing in it that the text does not say.
 *
 * What the model writes is taken sentence by sentence (points: line by line) as it comes: a sentence that has a number,
 * a name or an address which the text lacks is left out, so is talk, what is said twice, and what no longer fits. So a
 * sentence may be shown as soon as it is complete, and none is ever taken back. What does not fit into the model's
 * context is cut into parts by sentences; each part is summarised, and then the summaries, at most LEVELS_MAX times.
 */
#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"

enum {
    PER_CENT_MAX = 40,
    ATTEMPTS = 3,
    LEVELS_MAX = 4,
    POINTS_MAX = 5,
    PART_PER_CENT = 25, /* of a part, which is summarised once more */
    LINE_CHARS_MAX = 140,
    PARAGRAPH_CHARS_MAX = 900,
    UNIT_BYTES_MAX = 4096, /* of a sentence that does not end */
    PART_TOKENS_MIN = 64,
};

typedef struct sink {
    tdm__verb_run *w;
    tdm__request *r;
    size_t candidate;
    bool is_told; /* units are released as they come */
    tdm__summary_kind kind;
    tdm__check_rule rule;      /* against the whole source */
    size_t chars_max, n_chars; /* of the summary */
    size_t n_units;
    tdm__buf pending, out;
    tdm__flaw last_flaw;
    tdm_status status; /* of what happened on the engine's thread */
    tdm_error error;
} sink;

/* ---- a unit: a sentence, or a point ---- */

static size_t prefix_len(tdm__str s)
{
    static const char *const marks[] = {"- ", "* ", "• ", "– ", "· ", "+ ", "**"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (tdm__str_starts(s, tdm__str_from(marks[i])))
            return strlen(marks[i]);
    size_t n = 0;
    while (n < s.len && n < 2 && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    if (n == 0)
        return 0;
    const tdm__str rest = tdm__str_sub(s, n, s.len);
    if (tdm__str_starts(rest, TDM_STR(". ")) || tdm__str_starts(rest, TDM_STR(") ")))
        return n + 2;
    return tdm__str_starts(rest, TDM_STR("、")) ? n + 3 : 0;
}

static tdm__str clean_unit(tdm__str s, tdm__str source)
{
    s = tdm__str_trim(s);
    for (size_t n; s.len > 0 && (n = prefix_len(s)) > 0;)
        s = tdm__str_trim(tdm__str_sub(s, n, s.len));
    while (s.len >= 2 && memcmp(s.ptr + s.len - 2, "**", 2) == 0)
        s = tdm__str_trim(tdm__str_sub(s, 0, s.len - 2));
    return tdm__check_unwrap(s, source);
}

/* Whether the summary says so already. */
static tdm_status is_said(sink *k, tdm__str unit, bool *out, tdm_error *err)
{
    enum { ALIKE = 60 };
    const tdm__str all = tdm__buf_str(&k->out);
    *out = false;
    for (size_t at = 0, end; at < all.len && !*out; at = end) {
        int likeness;
        end = tdm__sentence_end(all, at);
        TDM_TRY(tdm__check_likeness(tdm__str_sub(all, at, end), unit, &k->w->scratch, &likeness, err));
        *out = likeness >= ALIKE;
    }
    return TDM_OK;
}

static tdm_status tell(sink *k, tdm__str unit, tdm_error *err)
{
    const bool is_english = k->w->language[0] == 'e';
    const char *before = k->kind == TDM__KIND_POINTS    ? (k->n_units > 0 ? "\n- " : "- ")
                         : k->n_units > 0 && is_english ? " "
                                                        : "";
    const size_t from = k->out.len;
    if (tdm__buf_append_z(&k->out, before) != TDM_OK || tdm__buf_append_str(&k->out, unit) != TDM_OK)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a summary of %zu bytes", k->out.len + unit.len);
    k->n_chars += strlen(before) + tdm__str_n_chars(unit);
    k->n_units++;
    if (!k->is_told)
        return TDM_OK;
    return tdm__compose_release(k->r, k->candidate, tdm__str_sub(tdm__buf_str(&k->out), from, k->out.len), err);
}

static tdm_status take_unit(sink *k, tdm__str raw, tdm_error *err)
{
    enum { JOINT_CHARS = 3 }; /* "\n- " */
    const tdm__str unit = clean_unit(raw, k->rule.source);
    tdm__flaw flaw;
    bool said;
    if (unit.len == 0 || k->n_chars + JOINT_CHARS >= k->chars_max)
        return TDM_OK;
    k->rule.chars_max = k->chars_max - k->n_chars - JOINT_CHARS;
    TDM_TRY(tdm__check_text(&k->rule, unit, &k->w->scratch, &flaw, err));
    const uint32_t last = tdm__str_last_char(unit);
    if (flaw == TDM__FLAW_NONE && (last == ':' || last == 0xff1a))
        flaw = TDM__FLAW_TALK; /* "The main points are:" */
    TDM_TRY(is_said(k, unit, &said, err));
    if (flaw == TDM__FLAW_NONE && said)
        flaw = TDM__FLAW_REPEATS;
    k->last_flaw = flaw != TDM__FLAW_NONE ? flaw : k->last_flaw;
    return flaw == TDM__FLAW_NONE ? tell(k, unit, err) : TDM_OK;
}

/* ---- as it comes ---- */

static bool is_full(const sink *k)
{
    const size_t units_max = k->kind == TDM__KIND_LINE ? 1 : k->kind == TDM__KIND_POINTS ? POINTS_MAX : 1000;
    return k->n_units >= units_max || k->n_chars + 8 >= k->chars_max;
}

/* Where the first complete unit of what is pending ends; 0: none is. */
static size_t unit_end(const sink *k, bool at_end)
{
    const tdm__str s = tdm__buf_str(&k->pending);
    if (s.len == 0)
        return 0;
    if (k->kind == TDM__KIND_POINTS) {
        const char *newline = memchr(s.ptr, '\n', s.len);
        return newline ? (size_t)(newline - s.ptr) + 1 : at_end || s.len > UNIT_BYTES_MAX ? s.len : 0;
    }
    const size_t end = tdm__sentence_end(s, 0);
    return end < s.len || at_end || s.len > UNIT_BYTES_MAX ? end : 0;
}

static tdm_status take_complete(sink *k, bool at_end, tdm_error *err)
{
    for (size_t end; !is_full(k) && (end = unit_end(k, at_end)) > 0;) {
        TDM_TRY(take_unit(k, tdm__str_sub(tdm__buf_str(&k->pending), 0, end), err));
        tdm__buf_consume(&k->pending, end);
    }
    return TDM_OK;
}

/* On the engine's thread, while the run's own waits. */
static bool on_text(void *user, size_t candidate, tdm__str piece)
{
    sink *k = user;
    (void)candidate;
    if (k->status == TDM_OK && tdm__buf_append_str(&k->pending, piece) != TDM_OK)
        k->status = tdm__fail(&k->error, TDM_ERR_NOMEM, "no memory for a summary");
    if (k->status == TDM_OK)
        k->status = take_complete(k, false, &k->error);
    return k->status == TDM_OK && !is_full(k);
}

/* A last sentence that has no end was cut. */
static tdm_status end_text(sink *k, bool is_cut, tdm_error *err)
{
    const tdm__str rest = tdm__str_trim(tdm__buf_str(&k->pending));
    const uint32_t last = tdm__str_last_char(rest);
    const bool is_whole =
        last == '.' || last == '!' || last == '?' || last == 0x3002 || last == 0xff01 || last == 0xff1f;
    if (k->status != TDM_OK && err)
        *err = k->error;
    TDM_TRY(k->status);
    return is_cut && !is_whole ? TDM_OK : take_complete(k, true, err);
}

/* ---- one text that fits ---- */

static const char *prompt_of(const tdm__verb_run *w, tdm__summary_kind kind)
{
    static const char *const names[2][4] = {{"", "text-paragraph", "text-points", "text-line"},
                                            {"", "talk-paragraph", "talk-points", "talk-line"}};
    const bool is_talk = w->ask.source == TDM__SOURCE_CHAT || w->ask.source == TDM__SOURCE_NOTIFICATIONS ||
                         (w->ask.source == TDM__SOURCE_NONE && w->ask.n_messages > 0);
    return names[is_talk][kind];
}

static tdm_status sink_init(sink *k, tdm__verb_run *w, tdm__request *r, tdm__str source, tdm__summary_kind kind,
                            tdm_error *err)
{
    *k = (sink){.w = w, .r = r, .kind = kind};
    tdm__buf_init(&k->pending, TDM__GENERATED_BYTES_MAX);
    tdm__buf_init(&k->out, TDM__GENERATED_BYTES_MAX);
    TDM_TRY(tdm__check_rule_init(&k->rule, w->source, &w->scratch, err));
    k->chars_max = tdm__str_n_chars(tdm__str_trim(source)) * PER_CENT_MAX / 100;
    const size_t most = kind == TDM__KIND_LINE ? LINE_CHARS_MAX : PARAGRAPH_CHARS_MAX;
    if (k->chars_max > most)
        k->chars_max = most;
    return TDM_OK;
}

static void sink_fini(sink *k)
{
    tdm__buf_fini(&k->pending);
    tdm__buf_fini(&k->out);
}

/* Attempts until some unit has passed. */
static tdm_status fill_sink(sink *k, tdm__str text, tdm_error *err)
{
    const bool is_english = k->w->language[0] == 'e';
    for (size_t i = 0; i < ATTEMPTS && k->n_units == 0; i++) {
        const tdm__verb_question q = {.prompt = prompt_of(k->w, k->kind),
                                      .text = text,
                                      .max_tokens = k->chars_max / (is_english ? 3 : 1) + 24,
                                      .attempt = i + ATTEMPTS * k->candidate,
                                      .on_text = on_text,
                                      .user = k};
        tdm__verb_answer a;
        tdm__buf_clear(&k->pending);
        tdm_status s = tdm__verb_ask_model(k->w, k->r, &q, &a, err);
        if (s != TDM_OK && k->status != TDM_OK && err)
            *err = k->error;
        TDM_TRY(k->status != TDM_OK ? k->status : s);
        TDM_TRY(end_text(k, a.is_cut, err));
    }
    k->w->last_flaw = k->last_flaw;
    return TDM_OK;
}

/* ---- what does not fit ---- */

/* Whole sentences up to max tokens, at least one; what is longer alone is cut by words. */
static tdm_status part_end(tdm__request *r, tdm__str text, size_t at, size_t max, size_t *out, tdm_error *err)
{
    size_t end = at, n = 0;
    while (end < text.len) {
        const size_t more = tdm__sentence_end(text, end);
        size_t n_more;
        TDM_TRY(tdm__compose_count_tokens(r, tdm__str_sub(text, end, more), &n_more, err));
        if (n + n_more > max && end > at)
            break;
        n += n_more;
        end = more;
        if (n > max)
            break;
    }
    while (n > max && end - at > 64) { /* one sentence beyond all bounds */
        end = at + (end - at) / 2;
        while (end < text.len && ((unsigned char)text.ptr[end] & 0xc0) == 0x80)
            end++;
        TDM_TRY(tdm__compose_count_tokens(r, tdm__str_sub(text, at, end), &n, err));
    }
    *out = end;
    return TDM_OK;
}

/* A part's summary, or its first sentence where none passes. */
static tdm_status summarize_part(tdm__verb_run *w, tdm__request *r, tdm__str part, tdm__buf *out, tdm_error *err)
{
    sink k;
    tdm__arena_reset(&w->scratch);
    tdm_status s = sink_init(&k, w, r, part, TDM__KIND_PARAGRAPH, err);
    if (s == TDM_OK) {
        k.chars_max = k.chars_max * PART_PER_CENT / PER_CENT_MAX;
        s = fill_sink(&k, part, err);
    }
    if (s == TDM_OK) {
        const tdm__str text =
            k.n_units > 0 ? tdm__buf_str(&k.out) : tdm__str_trim(tdm__str_sub(part, 0, tdm__sentence_end(part, 0)));
        if (tdm__buf_append_str(out, text) != TDM_OK || tdm__buf_append_char(out, '\n') != TDM_OK)
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for the summaries of a long text's parts");
    }
    sink_fini(&k);
    return s;
}

static tdm_status summarize_parts(tdm__verb_run *w, tdm__request *r, tdm__str text, size_t max, tdm__str *out,
                                  tdm_error *err)
{
    tdm__buf b;
    tdm__buf_init(&b, TDM__VERB_TEXT_BYTES_MAX);
    tdm_status s = TDM_OK;
    for (size_t at = 0, end = 0; s == TDM_OK && at < text.len; at = end) {
        s = part_end(r, text, at, max, &end, err);
        if (s == TDM_OK)
            s = summarize_part(w, r, tdm__str_sub(text, at, end), &b, err);
    }
    if (s == TDM_OK)
        s = tdm__verb_copy(w, tdm__buf_str(&b), out, err);
    tdm__buf_fini(&b);
    return s;
}

/* Summaries of parts, and of these, until what is left fits. */
static tdm_status shrink(tdm__verb_run *w, tdm__request *r, size_t budget, tdm__str *text, tdm_error *err)
{
    const size_t max = budget * 2 / 3 > PART_TOKENS_MIN ? budget * 2 / 3 : PART_TOKENS_MIN;
    for (size_t level = 0; level <= LEVELS_MAX; level++) {
        size_t n;
        TDM_TRY(tdm__compose_count_tokens(r, *text, &n, err));
        if (n <= max)
            return TDM_OK;
        if (level < LEVELS_MAX)
            TDM_TRY(summarize_parts(w, r, *text, max, text, err));
    }
    TDM_FAIL(err, TDM_ERR_LIMIT, "after %d summaries of parts the text has still more than %zu tokens", LEVELS_MAX,
             max);
}

/* ---- the verb ---- */

static tdm_status summarize_once(tdm__verb_run *w, tdm__request *r, tdm__str text, size_t candidate, tdm_error *err)
{
    sink k;
    tdm__arena_reset(&w->scratch);
    const tdm__summary_kind kind = w->ask.kind == TDM__KIND_NONE ? TDM__KIND_PARAGRAPH : w->ask.kind;
    tdm_status s = sink_init(&k, w, r, w->source, kind, err);
    k.candidate = candidate;
    k.is_told = true;
    if (s == TDM_OK)
        s = fill_sink(&k, text, err);
    if (s == TDM_OK && k.n_units == 0)
        s = tdm__verb_fail_checks(w, err);
    if (s == TDM_OK)
        s = tdm__verb_copy(w, tdm__buf_str(&k.out), &w->suggestions[candidate].text, err);
    sink_fini(&k);
    return s;
}

tdm_status tdm__verb_summarize(tdm__verb_run *w, tdm__request *r, tdm_error *err)
{
    const size_t n = w->ask.n > 0 ? w->ask.n : 1;
    size_t budget;
    tdm__str text = w->source;
    TDM_TRY(tdm__verb_reserve(w, n, err));
    TDM_TRY(tdm__verb_budget(w, r, prompt_of(w, TDM__KIND_PARAGRAPH), &budget, err));
    if (w->ask.source == TDM__SOURCE_NOTIFICATIONS)
        TDM_TRY(tdm__verb_order_stack(w, &text, err));
    TDM_TRY(shrink(w, r, budget, &text, err));
    for (size_t i = 0; i < n; i++)
        TDM_TRY(summarize_once(w, r, text, i, err));
    w->n_suggestions = n;
    return TDM_OK;
}
