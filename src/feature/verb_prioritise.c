/* verb_prioritise.c - messages by urgency, the most urgent first, each with a score and a reason code.
 *
 * The tables of verb_urgency.c decide what they can. Where they have no word of a message, the model is asked for one
 * of eight words; any other answer counts as none. What a message says about its own importance is text like any other.
 */
#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"
#include "feature/verb_urgency.h"

enum {
    ASKED_MAX = 40,          /* messages that the model is asked about, the first ones */
    MESSAGE_BYTES_MAX = 600, /* of what it is shown */
    ANSWER_TOKENS = 6,
};

typedef struct class_word {
    const char *english, *chinese;
    tdm__urgency_reason reason;
} class_word;

static const class_word classes[] = {
    {"waiting", "等待", TDM__URGENCY_PERSON_WAITING},
    {"question", "提问", TDM__URGENCY_DIRECT_QUESTION},
    {"deadline", "截止", TDM__URGENCY_DEADLINE},
    {"event", "日程", TDM__URGENCY_CALENDAR},
    {"money", "钱款", TDM__URGENCY_MONEY},
    {"advert", "广告", TDM__URGENCY_PROMOTION},
    {"chatter", "闲聊", TDM__URGENCY_GROUP_CHATTER},
    {"info", "通知", TDM__URGENCY_FYI},
};

static tdm__urgency_reason class_of(tdm__str answer)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (tdm__str_starts_fold(answer, tdm__str_from(classes[i].english)) ||
            tdm__str_starts(answer, tdm__str_from(classes[i].chinese)))
            return classes[i].reason;
    return TDM__URGENCY_NONE;
}

/* What a model says weighs less than what is written: it never lifts a message above one that the tables know. */
static tdm_status ask_class(tdm__verb_run *w, tdm__request *r, const tdm__verb_message *m, tdm__urgency *u,
                            tdm_error *err)
{
    tdm__str text = tdm__str_trim(m->text);
    if (text.len > MESSAGE_BYTES_MAX) {
        text.len = MESSAGE_BYTES_MAX;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    tdm__verb_answer a;
    const tdm__verb_question q = {.prompt = "class", .text = text, .max_tokens = ANSWER_TOKENS};
    tdm__arena_reset(&w->scratch);
    TDM_TRY(tdm__verb_ask_model(w, r, &q, &a, err));
    const tdm__urgency_reason reason = class_of(a.text);
    if (reason != TDM__URGENCY_NONE) {
        u->reason = reason;
        u->score = (tdm__urgency_score(reason) + 3 * tdm__urgency_score(TDM__URGENCY_FYI)) / 4;
    }
    return TDM_OK;
}

/* Into its place: higher scores first, of equal ones the earlier message. */
static void insert(tdm__suggestion *list, size_t n, tdm__suggestion s)
{
    size_t at = n;
    for (; at > 0 && list[at - 1].score < s.score; at--)
        list[at] = list[at - 1];
    list[at] = s;
}

tdm_status tdm__verb_prioritise(tdm__verb_run *w, tdm__request *r, tdm_error *err)
{
    size_t n_asked = 0;
    TDM_TRY(tdm__verb_reserve(w, w->ask.n_messages, err));
    for (size_t i = 0; i < w->ask.n_messages; i++) {
        const tdm__verb_message *m = &w->ask.messages[i];
        tdm__urgency u = tdm__urgency_find(m->from, m->text);
        if (m->is_own)
            u = (tdm__urgency){TDM__URGENCY_FYI, 0, false}; /* the owner knows what the owner wrote */
        if (u.is_unsure && tdm__str_trim(m->text).len > 0 && n_asked++ < ASKED_MAX)
            TDM_TRY(ask_class(w, r, m, &u, err));
        if (tdm__compose_is_cancelled(r))
            TDM_FAIL(err, TDM_ERR_CANCELLED, "the answer was cancelled");
        insert(w->suggestions, i,
               (tdm__suggestion){.text = m->text, .item = i, .score = u.score, .reason = tdm__urgency_name(u.reason)});
    }
    w->n_suggestions = w->ask.n_messages;
    return TDM_OK;
}
