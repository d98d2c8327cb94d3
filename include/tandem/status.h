/* tandem/status.h - the one result type of the library, and the caller-owned error.
 *
 * Three kinds of outcome are never mixed: a programmer's error is an assert, an operating error is a negative
 * tdm_status with a sentence in tdm_error, and END and AGAIN are positive notes that are no errors at all.
 */
#ifndef TANDEM_STATUS_H
#define TANDEM_STATUS_H

#include "tandem/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, default sentence. Values are append-only: they are part of the ABI. */
#define TDM_STATUS_MAP(X)                                                  \
    X(OK, 0, "done")                                                       \
    X(END, 1, "nothing more will come")                                    \
    X(AGAIN, 2, "nothing to give yet")                                     \
    X(ERR_NOMEM, -1, "out of memory")                                      \
    X(ERR_INVAL, -2, "an argument is not allowed")                         \
    X(ERR_FORMAT, -3, "the data are malformed")                            \
    X(ERR_IO, -4, "reading or writing failed")                             \
    X(ERR_LIMIT, -5, "a stated limit is exceeded")                         \
    X(ERR_CANCELLED, -6, "cancelled")                                      \
    X(ERR_TIMEOUT, -7, "a deadline passed")                                \
    X(ERR_UPSTREAM, -8, "the other side failed")                           \
    X(ERR_UNSUPPORTED, -9, "not built yet")                                \
    X(ERR_NOT_FOUND, -10, "no such thing")                                 \
    X(ERR_INTEGRITY, -11, "a checksum does not match")                     \
    X(ERR_BUSY, -12, "a queue is full")                                    \
    X(ERR_REFUSED, -13, "refused by policy")                               \
    X(ERR_QUOTA, -14, "an application's share is used up")

typedef enum tdm_status {
#define TDM_STATUS_ENUM(name, value, text) TDM_##name = (value),
    TDM_STATUS_MAP(TDM_STATUS_ENUM)
#undef TDM_STATUS_ENUM
} tdm_status;

/* Caller's memory, no allocation, untouched on success. msg is one sentence that names the thing, the value and
 * the limit; it never holds a user's text. */
typedef struct tdm_error {
    tdm_status code;
    char msg[396];
} tdm_error;

/* The short name of a status ("ERR_FORMAT"), never NULL. */
TDM_API const char *tdm_status_name(tdm_status s);

/* The default sentence of a status, never NULL. */
TDM_API const char *tdm_status_text(tdm_status s);

#ifdef __cplusplus
}
#endif
#endif
