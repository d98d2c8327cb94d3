/* verb_limits.c - what a verb takes, beside its state in GET /v1/features: an app need not try to find out. */
#include "api/verb_limits.h"

#include "feature/verb.h"

static json_t *languages_json(void) { return json_pack("[s, s]", "en", "zh"); }

static json_t *limits_json(tdm__verb verb, const tdm__quota *quota)
{
    const bool gives_one = verb == TDM__VERB_PROOFREAD || verb == TDM__VERB_PRIORITISE;
    json_t *o = json_pack("{s:i, s:i, s:o, s:I, s:I}", "text_bytes", TDM__VERB_TEXT_BYTES_MAX, "suggestions",
                          gives_one ? 1 : TDM__CANDIDATES_MAX, "languages", languages_json(), "app_tokens_per_hour",
                          (json_int_t)quota->tokens_per_hour, "app_requests_at_once",
                          (json_int_t)quota->requests_at_once);
    bool ok = o != NULL;
    if (ok && tdm__verb_takes(verb, "messages"))
        ok = json_object_set_new(o, "messages", json_integer(TDM__VERB_MESSAGES_MAX)) == 0;
    if (ok && tdm__verb_takes(verb, "instruction"))
        ok = json_object_set_new(o, "instruction_bytes", json_integer(TDM__VERB_INSTRUCTION_BYTES_MAX)) == 0;
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

json_t *tdm__verb_limits_add(json_t *features, const tdm__quota *quota)
{
    for (tdm__verb v = TDM__VERB_PROOFREAD; features && v <= TDM__VERB_PRIORITISE; v++) {
        json_t *one = json_object_get(features, tdm__verb_name(v));
        if (!one || json_object_set_new(one, "limits", limits_json(v, quota)) == 0)
            continue;
        json_decref(features);
        return NULL;
    }
    return features;
}
