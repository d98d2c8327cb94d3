/* json_in.c - see json_in.h. How long a body may be was decided where it was received. */
#include "api/json_in.h"

bool tdm__json_load_object(tdm__str bytes, json_t **out, tdm__api_error *e)
{
    if (bytes.len == 0)
        return tdm__api_refuse(e, 400, "invalid_json", NULL, "the request has no body; a JSON object is expected");
    json_t *v = NULL;
    tdm_error why = {0};
    if (tdm__json_parse(bytes, "the body", bytes.len, &v, &why) != TDM_OK)
        return tdm__api_refuse(e, 400, "invalid_json", NULL, "%s", why.msg);
    if (!json_is_object(v)) {
        tdm__api_refuse(e, 400, "invalid_json", NULL, "the body must be a JSON object, it is %s", tdm__json_kind(v));
        json_decref(v);
        return false;
    }
    *out = v;
    return true;
}
