/* label.c - the visible line, in one place, so that every back end's text ends in the same one.
 *
 * The measures want an AI word and a generation word (the market's words have both), later reporting the model's name
 * and the filing's number beside them.
 */
#include "label/label.h"

#include <string.h>

#include "base/error.h"

static tdm_status put_part(tdm__buf *out, const char *part)
{
    if (!part || part[0] == '\0')
        return TDM_OK;
    TDM_TRY(tdm__buf_append_z(out, " \xc2\xb7 "));
    return tdm__buf_append_z(out, part);
}

tdm_status tdm__label_put(const tdm__market_policy *p, const char *language, const char *model_name,
                          const char *filing_id, bool is_emulated, tdm__buf *out)
{
    if (!p->needs_label)
        return TDM_OK;
    const bool wants_zh = language && strcmp(language, "zh") == 0;
    const char *words = wants_zh ? p->label_zh : p->label_en;
    if (!words || words[0] == '\0')
        words = wants_zh ? p->label_en : p->label_zh;
    const size_t len_before = out->len;
    tdm_status s = tdm__buf_append_z(out, "\n\n[");
    if (s == TDM_OK)
        s = tdm__buf_append_z(out, words);
    if (s == TDM_OK)
        s = put_part(out, model_name);
    if (s == TDM_OK)
        s = put_part(out, filing_id);
    if (s == TDM_OK)
        s = put_part(out, is_emulated ? "EMULATED" : "");
    if (s == TDM_OK)
        s = tdm__buf_append_char(out, ']');
    if (s != TDM_OK)
        tdm__buf_truncate(out, len_before); /* a whole line or none */
    return s;
}
