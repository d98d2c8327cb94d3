/* settings_check.c - from where this daemon can be reached, and that nothing is open that should not be.
 *
 * Loopback is this device's own. Whatever else is listened on is outside: then every request needs a key, and keys do
 * not travel in the clear, so there is TLS of our own or a proxy that ends it and is the only one to be answered. A
 * proxy brings others' requests to loopback, too: behind one, keys are needed there as well.
 */
#include <string.h>

#include "api/settings.h"
#include "base/error.h"

enum { HOST_NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63, PORT_DIGITS_MAX = 5 };

/* The ASCII form of a name as clients send it: labels of 1 to 63 characters, perhaps the root's dot at the end. */
static bool is_name(const char *text, size_t len)
{
    size_t in_label = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' ? in_label == 0 : !memchr("abcdefghijklmnopqrstuvwxyz0123456789-_", text[i], 38))
            return false;
        in_label = text[i] == '.' ? 0 : in_label + 1;
        if (in_label > LABEL_MAX_LEN)
            return false;
    }
    return len > 0 && len <= HOST_NAME_MAX_LEN;
}

/* ":1" to ":65535". */
static bool is_port(const char *text, size_t len)
{
    unsigned port = 0;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i > PORT_DIGITS_MAX)
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port > 0 && port <= 65535;
}

/* A name whose last label is a number is an IPv4 address for a browser ("0", "1.2.3", "0x7f.1" too), which sends it in
 * its usual form: any other could never match. */
static bool is_number_name(const char *text, size_t len)
{
    size_t at = len;
    while (at > 0 && text[at - 1] != '.')
        at--;
    const bool is_hex = len - at >= 2 && text[at] == '0' && text[at + 1] == 'x';
    const size_t from = is_hex ? at + 2 : at;
    for (size_t i = from; i < len; i++)
        if (!memchr(is_hex ? "0123456789abcdef" : "0123456789", text[i], is_hex ? 16 : 10))
            return false;
    return at < len;
}

static tdm_status check_host(const char *text, size_t len, tdm_error *err)
{
    const char *colon = memchr(text, ':', len);
    const size_t n = colon ? (size_t)(colon - text) : len;
    char address[HOST_NAME_MAX_LEN + 1], form[TDM__HTTP_HOST_TEXT];
    if (memchr(text, '*', len))
        TDM_FAIL(err, TDM_ERR_INVAL, "'%.*s' cannot be given for all names: each is named, so that no other page can "
                                     "take one for this device", (int)(len < 80 ? len : 80), text);
    if (!is_name(text, n) || (colon && !is_port(colon, len - n)))
        TDM_FAIL(err, TDM_ERR_INVAL, "'%.*s' is no name of a host: lower-case letters, digits, '-' and '.', and "
                                     "perhaps :PORT", (int)(len < 80 ? len : 80), text);
    if (!is_number_name(text, n))
        return TDM_OK;
    memcpy(address, text, n);
    address[n] = '\0';
    if (tdm__http_host_parse(address, form, NULL) != TDM_OK || strcmp(address, form) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "'%.80s' is no address of one machine, by which clients could call this daemon",
                 address);
    return TDM_OK;
}

static tdm_status check_hosts(const char *hosts, tdm_error *err)
{
    for (const char *p = hosts; *p;) {
        const size_t len = strcspn(p, " ");
        TDM_TRY(check_host(p, len, err));
        p += len + (p[len] == ' ');
    }
    return TDM_OK;
}

/* "http://127.0.0.1:8400": this machine's own, nothing else may frame a phone. */
static tdm_status check_stage(const char *stage, tdm_error *err)
{
    tdm__http_address a;
    const char scheme[] = "http://";
    if (strncmp(stage, scheme, sizeof scheme - 1) != 0 ||
        tdm__http_address_parse(stage + sizeof scheme - 1, &a, NULL) != TDM_OK || !a.is_loopback || a.port == 0 ||
        strpbrk(stage, "\"'<>;, ") != NULL)
        TDM_FAIL(err, TDM_ERR_INVAL, "--stage %s is not http://ADDRESS:PORT of this machine's loopback", stage);
    return TDM_OK;
}

tdm_status tdm__settings_check(const tdm__settings *s, tdm__reach *out, tdm_error *err)
{
    tdm__reach r = {0};
    const char *proxy = tdm__settings_text(s, TDM__SET_BEHIND_TLS_PROXY);
    const bool has_cert = tdm__settings_text(s, TDM__SET_TLS_CERT)[0] != '\0';
    const bool has_key = tdm__settings_text(s, TDM__SET_TLS_KEY)[0] != '\0';
    TDM_TRY(tdm__http_address_parse(tdm__settings_text(s, TDM__SET_LISTEN), &r.address, err));
    TDM_TRY(check_hosts(tdm__settings_text(s, TDM__SET_HOSTS), err));
    if (tdm__settings_text(s, TDM__SET_STAGE)[0] != '\0')
        TDM_TRY(check_stage(tdm__settings_text(s, TDM__SET_STAGE), err));
    if (has_cert != has_key)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is given without %s: TLS needs both",
                 has_cert ? "--tls-cert" : "--tls-key", has_cert ? "--tls-key" : "--tls-cert");
    r.has_tls = has_cert;
    if (proxy[0] != '\0' && r.has_tls)
        TDM_FAIL(err, TDM_ERR_INVAL, "--behind-tls-proxy says that a proxy ends TLS, --tls-cert that we do: give one");
    if (proxy[0] != '\0')
        TDM_TRY(tdm__http_host_parse(proxy, r.only_from, err));
    if (!r.address.is_loopback && !r.has_tls && r.only_from[0] == '\0')
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED,
                 "%s is no loopback address: others could listen to keys and texts; give --tls-cert FILE and --tls-key "
                 "FILE, or --behind-tls-proxy ADDR of the proxy that ends TLS", r.address.host);
    r.is_outside = !r.address.is_loopback || r.only_from[0] != '\0';
    *out = r;
    return TDM_OK;
}
