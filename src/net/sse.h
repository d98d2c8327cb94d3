/* sse.h - the framing of server-sent events (WHATWG HTML, section 9.2): only what a server writes. */
#ifndef TDM_NET_SSE_H
#define TDM_NET_SSE_H

#include "base/buf.h"
#include "base/str.h"
#include "tandem/status.h"

/* Appends one event with this data. A line break inside the data (CR, LF or both) becomes a data line of its own, so
 * that no text can begin a field or end the event. ERR_LIMIT or ERR_NOMEM leave the buffer as it was. */
tdm_status tdm__sse_data(tdm__buf *out, tdm__str data);

/* The same with a name; it has no line break. */
tdm_status tdm__sse_event(tdm__buf *out, const char *name, tdm__str data);

/* Appends a comment, which clients skip: a sign of life. note has no line break. */
tdm_status tdm__sse_comment(tdm__buf *out, tdm__str note);

#endif
