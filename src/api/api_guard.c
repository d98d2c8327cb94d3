/* api_guard.c - the checks. Names are compared as text: what a browser sends is in one normal form. */
#include "api/api_guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PORT_OF_HTTP = 80, PORT_OF_HTTPS = 443, AUTHORITY_CAP = 80 };

/* "host:port" with our port, or "host" alone where that says it too. */
static bool is_at_our_port(tdm__str s, const char *host, bool brackets, uint16_t port, bool may_lack_port)
{
    char text[AUTHORITY_CAP];
    const int n = snprintf(text, sizeof text, "%s%s%s", brackets ? "[" : "", host, brackets ? "]" : "");
    if (may_lack_port && tdm__http_name_eq(s, text))
        return true;
    snprintf(text + n, sizeof text - (size_t)n, ":%u", (unsigned)port);
    return tdm__http_name_eq(s, text);
}

/* One of the names that the operator gave: with a port exactly so, else as the address is. Compared without case. */
static bool is_given_host(tdm__str s, tdm__str name, uint16_t port, bool may_lack_port)
{
    char suffix[8];
    if (s.len < name.len || strncasecmp(s.ptr, name.ptr, name.len) != 0)
        return false;
    const tdm__str rest = {s.ptr + name.len, s.len - name.len};
    if (rest.len == 0)
        return may_lack_port || memchr(name.ptr, ':', name.len);
    snprintf(suffix, sizeof suffix, ":%u", (unsigned)port);
    return !memchr(name.ptr, ':', name.len) && tdm__str_eq(rest, tdm__str_from(suffix));
}

static bool is_own_authority(tdm__str s, const tdm__own_names *own, bool may_lack_port)
{
    const tdm__http_address *a = own->address;
    if (is_at_our_port(s, "localhost", false, a->port, may_lack_port) ||
        (!a->is_any && is_at_our_port(s, a->host, a->is_ipv6, a->port, may_lack_port)))
        return true;
    for (const char *p = own->hosts ? own->hosts : ""; *p;) {
        const size_t len = strcspn(p, " ");
        if (is_given_host(s, (tdm__str){p, len}, a->port, may_lack_port || own->is_proxied))
            return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

/* An origin without a port is that of the scheme's own port, where another server's pages may be. */
static bool is_own_origin(tdm__str origin, const tdm__own_names *own)
{
    const tdm__str scheme = own->is_https ? TDM_STR("https://") : TDM_STR("http://");
    if (!tdm__str_starts(origin, scheme))
        return false;
    return is_own_authority((tdm__str){origin.ptr + scheme.len, origin.len - scheme.len}, own,
                            own->address->port == (own->is_https ? PORT_OF_HTTPS : PORT_OF_HTTP));
}

static bool is_json(tdm__str type)
{
    size_t len = 0;
    while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ')
        len++;
    return tdm__http_name_eq((tdm__str){type.ptr, len}, "application/json");
}

bool tdm__guard_origin(const tdm__http_request *q, const tdm__own_names *own, bool is_page, tdm__api_error *e)
{
    size_t n;
    if (!is_own_authority(q->host, own, true) && own->address->is_any)
        return tdm__api_refuse(e, 421, "foreign_host", NULL, "the Host field must be localhost or a name of --host");
    if (!is_own_authority(q->host, own, true))
        return tdm__api_refuse(e, 421, "foreign_host", NULL,
                               "the Host field must be %s port %u, localhost, or a name of --host",
                               own->address->host, (unsigned)own->address->port);
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
