/* settings_check.c - from where this daemon can be reached, and that nothing is open that should not be.
 *
 * Loopback is this device's own. Whatever else is listened on is outside: then every request needs a key, and keys do
 * not travel in the clear, so there is TLS of our own or a proxy that ends it and is the only one to be answered. A
 * proxy brings others' requests to loopback, too: behind one, keys are needed there as well.
 */
#include <string.h>

#include "api/settings.h"
#include "base/error.h"

enum { HOST_NAME_MAX_LEN = 253, PORT_DIGITS_MAX = 5 };

/* The ASCII form of a name, as clients send it, with a port or without. */
static bool is_host(const char *text, size_t len)
{
    size_t n = 0, digits = 0;
    while (n < len && memchr("abcdefghijklmnopqrstuvwxyz0123456789-._", text[n], 39))
        n++;
    if (n == 0 || n > HOST_NAME_MAX_LEN)
        return false;
    if (n == len)
        return true;
    if (text[n] != ':')
        return false;
    while (n + 1 + digits < len && text[n + 1 + digits] >= '0' && text[n + 1 + digits] <= '9')
        digits++;
    return n + 1 + digits == len && digits > 0 && digits <= PORT_DIGITS_MAX;
}

static tdm_status check_hosts(const char *hosts, tdm_error *err)
{
    for (const char *p = hosts; *p;) {
        const size_t len = strcspn(p, " ");
        if (!is_host(p, len))
            TDM_FAIL(err, TDM_ERR_INVAL, "'%.*s' is no name of a host: lower-case letters, digits, '-' and '.', and "
                                         "perhaps :PORT", (int)(len < 80 ? len : 80), p);
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
