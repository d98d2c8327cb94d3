/* http_parse.c - the head collector, the callbacks of libhttp-parser, and the checks on top of it. */
#include "net/http_parse.h"

#include <assert.h>
#include <http_parser.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/checked.h"
#include "base/error.h"
#include "net/http_chunk.h"
#include "os/heap.h"

/* Chunk sizes and extensions are bytes of the wire that are no body: a bound on all together. */
enum { WIRE_BYTES_PER_BODY_BYTE_MAX = 8, WIRE_BYTES_FREE = 64 * 1024 };

typedef enum parse_stage { STAGE_HEAD = 0, STAGE_HEAD_READ, STAGE_BODY, STAGE_DONE, STAGE_BAD } parse_stage;

struct tdm__http_parse {
    tdm__http_limits limits;
    parse_stage stage;
    bool blank_skipped; /* one empty line before the request line */
    bool complete;      /* the grammar says that the message is over */
    size_t wire_bytes;  /* of the body */
    bool chunked;
    tdm__http_chunk chunk;
    tdm__buf head, body;
    http_parser parser;
    tdm__http_request request;
    tdm__http_fault fault;
};

static tdm__http_progress refuse(tdm__http_parse *p, int status)
{
    p->fault.status = status;
    p->stage = STAGE_BAD;
    return TDM__HTTP_BAD;
}

#define REFUSE(p, status, ...) (tdm__fail(&(p)->fault.error, TDM_ERR_FORMAT, __VA_ARGS__), refuse((p), (status)))

/* ---- callbacks: a non-zero result stops the grammar; p->stage tells that it was us ---- */

static int on_url(http_parser *hp, const char *at, size_t n)
{
    tdm__http_parse *p = hp->data;
    const char *query = memchr(at, '?', n);
    p->request.path = (tdm__str){at, query ? (size_t)(query - at) : n};
    p->request.query = query ? (tdm__str){query + 1, n - p->request.path.len - 1} : (tdm__str){at + n, 0};
    return 0;
}

static int on_field(http_parser *hp, const char *at, size_t n)
{
    tdm__http_parse *p = hp->data;
    if (p->stage == STAGE_BODY) {
        REFUSE(p, 400, "trailer fields after a chunked body are not accepted");
        return 1;
    }
    if (p->request.n_fields == TDM__HTTP_FIELDS_MAX) {
        REFUSE(p, 431, "the request has more than %d header fields", TDM__HTTP_FIELDS_MAX);
        return 1;
    }
    p->request.fields[p->request.n_fields++] = (tdm__http_field){.name = {at, n}, .value = {at + n, 0}};
    return 0;
}

static int on_value(http_parser *hp, const char *at, size_t n)
{
    tdm__http_parse *p = hp->data;
    assert(p->request.n_fields > 0);
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    p->request.fields[p->request.n_fields - 1].value = (tdm__str){at, n};
    return 0;
}

static int on_body(http_parser *hp, const char *at, size_t n)
{
    tdm__http_parse *p = hp->data;
    if (tdm__buf_append(&p->body, at, n) == TDM_OK)
        return 0;
    REFUSE(p, 413, "the body is larger than %zu bytes", p->limits.body_bytes_max);
    return 1;
}

static int on_complete(http_parser *hp)
{
    tdm__http_parse *p = hp->data;
    p->complete = true;
    http_parser_pause(hp, 1); /* what follows is the next request's */
    return 0;
}

static const http_parser_settings callbacks = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* Runs the grammar over n bytes. False when it refused; p->fault is set then. */
static bool grammar(tdm__http_parse *p, const char *bytes, size_t n, size_t *taken)
{
    *taken = http_parser_execute(&p->parser, &callbacks, bytes, n);
    if (p->stage == STAGE_BAD)
        return false;
    enum http_errno e = HTTP_PARSER_ERRNO(&p->parser);
    if (e == HPE_PAUSED && p->complete)
        return true;
    if (e == HPE_OK && (*taken == n || p->complete))
        return true;
    if (e == HPE_UNEXPECTED_CONTENT_LENGTH)
        REFUSE(p, 400, "Content-Length must not come twice or beside Transfer-Encoding");
    else if (e == HPE_INVALID_TRANSFER_ENCODING)
        REFUSE(p, 501, "the only transfer coding here is chunked");
    else if (e == HPE_HEADER_OVERFLOW)
        REFUSE(p, 431, "a chunk's head is too long");
    else
        REFUSE(p, 400, "this is not HTTP/1.1: %s", http_errno_description(e));
    return false;
}

/* ---- the head ---- */

bool tdm__http_name_eq(tdm__str a, const char *lower)
{
    size_t i = 0;
    for (; i < a.len && lower[i]; i++) {
        char c = a.ptr[i] >= 'A' && a.ptr[i] <= 'Z' ? (char)(a.ptr[i] + ('a' - 'A')) : a.ptr[i];
        if (c != lower[i])
            return false;
    }
    return i == a.len && !lower[i];
}

tdm__str tdm__http_request_field(const tdm__http_request *q, const char *name, size_t *n)
{
    tdm__str value = {NULL, 0};
    size_t count = 0;
    for (size_t i = 0; i < q->n_fields; i++) {
        if (!tdm__http_name_eq(q->fields[i].name, name))
            continue;
        if (count++ == 0)
            value = q->fields[i].value;
    }
    if (n)
        *n = count;
    return value;
}

/* RFC 9110, 5.6.2: what a field's name is made of. The packaged grammar is built with its lenient table. */
static bool is_token(tdm__str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.len > 0;
}

static tdm__http_method method_of(tdm__str name)
{
    static const struct {
        const char *name;
        tdm__http_method method;
    } known[] = {{"GET", TDM__HTTP_GET}, {"HEAD", TDM__HTTP_HEAD}, {"POST", TDM__HTTP_POST},
                 {"PUT", TDM__HTTP_PUT}, {"DELETE", TDM__HTTP_DELETE}, {"OPTIONS", TDM__HTTP_OPTIONS},
                 {"PATCH", TDM__HTTP_PATCH}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (tdm__str_eq(name, tdm__str_from(known[i].name)))
            return known[i].method;
    return TDM__HTTP_OTHER;
}

static tdm__http_progress check_length(tdm__http_parse *p)
{
    tdm__http_request *q = &p->request;
    size_t n_coding, n_length;
    tdm__str coding = tdm__http_request_field(q, "transfer-encoding", &n_coding);
    tdm__str length = tdm__http_request_field(q, "content-length", &n_length);
    if (n_coding > 0 && n_length > 0)
        return REFUSE(p, 400, "a request must not have Transfer-Encoding and Content-Length");
    if (n_length > 1)
        return REFUSE(p, 400, "Content-Length came %zu times", n_length);
    if (n_coding > 0 && !q->minor_1)
        return REFUSE(p, 400, "Transfer-Encoding needs HTTP/1.1");
    if (n_coding > 1 || (n_coding == 1 && !tdm__http_name_eq(coding, "chunked")))
        return REFUSE(p, 501, "the only transfer coding here is chunked");
    p->chunked = n_coding == 1;
    p->chunk = (tdm__http_chunk){.bytes_left = p->limits.body_bytes_max};
    uint64_t bytes = 0;
    for (size_t i = 0; i < length.len; i++) {
        if (length.ptr[i] < '0' || length.ptr[i] > '9' || i == 18)
            return REFUSE(p, i == 18 ? 413 : 400, "Content-Length is not a number of bytes that fits");
        bytes = bytes * 10 + (uint64_t)(length.ptr[i] - '0');
    }
    if (n_length == 1 && length.len == 0)
        return REFUSE(p, 400, "Content-Length is empty");
    if (bytes > p->limits.body_bytes_max)
        return REFUSE(p, 413, "the body of %llu bytes is larger than %zu bytes", (unsigned long long)bytes,
                      p->limits.body_bytes_max);
    if ((bytes > 0 || n_coding > 0) && (q->method == TDM__HTTP_GET || q->method == TDM__HTTP_HEAD))
        return REFUSE(p, 400, "a GET or HEAD request must not carry a body");
    return TDM__HTTP_HEAD_READ;
}

/* RFC 9112, 3: method, target and version stand one space apart. The packaged grammar takes any number. */
static bool is_spaced_once(tdm__str head)
{
    size_t n_spaces = 0;
    for (size_t i = 0; i < head.len && head.ptr[i] != '\r'; i++)
        n_spaces += head.ptr[i] == ' ' || head.ptr[i] == '\t';
    return n_spaces == 2;
}

static tdm__http_progress check_head(tdm__http_parse *p)
{
    tdm__http_request *q = &p->request;
    if (p->parser.http_major != 1 || p->parser.http_minor > 1)
        return REFUSE(p, 505, "HTTP/%d.%d is not spoken here, only HTTP/1.1 and 1.0", p->parser.http_major,
                      p->parser.http_minor);
    if (!is_spaced_once(tdm__buf_str(&p->head)))
        return REFUSE(p, 400, "the request's line must have one space on each side of its target");
    q->minor_1 = p->parser.http_minor == 1;
    const char *space = memchr(p->head.ptr, ' ', p->head.len);
    q->method_name = (tdm__str){p->head.ptr, space ? (size_t)(space - p->head.ptr) : 0};
    q->method = method_of(q->method_name);
    if (q->path.len + q->query.len > p->limits.target_bytes_max)
        return REFUSE(p, 414, "the request's target is longer than %zu bytes", p->limits.target_bytes_max);
    if (q->path.len == 0 || q->path.ptr[0] != '/')
        return REFUSE(p, 400, "the request's target must be a path that begins with /");
    for (size_t i = 0; i < q->n_fields; i++)
        if (!is_token(q->fields[i].name))
            return REFUSE(p, 400, "the name of header field %zu has a character that is not allowed", i + 1);
    size_t n_host, n_expect;
    q->host = tdm__http_request_field(q, "host", &n_host);
    if (n_host != 1)
        return REFUSE(p, 400, "the request needs exactly one Host field, it has %zu", n_host);
    tdm__str expect = tdm__http_request_field(q, "expect", &n_expect);
    if (n_expect > 1 || (n_expect == 1 && !tdm__http_name_eq(expect, "100-continue")))
        return REFUSE(p, 417, "the only expectation met here is 100-continue");
    q->expects_continue = n_expect == 1 && q->minor_1;
    q->keep_alive = q->minor_1 && http_should_keep_alive(&p->parser) != 0;
    return check_length(p);
}

static tdm__http_progress parse_head(tdm__http_parse *p)
{
    http_parser_init(&p->parser, HTTP_REQUEST);
    p->parser.data = p;
    size_t taken;
    if (!grammar(p, p->head.ptr, p->head.len, &taken))
        return TDM__HTTP_BAD;
    tdm__http_progress r = check_head(p);
    if (r == TDM__HTTP_HEAD_READ)
        p->stage = STAGE_HEAD_READ;
    return r;
}

/* What may stand next in a head: lines end in CR LF, no folding, no other control characters. */
static bool check_head_char(tdm__http_parse *p, char c)
{
    const char before = p->head.len > 0 ? p->head.ptr[p->head.len - 1] : '\0';
    const unsigned char u = (unsigned char)c;
    if ((before == '\r') != (c == '\n'))
        REFUSE(p, 400, "lines of a request's head end in CR LF");
    else if ((u < 0x20 && c != '\r' && c != '\n' && c != '\t') || u == 0x7F)
        REFUSE(p, 400, "the request's head has the control character 0x%02X", u);
    else if (before == '\n' && (c == ' ' || c == '\t'))
        REFUSE(p, 400, "folded header lines are not accepted");
    else
        return true;
    return false;
}

static tdm__http_progress feed_head(tdm__http_parse *p, const char *bytes, size_t n, size_t *taken)
{
    for (size_t i = 0; i < n; i++) {
        if (!check_head_char(p, bytes[i]))
            return TDM__HTTP_BAD;
        if (tdm__buf_append_char(&p->head, bytes[i]) != TDM_OK)
            return REFUSE(p, 431, "the request's head is larger than %zu bytes", p->limits.head_bytes_max);
        if (bytes[i] != '\n')
            continue;
        *taken = i + 1;
        if (p->head.len == 2 && p->blank_skipped)
            return REFUSE(p, 400, "more than one empty line stands before the request");
        if (p->head.len == 2) { /* RFC 9112, 2.2 */
            p->blank_skipped = true;
            tdm__buf_clear(&p->head);
        } else if (p->head.len >= 4 && p->head.ptr[p->head.len - 3] == '\n') {
            return parse_head(p);
        }
    }
    *taken = n;
    return TDM__HTTP_MORE;
}

/* ---- the body ---- */

static tdm__http_progress feed_body(tdm__http_parse *p, const char *bytes, size_t n, size_t *taken)
{
    if (!p->complete && n > 0) {
        p->wire_bytes += n;
        int bad = p->chunked ? tdm__http_chunk_check(&p->chunk, bytes, n) : 0;
        if (bad == 413)
            return REFUSE(p, 413, "the body is larger than %zu bytes", p->limits.body_bytes_max);
        if (bad != 0)
            return REFUSE(p, bad, "a line of the body's chunks does not end in CR LF");
        if (!grammar(p, bytes, n, taken))
            return TDM__HTTP_BAD;
        if (p->wire_bytes / WIRE_BYTES_PER_BODY_BYTE_MAX > p->limits.body_bytes_max + WIRE_BYTES_FREE)
            return REFUSE(p, 413, "the body's chunks have too many bytes around them");
    }
    if (!p->complete)
        return TDM__HTTP_MORE;
    p->request.body = tdm__buf_str(&p->body);
    p->stage = STAGE_DONE;
    return TDM__HTTP_DONE;
}

tdm__http_progress tdm__http_parse_feed(tdm__http_parse *p, const char *bytes, size_t n, size_t *taken)
{
    *taken = 0;
    switch (p->stage) {
    case STAGE_HEAD: return feed_head(p, bytes, n, taken);
    case STAGE_HEAD_READ: p->stage = STAGE_BODY; return feed_body(p, bytes, n, taken);
    case STAGE_BODY: return feed_body(p, bytes, n, taken);
    case STAGE_DONE: return TDM__HTTP_DONE;
    case STAGE_BAD: break;
    }
    return TDM__HTTP_BAD;
}

void tdm__http_parse_next(tdm__http_parse *p)
{
    tdm__buf_fini(&p->head);
    tdm__buf_fini(&p->body); /* a large body's memory goes back between requests */
    p->stage = STAGE_HEAD;
    p->blank_skipped = p->complete = p->chunked = false;
    p->wire_bytes = 0;
    p->request = (tdm__http_request){0};
    p->fault = (tdm__http_fault){0};
}

bool tdm__http_parse_is_inside(const tdm__http_parse *p)
{
    return p->stage == STAGE_HEAD ? p->head.len > 0 || p->blank_skipped : p->stage != STAGE_DONE;
}

bool tdm__http_parse_is_complete(const tdm__http_parse *p) { return p->complete; }

const tdm__http_request *tdm__http_parse_request(const tdm__http_parse *p) { return &p->request; }

const tdm__http_fault *tdm__http_parse_fault(const tdm__http_parse *p) { return &p->fault; }

tdm_status tdm__http_parse_create(const tdm__http_limits *limits, tdm__http_parse **out, tdm_error *err)
{
    tdm__http_parse *p = tdm__calloc(1, sizeof *p);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a connection");
    p->limits = *limits;
    tdm__buf_init(&p->head, limits->head_bytes_max);
    tdm__buf_init(&p->body, limits->body_bytes_max);
    *out = p;
    return TDM_OK;
}

void tdm__http_parse_destroy(tdm__http_parse *p)
{
    if (!p)
        return;
    tdm__buf_fini(&p->head);
    tdm__buf_fini(&p->body);
    tdm__free(p);
}
