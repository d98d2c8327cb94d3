/* verb_ask.c - what is asked of a verb: checked before anything starts, so that a caller's mistake costs nothing and
 * has a sentence of its own; then copied. */
#include "base/error.h"
#include "engine/text_stream.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"

enum {
    WORDS_MIN = 2,          /* below, there is nothing to correct or to rewrite */
    SUMMARY_CHARS_MIN = 60, /* of Chinese half as many: 40 % of less is no sentence */
};

/* ---- text ---- */

static tdm_status check_utf8(tdm__str text, const char *what, tdm_error *err)
{
    if (!tdm__text_is_utf8(text))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is no UTF-8", what);
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\v' && c != '\f') || c == 0x7f)
            TDM_FAIL(err, TDM_ERR_INVAL, "%s has the control character U+%04X at byte %zu: it is no text", what,
                     (unsigned)c, i);
    }
    return TDM_OK;
}

static tdm_status check_texts(const tdm__verb_ask *a, tdm_error *err)
{
    if (a->n_messages > TDM__VERB_MESSAGES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu messages, at most %d are taken", a->n_messages, TDM__VERB_MESSAGES_MAX);
    size_t n = a->text.len;
    for (size_t i = 0; i < a->n_messages; i++)
        n += a->messages[i].text.len + a->messages[i].from.len;
    if (n > TDM__VERB_TEXT_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu bytes, at most %d are taken", n, TDM__VERB_TEXT_BYTES_MAX);
    TDM_TRY(check_utf8(a->text, "the text", err));
    TDM_TRY(check_utf8(a->instruction, "the instruction", err));
    for (size_t i = 0; i < a->n_messages; i++) {
        TDM_TRY(check_utf8(a->messages[i].text, "a message", err));
        TDM_TRY(check_utf8(a->messages[i].from, "a sender's name", err));
    }
    return TDM_OK;
}

/* ---- what goes together ---- */

static tdm_status check_style(const tdm__verb_ask *a, tdm_error *err)
{
    if (a->instruction.len > TDM__VERB_INSTRUCTION_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the instruction has %zu bytes, at most %d are taken", a->instruction.len,
                 TDM__VERB_INSTRUCTION_BYTES_MAX);
    const bool is_custom = a->style == TDM__STYLE_CUSTOM;
    if (is_custom != (tdm__str_trim(a->instruction).len > 0))
        TDM_FAIL(err, TDM_ERR_INVAL,
                 is_custom ? "the style custom needs an instruction"
                           : "an instruction goes with the style custom only");
    if ((a->style != TDM__STYLE_NONE) && a->verb != TDM__VERB_REWRITE)
        TDM_FAIL(err, TDM_ERR_INVAL, "a style is for rewrite, not for %s", tdm__verb_name(a->verb));
    if (a->kind != TDM__KIND_NONE && a->verb != TDM__VERB_SUMMARIZE)
        TDM_FAIL(err, TDM_ERR_INVAL, "a kind is for summarize, not for %s", tdm__verb_name(a->verb));
    return TDM_OK;
}

static tdm_status check_shape(const tdm__verb_ask *a, tdm_error *err)
{
    const char *verb = tdm__verb_name(a->verb);
    if (!verb)
        TDM_FAIL(err, TDM_ERR_INVAL, "verb %d is not known", (int)a->verb);
    const bool takes_text = a->verb != TDM__VERB_PRIORITISE;
    const bool takes_messages = a->verb != TDM__VERB_PROOFREAD && a->verb != TDM__VERB_REWRITE;
    if (a->text.len > 0 && a->n_messages > 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "a text and messages are given; one of them is taken");
    if (a->n_messages > 0 && !takes_messages)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s takes a text, not messages", verb);
    if (a->text.len > 0 && !takes_text)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s takes messages, not a text", verb);
    const bool has_one = a->verb == TDM__VERB_PROOFREAD || a->verb == TDM__VERB_PRIORITISE;
    if (a->n > (has_one ? 1 : TDM__CANDIDATES_MAX))
        TDM_FAIL(err, has_one ? TDM_ERR_INVAL : TDM_ERR_LIMIT, "%zu suggestions, %s gives at most %d", a->n, verb,
                 has_one ? 1 : (int)TDM__CANDIDATES_MAX);
    return check_style(a, err);
}

/* ---- language and length, over what the verb will work on ---- */

static tdm_status check_language(tdm__verb_run *w, const tdm__language_found *f, tdm_error *err)
{
    if (f->kind == TDM__TEXT_OTHER)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "the text is in %s; the verbs take English and Chinese", f->what);
    const char *own = f->kind == TDM__TEXT_CHINESE ? "zh" : "en", *asked = w->ask.language;
    if (asked && asked[0] != '\0') {
        if (strcmp(asked, "en") != 0 && strcmp(asked, "zh") != 0)
            TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "the language is not known; the verbs take en and zh");
        if (f->n_words > 0 && strcmp(asked, own) != 0)
            TDM_FAIL(err, TDM_ERR_INVAL,
                     "the text is in '%s' and the language that is asked for '%s'; the verbs do not "
                     "translate",
                     own, asked);
    }
    memcpy(w->language, own, sizeof w->language);
    return TDM_OK;
}

static tdm_status check_length(const tdm__verb_run *w, tdm__str text, const tdm__language_found *f, tdm_error *err)
{
    const tdm__verb verb = w->ask.verb;
    const size_t n = tdm__str_n_chars(tdm__str_trim(text));
    if (n == 0)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text is empty: there is nothing to work on");
    const bool needs_words = verb == TDM__VERB_PROOFREAD || verb == TDM__VERB_REWRITE;
    if (f->n_words < (needs_words ? WORDS_MIN : 1) && verb != TDM__VERB_PRIORITISE)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu words, at least %d are needed", f->n_words,
                 needs_words ? WORDS_MIN : 1);
    const size_t least = f->kind == TDM__TEXT_CHINESE ? SUMMARY_CHARS_MIN / 2 : SUMMARY_CHARS_MIN;
    if (verb == TDM__VERB_SUMMARIZE && n < least)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu characters, a summary needs at least %zu", n, least);
    return TDM_OK;
}

/* ---- the copy ---- */

static tdm_status copy(tdm__verb_run *w, tdm__str *s, tdm_error *err)
{
    const char *p = tdm__arena_dup(&w->arena, *s);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a text of %zu bytes", s->len);
    s->ptr = p;
    return TDM_OK;
}

static tdm_status copy_ask(tdm__verb_run *w, const tdm__verb_ask *ask, tdm_error *err)
{
    w->ask = *ask;
    tdm__str language = tdm__str_from(ask->language), app = tdm__str_from(ask->app);
    TDM_TRY(copy(w, &w->ask.text, err));
    TDM_TRY(copy(w, &w->ask.instruction, err));
    TDM_TRY(copy(w, &language, err));
    TDM_TRY(copy(w, &app, err));
    w->ask.language = language.ptr;
    w->ask.app = app.ptr;
    tdm__verb_message *messages = tdm__arena_array(&w->arena, ask->n_messages, sizeof *messages);
    if (!messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu messages", ask->n_messages);
    for (size_t i = 0; i < ask->n_messages; i++) {
        messages[i] = ask->messages[i];
        TDM_TRY(copy(w, &messages[i].from, err));
        TDM_TRY(copy(w, &messages[i].text, err));
    }
    w->ask.messages = messages;
    return TDM_OK;
}

/* "from: text", one a line; a line's end within a message is a blank. */
static tdm_status join_messages(tdm__verb_run *w, tdm_error *err)
{
    tdm__buf b;
    tdm__buf_init(&b, 2 * TDM__VERB_TEXT_BYTES_MAX);
    tdm_status s = TDM_OK;
    for (size_t i = 0; s == TDM_OK && i < w->ask.n_messages; i++) {
        const tdm__verb_message *m = &w->ask.messages[i];
        const tdm__str from = m->is_own ? TDM_STR("me") : m->from; /* as the prompts call the owner */
        s = tdm__buf_append_str(&b, from);
        if (s == TDM_OK && from.len > 0)
            s = tdm__buf_append_z(&b, ": ");
        for (size_t k = 0; s == TDM_OK && k < m->text.len; k++)
            s = tdm__buf_append_char(&b, m->text.ptr[k] == '\n' || m->text.ptr[k] == '\r' ? ' ' : m->text.ptr[k]);
        if (s == TDM_OK)
            s = tdm__buf_append_char(&b, '\n');
    }
    w->source = tdm__buf_str(&b);
    if (s == TDM_OK)
        s = copy(w, &w->source, err);
    else
        tdm__fail(err, s, "no memory for %zu messages as a text", w->ask.n_messages);
    tdm__buf_fini(&b);
    return s;
}

tdm_status tdm__verb_take_ask(tdm__verb_run *w, const tdm__verb_ask *ask, tdm_error *err)
{
    TDM_TRY(check_shape(ask, err));
    TDM_TRY(check_texts(ask, err));
    TDM_TRY(copy_ask(w, ask, err));
    w->source = w->ask.text;
    if (ask->n_messages > 0)
        TDM_TRY(join_messages(w, err));
    if (ask->n_messages == 0 && ask->verb == TDM__VERB_PRIORITISE)
        TDM_FAIL(err, TDM_ERR_INVAL, "prioritise needs messages");
    const tdm__language_found f = tdm__language_find(w->source);
    TDM_TRY(check_length(w, w->source, &f, err));
    return check_language(w, &f, err);
}
