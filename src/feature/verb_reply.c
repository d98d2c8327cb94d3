/* verb_reply.c - different replies to a mail or a chat, in its language.
 *
 * Small models asked for three replies write one three times. So each candidate has an attitude of its own (yes, no, a
 * question back, and two more that step in), which is a prompt of its own; and each must differ by its words from those
 * before. A sentence that names a number or a person of which the conversation does not know is left out: a promise to
 * pay a sum that nobody spoke of is the worst that a reply can do. So is one out of the prompt's own examples, which a
 * small model goes back to when it finds nothing to answer.
 */
#include <string.h>

#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"

enum {
    ROUNDS = 3, /* through all attitudes, with other seeds */
    REPLY_TOKENS = 64,
    REPLY_CHARS_MAX = 400,
    REPLY_CHARS_MIN = 2,
    SENTENCES_MAX = 3,
    LIKENESS_MAX = 50,       /* per cent of words that two replies have in common */
    COPY_MIN = 50,           /* of a sentence with one of the conversation: it is only repeated */
    EXAMPLE_MIN = 60,        /* of a sentence with one of the prompt's examples: it belongs to those */
    EXAMPLE_WORDS_MIN = 5,   /* shorter ones anybody may say */
    CONVERSATION_LINES = 40, /* the last ones of a long chat */
};

enum { N_ATTITUDES = 5 };

static const char *const attitudes[2][N_ATTITUDES] = {
    {"yes-mail", "no-mail", "ask-mail", "thanks-mail", "later-mail"},
    {"yes-chat", "no-chat", "ask-chat", "thanks-chat", "later-chat"},
};

typedef struct replying {
    tdm__verb_run *w;
    tdm__request *r;
    tdm__str conversation; /* what the model reads */
    tdm__check_rule rule;  /* over the whole source */
    tdm__arena facts;      /* of the rule: it outlives the steps */
    tdm__buf out;
    tdm__buf examples;     /* the conversations of the prompt */
    size_t n;
    bool is_chat;
} replying;

/* ---- what is said ---- */

/* "[Your Name]": a place for somebody else to fill in. */
static bool has_blank_to_fill(tdm__str s)
{
    static const char *const marks[] = {"[", "【", "XX", "xxx", "{", "___"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (tdm__str_has(s, tdm__str_from(marks[i])))
            return true;
    return false;
}

/* Whether text has a sentence that is so much like this one. */
static tdm_status has_like(replying *t, tdm__str text, tdm__str sentence, int likeness_min, bool *out, tdm_error *err)
{
    *out = false;
    for (size_t at = 0, end; at < text.len && !*out; at = end) {
        int likeness;
        end = tdm__sentence_end(text, at);
        tdm__str said = tdm__str_sub(text, at, end);
        said = tdm__str_sub(said, tdm__speaker_len(said), said.len);
        TDM_TRY(tdm__check_likeness(said, sentence, &t->w->scratch, &likeness, err));
        *out = likeness >= likeness_min;
    }
    return TDM_OK;
}

/* Out of the conversation, which has it already, or out of the prompt's examples. */
static tdm_status is_copied(replying *t, tdm__str sentence, bool *out, tdm_error *err)
{
    TDM_TRY(has_like(t, t->conversation, sentence, COPY_MIN, out, err));
    if (*out || tdm__language_find(sentence).n_words < EXAMPLE_WORDS_MIN)
        return TDM_OK;
    return has_like(t, tdm__buf_str(&t->examples), sentence, EXAMPLE_MIN, out, err);
}

static tdm_status find_flaw(replying *t, tdm__str sentence, tdm__flaw *out, tdm_error *err)
{
    bool copied;
    TDM_TRY(tdm__check_text(&t->rule, sentence, &t->w->scratch, out, err));
    if (*out == TDM__FLAW_NONE && has_blank_to_fill(sentence))
        *out = TDM__FLAW_TALK;
    if (*out != TDM__FLAW_NONE)
        return TDM_OK;
    TDM_TRY(is_copied(t, sentence, &copied, err));
    if (copied)
        *out = TDM__FLAW_SAME;
    return TDM_OK;
}

/* A subject's line, or "me: " before the message. */
static tdm__str without_head(tdm__str text)
{
    if (tdm__str_starts_fold(text, TDM_STR("Subject:")) || tdm__str_starts(text, TDM_STR("主题："))) {
        const char *line = memchr(text.ptr, '\n', text.len);
        return line ? tdm__str_trim(tdm__str_sub(text, (size_t)(line - text.ptr), text.len)) : TDM_STR("");
    }
    const bool is_own = tdm__str_starts(text, TDM_STR("me:")) || tdm__str_starts(text, TDM_STR("me：")) ||
                        tdm__str_starts(text, TDM_STR("我："));
    return is_own ? tdm__str_sub(text, tdm__speaker_len(text), text.len) : text;
}

/* The sentences that pass, with the white space between them. */
static tdm_status filter(replying *t, tdm__str text, tdm_error *err)
{
    tdm__buf_clear(&t->out);
    text = without_head(text);
    size_t n = 0;
    for (size_t at = 0, end; at < text.len && n < SENTENCES_MAX; at = end) {
        end = tdm__sentence_end(text, at);
        const tdm__str sentence = tdm__str_sub(text, at, end);
        tdm__flaw flaw;
        if (tdm__str_trim(sentence).len == 0)
            continue;
        TDM_TRY(find_flaw(t, sentence, &flaw, err));
        if (flaw != TDM__FLAW_NONE)
            t->w->last_flaw = flaw;
        else if (tdm__buf_append_str(&t->out, sentence) != TDM_OK)
            TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a reply");
        n += flaw == TDM__FLAW_NONE;
    }
    return TDM_OK;
}

/* Whether it is another text than the replies before. */
static tdm_status is_different(replying *t, tdm__str text, bool *out, tdm_error *err)
{
    int likeness = 0;
    *out = true;
    for (size_t i = 0; i < t->n && *out; i++) {
        TDM_TRY(tdm__check_likeness(t->w->suggestions[i].text, text, &t->w->scratch, &likeness, err));
        *out = likeness <= LIKENESS_MAX;
    }
    return TDM_OK;
}

static tdm_status try_reply(replying *t, size_t attitude, size_t round, tdm_error *err)
{
    tdm__verb_run *w = t->w;
    const tdm__verb_question q = {.prompt = attitudes[t->is_chat][attitude],
                                  .text = t->conversation,
                                  .max_tokens = REPLY_TOKENS,
                                  .attempt = round,
                                  .is_sampled = w->ask.has_seed};
    tdm__verb_answer a;
    bool differs;
    tdm__arena_reset(&w->scratch);
    TDM_TRY(tdm__verb_ask_model(w, t->r, &q, &a, err));
    if (a.is_cut) { /* the last sentence has no end */
        size_t whole = 0;
        for (size_t at = 0; at < a.text.len; whole = at, at = tdm__sentence_end(a.text, at))
            ;
        a.text.len = whole;
    }
    TDM_TRY(filter(t, a.text, err));
    const tdm__str text = tdm__str_trim(tdm__buf_str(&t->out));
    const size_t n_chars = tdm__str_n_chars(text);
    if (n_chars < REPLY_CHARS_MIN || n_chars > REPLY_CHARS_MAX || tdm__language_find(text).n_words == 0)
        return TDM_OK;
    TDM_TRY(is_different(t, text, &differs, err));
    if (!differs) {
        w->last_flaw = TDM__FLAW_SAME;
        return TDM_OK;
    }
    TDM_TRY(tdm__verb_copy(w, text, &w->suggestions[t->n].text, err));
    TDM_TRY(tdm__compose_release(t->r, t->n, text, err));
    t->n++;
    return TDM_OK;
}

/* ---- what is replied to ---- */

/* The last lines that fit; a mail loses its end rather than its begin. */
static tdm_status cut_conversation(replying *t, tdm_error *err)
{
    const bool is_mail = !t->is_chat;
    tdm__str text = tdm__str_trim(t->w->source);
    size_t budget, n, lines = 0;
    TDM_TRY(tdm__verb_budget(t->w, t->r, attitudes[t->is_chat][0], &budget, err));
    for (size_t i = text.len; !is_mail && i > 0; i--)
        if (text.ptr[i - 1] == '\n' && ++lines == CONVERSATION_LINES)
            text = tdm__str_sub(text, i, text.len);
    for (;;) {
        TDM_TRY(tdm__compose_count_tokens(t->r, text, &n, err));
        if (n + REPLY_TOKENS <= budget)
            break;
        size_t at = text.len / 4;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
            at++;
        text = is_mail ? tdm__str_sub(text, 0, text.len - at) : tdm__str_sub(text, at, text.len);
        while (is_mail && text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    t->conversation = text;
    return TDM_OK;
}

/* All attitudes have the same. */
static tdm_status find_examples(replying *t, tdm_error *err)
{
    const tdm__prompt_fill fill = {.instruction = TDM_STR(""), .text = TDM_STR("")};
    json_t *messages = NULL;
    size_t n_public;
    TDM_TRY(tdm__verb_prompt_make(TDM__VERB_REPLY, t->w->language, attitudes[t->is_chat][0], &fill, &messages,
                                  &n_public, err));
    tdm_status s = TDM_OK;
    for (size_t i = 0; s == TDM_OK && i < n_public; i++) {
        const json_t *m = json_array_get(messages, i), *content = json_object_get(m, "content");
        if (strcmp(json_string_value(json_object_get(m, "role")), "user") != 0)
            continue;
        s = tdm__buf_append(&t->examples, json_string_value(content), json_string_length(content));
        if (s == TDM_OK)
            s = tdm__buf_append_char(&t->examples, '\n');
    }
    json_decref(messages);
    return s == TDM_OK ? TDM_OK : tdm__fail(err, s, "no memory for the examples of a prompt");
}

static tdm_status reply(replying *t, size_t wanted, tdm_error *err)
{
    TDM_TRY(find_examples(t, err));
    TDM_TRY(cut_conversation(t, err));
    TDM_TRY(tdm__check_rule_init(&t->rule, t->w->source, &t->facts, err));
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < N_ATTITUDES && t->n < wanted; i++)
            TDM_TRY(try_reply(t, i, round, err));
    if (t->n < wanted)
        return tdm__verb_fail_checks(t->w, err);
    t->w->n_suggestions = t->n;
    return TDM_OK;
}

tdm_status tdm__verb_reply(tdm__verb_run *w, tdm__request *r, tdm_error *err)
{
    const size_t wanted = w->ask.n > 0 ? w->ask.n : TDM__VERB_REPLIES;
    replying t = {.w = w, .r = r, .is_chat = w->ask.n_messages > 0 || w->ask.source == TDM__SOURCE_CHAT};
    TDM_TRY(tdm__verb_reserve(w, wanted, err));
    tdm__arena_init(&t.facts, "reply's facts", TDM__VERB_SCRATCH_BYTES);
    tdm__buf_init(&t.out, TDM__GENERATED_BYTES_MAX);
    tdm__buf_init(&t.examples, TDM__GENERATED_BYTES_MAX);
    tdm_status s = reply(&t, wanted, err);
    tdm__buf_fini(&t.out);
    tdm__buf_fini(&t.examples);
    tdm__arena_reset(&t.facts);
    return s;
}
