/* error.h - how a failure gets its sentence: TDM_FAIL at the point of knowledge, TDM_TRY to forward it.
 *
 * Upper layers add context only when it names something new. err may be NULL everywhere.
 */
#ifndef TDM_BASE_ERROR_H
#define TDM_BASE_ERROR_H

#include "tandem/status.h"

/* Writes code and the formatted sentence into *err (if given) and returns code. Long sentences are cut at a
 * UTF-8 border, control characters become '?'. */
__attribute__((format(printf, 3, 4))) tdm_status tdm__fail(tdm_error *err, tdm_status code, const char *fmt, ...);

/* The same for a failed system call: "sentence: reason". ENOENT gives ERR_NOT_FOUND, ENOMEM ERR_NOMEM, all else
 * ERR_IO. */
__attribute__((format(printf, 3, 4))) tdm_status tdm__fail_os(tdm_error *err, int os_error, const char *fmt, ...);

#define TDM_FAIL(err, code, ...) return tdm__fail((err), (code), __VA_ARGS__)

/* Forwards any error of expr; notes (> 0) pass as success of the call. */
#define TDM_TRY(expr)                                                      \
    do {                                                                   \
        tdm_status tdm_try_status = (expr);                                \
        if (tdm_try_status < 0)                                            \
            return tdm_try_status;                                         \
    } while (0)

#endif
