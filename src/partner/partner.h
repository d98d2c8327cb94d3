/* partner.h - one question to a partner's model, and its answer as it streams.
 *
 * One vtable, one file a vendor's deviations; today the OpenAI dialect. What a partner sends is foreign bytes: SSE
 * events, JSON and text are bounded, cut UTF-8 is put together, HTML and errors in every known place are told apart
 * (facts: partners.md 3 and 4). A partner never gets an identifier of device or owner.
 */
#ifndef TDM_PARTNER_PARTNER_H
#define TDM_PARTNER_PARTNER_H

#include <jansson.h>
#include <stdatomic.h>

#include "partner/profile.h"
#include "tandem/status.h"

/* One enum for all partners' failures; each dialect maps its own by table. */
typedef enum tdm__partner_fault {
    TDM__PARTNER_FINE = 0,
    TDM__PARTNER_UNREACHABLE, /* no connection, TLS, DNS */
    TDM__PARTNER_TIMEOUT,
    TDM__PARTNER_CUT,         /* the stream ended before its end mark */
    TDM__PARTNER_NOT_API,     /* HTML, or no JSON where JSON is due */
    TDM__PARTNER_AUTH,
    TDM__PARTNER_QUOTA,       /* money or allocation: waiting does not help */
    TDM__PARTNER_RATE,        /* pace: later */
    TDM__PARTNER_REFUSED,     /* its own content filter */
    TDM__PARTNER_TERRITORY,   /* it does not serve this place */
    TDM__PARTNER_BAD_REQUEST,
    TDM__PARTNER_SERVER,
    TDM__PARTNER_TOO_LONG,
} tdm__partner_fault;

const char *tdm__partner_fault_name(tdm__partner_fault f);

typedef struct tdm__partner_call {
    const tdm__partner_profile *profile;
    const char *decision_id, *market, *dns_server;
    const char *model;
    const json_t *messages;    /* exactly what the owner was shown */
    size_t max_tokens;         /* 0: the profile's, else the partner's own */
    const atomic_bool *cancel;
    bool (*may_leave)(void *user); /* NULL, or asked before the first byte leaves, as in transfer_post.h */
    /* Text as it comes, whole UTF-8 characters. A negative status ends the call with it. */
    tdm_status (*on_text)(void *user, tdm__str text, tdm_error *err);
    void *user;
} tdm__partner_call;

typedef struct tdm__partner_result {
    tdm__partner_fault fault;
    char finish[32]; /* "stop", "length", "content_filter"; with fault CUT the partner's own; "" */
    char model[128]; /* as the partner names it, "" when it does not */
    bool is_emulated; /* its answer says so */
    tdm__transfer_result transfer;
    uint64_t tokens_in, tokens_out; /* as the partner counts; 0: it did not say */
} tdm__partner_result;

/* The exact bytes that would leave as the body, for the sheet that is shown and for the receipt. malloc'd. Of the call
 * only profile, model, messages and max_tokens are looked at. */
tdm_status tdm__partner_body(const tdm__partner_call *c, char **out, size_t *out_len, tdm_error *err);

/* Blocks until the end; any thread. result is filled in every case. What is the partner's doing has its fault and
 * ERR_UPSTREAM, ERR_TIMEOUT (TIMEOUT) or ERR_LIMIT (TOO_LONG); AUTH also when the key that the profile refers to is not
 * there. FINE with a failing status is ours: ERR_CANCELLED, what on_text gave, ERR_INVAL (the call or the profile is
 * not allowed; nothing left), ERR_NOMEM. */
tdm_status tdm__partner_chat(const tdm__partner_call *c, tdm__partner_result *result, tdm_error *err);

#endif
