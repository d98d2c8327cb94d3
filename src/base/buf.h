/* buf.h - a growing byte buffer that is born with its maximum (after curl's dynbuf).
 *
 * The bytes are always followed by a NUL that is not counted. A refused append leaves the content as it was, so a
 * caller may report the limit and go on. What is appended must not lie in the buffer itself. One owner, no locks.
 */
#ifndef TDM_BASE_BUF_H
#define TDM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__buf {
    char *ptr; /* NULL until the first append */
    size_t len;
    size_t cap;
    size_t len_max;
} tdm__buf;

void tdm__buf_init(tdm__buf *b, size_t len_max);

/* Frees the bytes; the buffer may be used again under the same maximum. */
void tdm__buf_fini(tdm__buf *b);

/* Forgets the bytes, keeps the memory. */
void tdm__buf_clear(tdm__buf *b);

/* Makes room for n more bytes. ERR_LIMIT beyond len_max, ERR_NOMEM. */
tdm_status tdm__buf_reserve(tdm__buf *b, size_t n);

tdm_status tdm__buf_append(tdm__buf *b, const void *bytes, size_t n);
tdm_status tdm__buf_append_str(tdm__buf *b, tdm__str s);
tdm_status tdm__buf_append_z(tdm__buf *b, const char *z);
tdm_status tdm__buf_append_char(tdm__buf *b, char c);
__attribute__((format(printf, 2, 3))) tdm_status tdm__buf_printf(tdm__buf *b, const char *fmt, ...);

/* Drops the first n bytes (n <= len). */
void tdm__buf_consume(tdm__buf *b, size_t n);

/* Keeps the first n bytes (n <= len). */
void tdm__buf_truncate(tdm__buf *b, size_t n);

/* Hands the bytes over, NUL-terminated also when there are none, to be given back with tdm__free; the buffer is empty
 * then. NULL: out of memory, nothing has changed. */
char *tdm__buf_detach(tdm__buf *b);

/* The bytes as a NUL-terminated string, "" when empty; valid until the next change. */
const char *tdm__buf_cstr(const tdm__buf *b);

static inline tdm__str tdm__buf_str(const tdm__buf *b) { return (tdm__str){b->ptr, b->len}; }

#endif
