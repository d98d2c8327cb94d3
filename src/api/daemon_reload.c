/* daemon_reload.c - settings, keys and certificate: read as a whole, then put into force by what cannot fail.
 *
 * The start is the first reload. What runs keeps what it began with: a connection its certificate, an answer its
 * application, even when the key is gone.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "api/daemon_internal.h"
#include "base/error.h"
#include "os/clock.h"

/* All that is read before anything changes. */
typedef struct prepared {
    tdm__reach reach;
    tdm__tls *tls;
    tdm__app_keys apps;
    tdm__owner owner;
} prepared;

static void prepared_fini(prepared *p)
{
    tdm__tls_close(p->tls);
    tdm__app_keys_close(&p->apps);
    OPENSSL_cleanse(&p->owner, sizeof p->owner);
}

static tdm_status prepare(tandem_daemon *d, const tdm__settings *s, prepared *p, tdm_error *err)
{
    const char *state_dir = d->options->state_dir;
    TDM_TRY(tdm__settings_check(s, &p->reach, err));
    if (p->reach.has_tls)
        TDM_TRY(tdm__tls_open(tdm__settings_text(s, TDM__SET_TLS_CERT), tdm__settings_text(s, TDM__SET_TLS_KEY),
                              tdm__clock_unix_s(), &p->tls, err));
    TDM_TRY(tdm__app_keys_open(state_dir, &d->api.app_names, &p->apps, err));
    TDM_TRY(tdm__owner_open(state_dir, &p->owner, err));
    const tdm__app_key *app = tdm__app_keys_find(&p->apps, tdm__str_from(p->owner.key));
    if (app) /* that application would be the owner */
        TDM_FAIL(err, TDM_ERR_FORMAT, "%.600s/owner.key holds the same key as that of %s: each has its own", state_dir,
                 app->name);
    return TDM_OK;
}

static tdm__http_server_options options_of(const tdm__settings *s, const tdm__reach *reach)
{
    tdm__http_server_options o = tdm__http_server_options_default();
    o.connections_max = (size_t)tdm__settings_number(s, TDM__SET_CONNECTIONS);
    o.limits.body_bytes_max = (size_t)tdm__settings_number(s, TDM__SET_BODY_SIZE);
    o.head_timeout_ms = (int)tdm__settings_number(s, TDM__SET_HEAD_TIMEOUT);
    o.body_timeout_ms = (int)tdm__settings_number(s, TDM__SET_BODY_TIMEOUT);
    o.idle_timeout_ms = (int)tdm__settings_number(s, TDM__SET_IDLE_TIMEOUT);
    o.write_timeout_ms = (int)tdm__settings_number(s, TDM__SET_WRITE_TIMEOUT);
    /* An offer shows what would leave: a question as long as a body may be, once as text and once, with its quotes
     * escaped twice, as the partner's body. */
    o.output_bytes_max = 4 * o.limits.body_bytes_max;
    if (o.output_bytes_max < tdm__http_server_options_default().output_bytes_max)
        o.output_bytes_max = tdm__http_server_options_default().output_bytes_max;
    memcpy(o.only_from, reach->only_from, sizeof o.only_from);
    return o;
}

void tdm__daemon_configure_log(tandem_daemon *d, const tdm__settings *s)
{
    tdm__daemon_log_configure(&d->api.log, strcmp(tdm__settings_text(s, TDM__SET_LOG), "json") == 0,
                              (size_t)tdm__settings_number(s, TDM__SET_LOG_LINES_PER_SECOND));
}

/* Takes what p holds. A page's session ends with the owner's key that it was drawn under. */
static void put_into_force(tandem_daemon *d, const tdm__settings *s, prepared *p)
{
    tdm__api *api = &d->api;
    const tdm__app_keys old_apps = api->apps;
    tdm__tls *old_tls = api->tls;
    d->settings = *s;
    d->reach = p->reach;
    api->apps = p->apps;
    p->apps = old_apps;
    api->tls = p->tls;
    p->tls = old_tls;
    if (CRYPTO_memcmp(api->owner.key, p->owner.key, sizeof api->owner.key) != 0)
        api->owner = p->owner;
    api->keys_required = p->reach.is_outside || tdm__settings_number(s, TDM__SET_KEYS_REQUIRED) != 0;
    api->names = (tdm__own_names){.address = &api->address,
                                  .hosts = tdm__settings_text(&d->settings, TDM__SET_HOSTS),
                                  .is_https = p->reach.has_tls || p->reach.only_from[0] != '\0',
                                  .is_proxied = p->reach.only_from[0] != '\0'};
    const tdm__http_server_options http = options_of(s, &p->reach);
    tdm__http_server_configure(api->server, &http, api->tls);
    const tdm__quota quota = {.tokens_per_hour = tdm__settings_number(s, TDM__SET_APP_TOKENS_PER_HOUR),
                              .requests_at_once = (size_t)tdm__settings_number(s, TDM__SET_APP_REQUESTS_AT_ONCE)};
    tdm__service_set_quota(api->service, &quota);
    tdm__daemon_configure_log(d, s);
}

tdm_status tdm__daemon_put_into_force(tandem_daemon *d, const tdm__settings *settings, tdm_error *err)
{
    prepared p = {0};
    const tdm_status s = prepare(d, settings, &p, err);
    if (s == TDM_OK)
        put_into_force(d, settings, &p);
    prepared_fini(&p); /* what was read in vain, or what was in force before */
    return s;
}

tdm_status tdm__daemon_reload(tandem_daemon *d, tdm_error *err)
{
    tdm__settings fresh;
    TDM_TRY(tdm__settings_load(d->options->config_path, &d->options->flags, &fresh, err));
    const tdm__setting_id fixed = tdm__settings_find_fixed(&d->settings, &fresh);
    if (fixed != TDM__N_SETTINGS)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s cannot change while the daemon runs: restart it",
                 tdm__settings_table[fixed].key);
    if (fresh.values[TDM__SET_TLS_CERT].text[0] == '\0' && d->reach.has_tls)
        TDM_FAIL(err, TDM_ERR_INVAL, "tls_cert cannot be taken away while the daemon runs: restart it");
    if (fresh.values[TDM__SET_TLS_CERT].text[0] != '\0' && !d->reach.has_tls)
        TDM_FAIL(err, TDM_ERR_INVAL, "tls_cert cannot be added while the daemon runs: restart it");
    return tdm__daemon_put_into_force(d, &fresh, err);
}
