/* http_chunk.h - whether the line ends of a chunked body (RFC 9112, 7.1) are where they must be, and its sizes bounded.
 *
 * The packaged grammar is built without its strict mode: it takes any byte for the CR and the LF behind a chunk's data
 * and for the LF of a size line. A proxy before us that reads them as they are written would then see other borders
 * between requests than we do. The rest of the framing is the grammar's.
 */
#ifndef TDM_NET_HTTP_CHUNK_H
#define TDM_NET_HTTP_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero but bytes_left before the body's first byte; private to http_chunk.c from then on. */
typedef struct tdm__http_chunk {
    uint64_t bytes_left; /* the most that the chunks to come may hold */
    uint64_t data_left;  /* of this chunk */
    int stage;
    bool size_read;
} tdm__http_chunk;

/* Looks at the next n bytes of the wire and gives a status of HTTP: 0, or 400 from the first line end on that is none,
 * or 413 from the first size on that is beyond bytes_left. Bytes behind the last chunk's line are not looked at, and
 * neither are those behind a size that is none: the grammar refuses it. */
int tdm__http_chunk_check(tdm__http_chunk *c, const char *bytes, size_t n);

#endif
