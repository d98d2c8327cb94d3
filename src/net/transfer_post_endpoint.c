/* transfer_post_endpoint.c - which endpoints may be connected to at all; nothing here opens a socket.
 *
 * What two programs could read in two ways is refused: numbers that some resolvers take for addresses ("127.1",
 * "0x7f.1"), "localhost", which libcurl answers by itself, anything in a path that a URL parser would take apart.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "net/resolve.h"
#include "net/transfer_post_internal.h"

enum { LABEL_MAX = 63, PATH_MAX_BYTES = 1024, PIN_TEXT = 44 };

bool tdm__host_is_address(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool is_loopback(const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1)
        return address[0] == 127;
    return strcmp(host, "::1") == 0;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits and inner hyphens. *is_name: with a letter that no number has, so that it cannot be read as one. */
static bool label_is_fine(tdm__str label, bool *is_name)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    *is_name = false;
    const bool is_hex = label.len > 1 && label.ptr[0] == '0' && (label.ptr[1] == 'x' || label.ptr[1] == 'X');
    for (size_t i = 0; i < label.len; i++) {
        if (!is_letter_or_digit(label.ptr[i]) && label.ptr[i] != '-')
            return false;
        *is_name = *is_name || label.ptr[i] < '0' || label.ptr[i] > '9';
    }
    *is_name = *is_name && !is_hex;
    return true;
}

static bool name_is_fine(const char *host)
{
    size_t len = strlen(host);
    if (len > 0 && host[len - 1] == '.')
        len--;
    bool is_name = false;
    size_t begin = 0, n_labels = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && host[i] != '.')
            continue;
        if (!label_is_fine((tdm__str){host + begin, i - begin}, &is_name))
            return false;
        begin = i + 1;
        n_labels++;
    }
    return len < TDM__HOST_MAX && n_labels >= 2 && is_name; /* one label alone is looked for in search lists */
}

static tdm_status check_path(const char *path, tdm_error *err)
{
    const size_t len = path ? strlen(path) : 0;
    if (len == 0 || len > PATH_MAX_BYTES || path[0] != '/')
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint's path has %zu bytes; it must begin with / and have at most %d", len,
                 PATH_MAX_BYTES);
    for (size_t i = 0; i < len; i++)
        if (path[i] <= 0x20 || path[i] > 0x7E || path[i] == '#' || path[i] == '\\')
            TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint's path has a character that is not allowed at %zu", i);
    return TDM_OK;
}

static tdm_status check_trust(const tdm__endpoint *e, bool is_https, tdm_error *err)
{
    const bool has_ca = e->ca_pem && e->ca_pem[0], has_pin = e->pin_sha256 && e->pin_sha256[0];
    if (!is_https && (has_ca || has_pin))
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint has a CA or a pin, and http, where neither is looked at");
    if (has_pin && (strlen(e->pin_sha256) != PIN_TEXT || strspn(e->pin_sha256, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                                               "abcdefghijklmnopqrstuvwxyz"
                                                                               "0123456789+/=") != PIN_TEXT))
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint's pin is no SHA-256 in base64 of %d characters", PIN_TEXT);
    return TDM_OK;
}

tdm_status tdm__endpoint_check(const tdm__endpoint *e, const char *dns_server, tdm_error *err)
{
    const char *host = e->host ? e->host : "", *scheme = e->scheme ? e->scheme : "";
    const bool is_https = strcmp(scheme, "https") == 0, is_address = tdm__host_is_address(host);
    if (!is_https && strcmp(scheme, "http") != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint's scheme is '%.20s'; https is needed, http on this machine only",
                 scheme);
    if (!is_address && !name_is_fine(host))
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint's host '%.100s' is no address and no name with its domain", host);
    if (!is_https && !is_loopback(host))
        TDM_FAIL(err, TDM_ERR_INVAL, "http goes to this machine's 127.0.0.0/8 or ::1 only, not to %.100s", host);
    if (e->port == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the endpoint of %.100s has no port", host);
    TDM_TRY(check_path(e->path, err));
    TDM_TRY(check_trust(e, is_https, err));
    return is_address ? TDM_OK : tdm__dns_server_check(dns_server, err);
}
