/* api_access.h - whose request it is, by the one key that it may carry.
 *
 * Authorization: Bearer KEY is the owner's key, a page's session, or an application's key. Where this daemon is reached
 * from its own device only, a request without a key is the device's own; SDKs that insist on sending something may
 * send any word that has not the shape of a key. 64 hexadecimal digits that are no key of ours are refused everywhere:
 * a removed or mistyped key never becomes somebody. Where others can reach the daemon each request to /v1 and /metrics
 * needs a key.
 */
#ifndef TDM_API_API_ACCESS_H
#define TDM_API_API_ACCESS_H

#include "api/api.h"

typedef enum tdm__caller_kind {
    TDM__CALLER_NONE = 0, /* a key that is none of ours */
    TDM__CALLER_DEVICE,   /* no key */
    TDM__CALLER_APP,
    TDM__CALLER_OWNER,
} tdm__caller_kind;

typedef struct tdm__caller {
    tdm__caller_kind kind;
    const char *app; /* APP: its name, borrowed from api->apps; "" else */
    uint64_t app_key_id; /* APP: of its key; 0 else */
} tdm__caller;

tdm__caller tdm__caller_of(const tdm__api *api, const tdm__http_request *q);

/* Whether the caller may ask at all. False with a 401 in *e. */
bool tdm__access_check_key(const tdm__api *api, const tdm__http_request *q, tdm__api_error *e);

/* Whether the caller is the owner. False with a 401 in *e. */
bool tdm__access_check_owner(const tdm__api *api, const tdm__http_request *q, tdm__api_error *e);

#endif
