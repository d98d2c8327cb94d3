/* http_parse.h - bytes of a connection to checked HTTP/1 requests, without a socket.
 *
 * libhttp-parser knows the grammar; this module owns the limits and refuses what two readers could understand in two
 * ways: Transfer-Encoding beside Content-Length, a length twice, folded lines, bare LF or CR, blanks before a colon,
 * a coding that is not "chunked", a body on GET, trailers. The head is collected first and parsed at one stroke, so
 * that names and values are slices of one buffer and memory is bounded before a byte is interpreted.
 */
#ifndef TDM_NET_HTTP_PARSE_H
#define TDM_NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "tandem/status.h"

enum { TDM__HTTP_FIELDS_MAX = 64 };

typedef enum tdm__http_method {
    TDM__HTTP_OTHER = 0,
    TDM__HTTP_GET,
    TDM__HTTP_HEAD,
    TDM__HTTP_POST,
    TDM__HTTP_PUT,
    TDM__HTTP_DELETE,
    TDM__HTTP_OPTIONS,
    TDM__HTTP_PATCH,
} tdm__http_method;

typedef struct tdm__http_field {
    tdm__str name; /* as sent: compare without case */
    tdm__str value; /* without blanks around it */
} tdm__http_field;

typedef struct tdm__http_request {
    tdm__http_method method;
    tdm__str method_name;
    tdm__str path; /* begins with '/', as sent, without the query */
    tdm__str query; /* after '?', or empty */
    tdm__str host; /* the one Host field */
    tdm__http_field fields[TDM__HTTP_FIELDS_MAX];
    size_t n_fields;
    tdm__str body; /* empty until DONE */
    bool minor_1; /* HTTP/1.1, else 1.0 */
    bool keep_alive; /* what the client wants */
    bool expects_continue; /* a "100 Continue" is due before the body */
} tdm__http_request;

typedef struct tdm__http_limits {
    size_t target_bytes_max;
    size_t head_bytes_max;
    size_t body_bytes_max;
} tdm__http_limits;

typedef enum tdm__http_progress {
    TDM__HTTP_MORE = 0, /* all bytes taken, more are needed */
    TDM__HTTP_HEAD_READ, /* the request without its body is there; once per request */
    TDM__HTTP_DONE, /* the request is there; bytes behind it belong to the next one */
    TDM__HTTP_BAD, /* see fault; the parser takes nothing more */
} tdm__http_progress;

/* Why a connection cannot go on: the status to answer with, and the sentence. */
typedef struct tdm__http_fault {
    int status;
    tdm_error error;
} tdm__http_fault;

typedef struct tdm__http_parse tdm__http_parse;

tdm_status tdm__http_parse_create(const tdm__http_limits *limits, tdm__http_parse **out, tdm_error *err);
void tdm__http_parse_destroy(tdm__http_parse *p); /* NULL-safe */

/* Takes bytes up to the next border; *taken says how many. After HEAD_READ call again, with no bytes if none are
 * left. After DONE call tdm__http_parse_next first. */
tdm__http_progress tdm__http_parse_feed(tdm__http_parse *p, const char *bytes, size_t n, size_t *taken);

/* Forgets the request and waits for the next one on the same connection. */
void tdm__http_parse_next(tdm__http_parse *p);

/* Whether bytes of a request have come that is not done yet. */
bool tdm__http_parse_is_inside(const tdm__http_parse *p);

/* From HEAD_READ on: whether all bytes of the request have been taken, so that none of its body is on its way. */
bool tdm__http_parse_is_complete(const tdm__http_parse *p);

/* Borrowed until the next tdm__http_parse_next; valid from HEAD_READ on. */
const tdm__http_request *tdm__http_parse_request(const tdm__http_parse *p);
const tdm__http_fault *tdm__http_parse_fault(const tdm__http_parse *p);

/* The value of a field by its lower-case name; ptr NULL when absent. *n (may be NULL) gets how often it came. */
tdm__str tdm__http_request_field(const tdm__http_request *q, const char *name, size_t *n);

/* Comparison without case, ASCII only. */
bool tdm__http_name_eq(tdm__str a, const char *lower);

#endif
