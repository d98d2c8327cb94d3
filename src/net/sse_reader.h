/* sse_reader.h - server-sent events of foreign bytes (WHATWG HTML, section 9.2), bounded, however they are cut.
 *
 * Only data is kept: LF, CR and CRLF end a line, comments and other fields are skipped without being stored, several
 * data lines are joined by LF, one blank after the colon and a byte order mark at the begin are dropped. One departure:
 * an event that the end of the stream cuts off is still given, because servers leave out the last empty line; whoever
 * reads it sees for himself whether it is whole. One owner, no threads.
 */
#ifndef TDM_NET_SSE_READER_H
#define TDM_NET_SSE_READER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__sse_reader {
    tdm__buf data;     /* of the event so far */
    bool has_data;     /* a data line has come, perhaps an empty one */
    bool after_cr;     /* a LF that comes now belongs to the CR before it */
    bool line_is_over; /* for end: the bytes so far end with a line's end */
    unsigned n_mark;   /* bytes of the mark at the begin that were seen; 3: past it */
    unsigned n_name;   /* bytes of the line's field name that are known to be those of "data" */
    int place;         /* within the line */
} tdm__sse_reader;

/* Gets the data of one event, borrowed for the call. Any status but OK ends the reading with it. */
typedef tdm_status (*tdm__sse_event_fn)(void *user, tdm__str data, tdm_error *err);

void tdm__sse_reader_init(tdm__sse_reader *r, size_t event_bytes_max);
void tdm__sse_reader_fini(tdm__sse_reader *r);

/* ERR_LIMIT for an event that is longer than the bound, ERR_NOMEM, or what fn gave. After that: only fini. */
tdm_status tdm__sse_reader_feed(tdm__sse_reader *r, tdm__str bytes, tdm__sse_event_fn fn, void *user, tdm_error *err);

/* The stream is over: gives an event that has no empty line after it. */
tdm_status tdm__sse_reader_end(tdm__sse_reader *r, tdm__sse_event_fn fn, void *user, tdm_error *err);

#endif
