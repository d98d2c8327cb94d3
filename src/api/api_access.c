/* api_access.c - the one key of a request, looked up. */
#include "api/api_access.h"

#include "base/hex.h"
#include "os/clock.h"

static bool has_shape_of_key(tdm__str key)
{
    uint8_t bytes[(TDM__APP_KEY_TEXT - 1) / 2];
    return tdm__hex_get(key, bytes, sizeof bytes);
}

tdm__caller tdm__caller_of(const tdm__api *api, const tdm__http_request *q)
{
    static const tdm__caller nobody = {.app = ""}, device = {.kind = TDM__CALLER_DEVICE, .app = ""};
    size_t n;
    const tdm__str value = tdm__http_request_field(q, "authorization", &n);
    if (n == 0)
        return device;
    const tdm__str key = n == 1 ? tdm__bearer_of(value) : (tdm__str){0};
    if (tdm__owner_is(&api->owner, key, tdm__clock_unix_s()))
        return (tdm__caller){.kind = TDM__CALLER_OWNER, .app = ""};
    const tdm__app_key *app = tdm__app_keys_find(&api->apps, key);
    if (app)
        return (tdm__caller){TDM__CALLER_APP, app->name, app->id};
    return n > 1 || has_shape_of_key(key) ? nobody : device;
}

const char *tdm__api_app_of(const tdm__api *api, const tdm__http_conn *c)
{
    return tdm__caller_of(api, tdm__http_conn_request(c)).app;
}

uint64_t tdm__api_app_key_id_of(const tdm__api *api, const tdm__http_conn *c)
{
    return tdm__caller_of(api, tdm__http_conn_request(c)).app_key_id;
}

bool tdm__access_check_key(const tdm__api *api, const tdm__http_request *q, tdm__api_error *e)
{
    const tdm__caller caller = tdm__caller_of(api, q);
    if (caller.kind == TDM__CALLER_NONE)
        return tdm__api_refuse(e, 401, "invalid_api_key", NULL,
                               "this key is not one of this device's: tandem app list names the applications");
    if (caller.kind == TDM__CALLER_DEVICE && api->keys_required)
        return tdm__api_refuse(e, 401, "invalid_api_key", NULL,
                               "a key is needed here: Authorization: Bearer KEY, of tandem app add NAME");
    return true;
}

bool tdm__access_check_owner(const tdm__api *api, const tdm__http_request *q, tdm__api_error *e)
{
    if (tdm__caller_of(api, q).kind == TDM__CALLER_OWNER)
        return true;
    return tdm__api_refuse(e, 401, "owner_required", NULL,
                           "only the owner of this device may do this: send the key of owner.key, or a page's session");
}
