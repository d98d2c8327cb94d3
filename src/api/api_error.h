/* api_error.h - a refusal as a client sees it: a status and OpenAI's envelope.
 *
 * {"error":{"message":sentence,"type":..,"param":field or null,"code":code or null}}. The sentence names the field,
 * the value's kind and the limit; it never repeats a user's text.
 */
#ifndef TDM_API_API_ERROR_H
#define TDM_API_API_ERROR_H

#include "base/buf.h"
#include "tandem/status.h"

typedef struct tdm__api_error {
    int status;       /* of HTTP */
    const char *code; /* static, or NULL */
    const char *reason; /* static: of a decision, or NULL */
    char param[80];   /* the field's path ("messages[2].role"), or "" */
    char message[sizeof((tdm_error *)0)->msg];
} tdm__api_error;

/* Fills *e and returns false, so that a check may end with it. param may be NULL. */
__attribute__((format(printf, 5, 6))) bool tdm__api_refuse(tdm__api_error *e, int status, const char *code,
                                                           const char *param, const char *fmt, ...);

/* The 400 unknown_field: key is no WHAT ("field of a chat request"), nearest (NULL: none) may be meant. A field's name
 * is the caller's text: only its plain characters are shown. */
bool tdm__api_refuse_field(tdm__api_error *e, const char *key, const char *what, const char *nearest);

/* Appends the envelope. */
tdm_status tdm__api_error_put(tdm__buf *out, const tdm__api_error *e);

/* What a failed request means to a client: its status and code; the sentence is taken over. One that somebody cancelled
 * has ended so (TDM__END_CANCELLED): ERR_CANCELLED is what the spine has for rules that changed meanwhile. */
void tdm__api_error_from(const tdm_error *from, tdm__api_error *e);

#endif
