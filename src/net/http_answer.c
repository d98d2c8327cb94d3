/* http_answer.c - status lines, header fields, whole answers and chunked streams. */
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "net/http_internal.h"

const char *tdm__http_status_phrase(int status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
    }
}

/* RFC 9110, 5.6.7. The names are English whatever the locale. */
static void put_date(struct evbuffer *out)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    if (!gmtime_r(&now, &tm))
        return;
    evbuffer_add_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
                        months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_head(tdm__http_conn *c, int status, const tdm__http_header *headers, size_t n_headers,
                     const char *content_type)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    c->close_after = c->close_after || c->unread_input;
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, tdm__http_status_phrase(status));
    put_date(out);
    if (content_type)
        evbuffer_add_printf(out, "Content-Type: %s\r\n", content_type);
    for (size_t i = 0; i < n_headers; i++)
        evbuffer_add_printf(out, "%s: %s\r\n", headers[i].name, headers[i].value);
    evbuffer_add_printf(out, "X-Content-Type-Options: nosniff\r\n");
    if (c->close_after)
        evbuffer_add_printf(out, "Connection: close\r\n");
}

tdm_status tdm__http_respond(tdm__http_conn *c, int status, const tdm__http_header *headers, size_t n_headers,
                             const char *content_type, tdm__str body)
{
    if (c->stage != CONN_DUE)
        return TDM_ERR_CANCELLED;
    struct evbuffer *out = bufferevent_get_output(c->bev);
    put_head(c, status, headers, n_headers, content_type);
    evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
    if (!c->head_only && body.len > 0 && evbuffer_add(out, body.ptr, body.len) != 0) {
        tdm__http_conn_drop(c);
        return TDM_ERR_NOMEM;
    }
    tdm__http_conn_answered(c);
    return TDM_OK;
}

tdm_status tdm__http_begin(tdm__http_conn *c, int status, const tdm__http_header *headers, size_t n_headers,
                           const char *content_type)
{
    if (c->stage != CONN_DUE)
        return TDM_ERR_CANCELLED;
    c->chunked = tdm__http_parse_request(c->parse)->minor_1;
    if (!c->chunked)
        c->close_after = true; /* HTTP/1.0: the end of the connection is the end of the answer */
    put_head(c, status, headers, n_headers, content_type);
    evbuffer_add_printf(bufferevent_get_output(c->bev), c->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    c->stage = CONN_STREAMING;
    return TDM_OK;
}

tdm_status tdm__http_write(tdm__http_conn *c, tdm__str piece)
{
    if (c->stage != CONN_STREAMING)
        return TDM_ERR_CANCELLED;
    if (piece.len == 0 || c->head_only)
        return TDM_OK; /* an empty chunk would be the end mark */
    struct evbuffer *out = bufferevent_get_output(c->bev);
    if (evbuffer_get_length(out) + piece.len > c->server->options.output_bytes_max)
        return TDM_ERR_LIMIT;
    if (c->chunked)
        evbuffer_add_printf(out, "%zx\r\n", piece.len);
    if (evbuffer_add(out, piece.ptr, piece.len) != 0)
        return TDM_ERR_NOMEM;
    if (c->chunked)
        evbuffer_add(out, "\r\n", 2);
    return TDM_OK;
}

void tdm__http_end(tdm__http_conn *c)
{
    if (c->stage != CONN_STREAMING)
        return;
    if (c->chunked && !c->head_only)
        evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
    tdm__http_conn_answered(c);
}

void tdm__http_abort(tdm__http_conn *c)
{
    c->stage = CONN_LINGERING;
    tdm__http_conn_drop(c);
}
