/* api_guard.c - the checks. Names are compared as text: what a browser sends is in one normal form. */
#include "api/api_guard.h"

#include <stdio.h>
#include <string.h>

enum { PORT_OF_HTTP = 80 };

/* "host:port" with our port, or "host" alone where that says it too; localhost always is one of our names. */
static bool is_own_authority(tdm__str s, const tdm__http_address *own, bool may_lack_port)
{
    const char *names[] = {own->host, "localhost"};
    for (size_t i = 0; i < 2; i++) {
        char text[80];
        const bool brackets = own->is_ipv6 && i == 0;
        int n = snprintf(text, sizeof text, "%s%s%s", brackets ? "[" : "", names[i], brackets ? "]" : "");
        const size_t len_host = (size_t)n;
        if (may_lack_port && tdm__http_name_eq(s, text))
            return true;
        snprintf(text + len_host, sizeof text - len_host, ":%u", (unsigned)own->port);
        if (tdm__http_name_eq(s, text))
            return true;
    }
    return false;
}

/* An origin without a port is that of port 80, where another server's pages may be. */
static bool is_own_origin(tdm__str origin, const tdm__http_address *own)
{
    const tdm__str scheme = TDM_STR("http://");
    if (!tdm__str_starts(origin, scheme))
        return false;
    return is_own_authority((tdm__str){origin.ptr + scheme.len, origin.len - scheme.len}, own,
                            own->port == PORT_OF_HTTP);
}

static bool is_json(tdm__str type)
{
    size_t len = 0;
    while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ')
        len++;
    return tdm__http_name_eq((tdm__str){type.ptr, len}, "application/json");
}

bool tdm__guard_origin(const tdm__http_request *q, const tdm__http_address *own, bool is_page, tdm__api_error *e)
{
    size_t n;
    if (!is_own_authority(q->host, own, true))
        return tdm__api_refuse(e, 421, "foreign_host", NULL,
                               "the Host field must be %s port %u or localhost: this daemon serves its own device only",
                               own->host, (unsigned)own->port);
    const tdm__str origin = tdm__http_request_field(q, "origin", &n);
    if (n > 1 || (n == 1 && !is_own_origin(origin, own)))
        return tdm__api_refuse(e, 403, "foreign_origin", NULL, "requests from other web pages are refused");
    const tdm__str site = tdm__http_request_field(q, "sec-fetch-site", &n);
    if (n > 0 && !is_page && !tdm__http_name_eq(site, "same-origin") && !tdm__http_name_eq(site, "none"))
        return tdm__api_refuse(e, 403, "foreign_origin", NULL, "requests from other web pages are refused");
    return true;
}

bool tdm__guard_body(const tdm__http_request *q, tdm__api_error *e)
{
    size_t n;
    const tdm__str type = tdm__http_request_field(q, "content-type", &n);
    if (n != 1 || !is_json(type))
        return tdm__api_refuse(e, 415, "not_json", NULL, "the body must be sent as Content-Type: application/json");
    const tdm__str coding = tdm__http_request_field(q, "content-encoding", &n);
    if (n > 1 || (n == 1 && !tdm__http_name_eq(coding, "identity")))
        return tdm__api_refuse(e, 415, "not_json", NULL, "a Content-Encoding other than identity is not accepted");
    return true;
}
