/* explain.c - sentences out of the reasons' table: one pass over a template, one word for each placeholder.
 *
 * A sentence is made from the refusal itself, never from a second look at the rules, so that what is said and what was
 * decided cannot differ.
 */
#include "route/explain.h"

#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "route/decide.h"

static const char *or_else(const char *text, const char *otherwise)
{
    return text && text[0] != '\0' ? text : otherwise;
}

/* "2025-02-11", or "2025年2月11日". */
static tdm_status put_date(int64_t at_unix_s, tdm__language language, tdm__buf *out)
{
    char text[TDM__RFC3339_TEXT];
    const int64_t last = 253402300799; /* of year 9999 */
    tdm__rfc3339_put(at_unix_s < 0 ? 0 : at_unix_s > last ? last : at_unix_s, text);
    if (language == TDM__LANGUAGE_EN)
        return tdm__buf_append(out, text, 10);
    const char *month = text + 5 + (text[5] == '0'), *day = text + 8 + (text[8] == '0');
    return tdm__buf_printf(out, "%.4s年%.*s月%.*s日", text, (int)(text + 7 - month), month, (int)(text + 10 - day), day);
}

/* A partner by its name; a stand-in is called one wherever it is named. */
static tdm_status put_partner(const tdm__rule_candidate *c, tdm__language language, tdm__buf *out)
{
    bool is_zh = language == TDM__LANGUAGE_ZH;
    const tdm__policy_partner *p = c ? c->backend->partner : NULL;
    if (!p)
        return tdm__buf_append_z(out, is_zh ? "本机模型" : "this device's own model");
    TDM_TRY(tdm__buf_append_z(out, or_else(is_zh ? p->name_zh : p->name_en, p->id)));
    return p->is_emulated ? tdm__buf_append_z(out, is_zh ? "（模拟）" : " (emulated)") : TDM_OK;
}

static const char *market_name(const tdm__market_policy *p, tdm__language language)
{
    bool is_zh = language == TDM__LANGUAGE_ZH;
    if (!p)
        return is_zh ? "本市场" : "this market";
    return or_else(is_zh ? p->name_zh : p->name_en, p->market);
}

static const char *model_name(const tdm__rule_candidate *c, tdm__language language)
{
    if (!c)
        return language == TDM__LANGUAGE_ZH ? "该模型" : "that model";
    return or_else(c->backend->model_name, c->backend->model);
}

static tdm_status put_word(char key, const tdm__explain_words *w, tdm__language language, tdm__buf *out)
{
    switch (key) {
    case 'P':
        return put_partner(w->candidate, language, out);
    case 'F':
        return tdm__buf_append_z(out, w->candidate ? w->candidate->filing.id : "");
    case 'D':
        return put_date(w->at_unix_s, language, out);
    case 'M':
        return tdm__buf_append_z(out, model_name(w->candidate, language));
    default:
        return tdm__buf_append_z(out, market_name(w->policy, language));
    }
}

tdm_status tdm__explain(tdm__reason reason, const tdm__explain_words *words, tdm__language language, tdm__buf *out)
{
    const char *t = tdm__reason_template(reason, language);
    while (*t != '\0') {
        size_t n = strcspn(t, "%");
        TDM_TRY(tdm__buf_append(out, t, n));
        t += n;
        if (*t == '%') {
            TDM_TRY(put_word(t[1], words, language, out));
            t += 2;
        }
    }
    return TDM_OK;
}

tdm_status tdm__decision_sentence(const tdm__decision *d, const tdm__refusal *refusal, const char *language,
                                  tdm__buf *out)
{
    tdm__explain_words words = {.policy = d->rules->policy,
                                .candidate = refusal ? refusal->candidate : d->off_candidate,
                                .at_unix_s = refusal ? refusal->at_unix_s : d->off_at_unix_s};
    tdm__language l = strcmp(language, "zh") == 0 ? TDM__LANGUAGE_ZH : TDM__LANGUAGE_EN;
    return tdm__explain(refusal ? refusal->reason : d->off, &words, l, out);
}

tdm_status tdm__candidate_name(const tdm__policy_backend *b, tdm__buf *out)
{
    return tdm__buf_printf(out, "%s:%s", b->partner ? b->partner->id : "own", b->model);
}
