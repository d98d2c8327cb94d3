/* profile.c - reading a partner profile. profile_fields.c has the members; here stands what no single one shows, above
 * all what may leave this machine and how: an address that is no name is spoken to in the clear only on this machine,
 * a stand-in stands nowhere else, a key's value stands in no profile. */
#include "partner/profile.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "partner/profile_fields.h"
#include "policy/market.h"

enum { PROFILE_BYTES_MAX = 256 << 10, ARENA_BYTES_MAX = 2 << 20 };

/* The profile stands first, so that its address is that of the whole. */
typedef struct profile_memory {
    tdm__partner_profile profile;
    tdm__arena arena;
} profile_memory;

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

static bool is_loopback(const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1)
        return address[0] == 127;
    return strcmp(host, "::1") == 0;
}

static tdm_status endpoint_check(tdm__fields *f, const tdm__partner_profile *p)
{
    const tdm__endpoint *e = &p->endpoint;
    if (!e->host[0])
        return TDM_OK;
    if (strcmp(e->scheme, "https") != 0 && strcmp(e->scheme, "http") != 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "endpoint.scheme", "'%s' stands here, https or http is needed",
                                  e->scheme);
    if (strchr(e->host, '/') || (strchr(e->host, ':') && strcmp(e->host, "::1") != 0) || e->host[0] == '.')
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "endpoint.host", "'%.100s' is no name of a host and no address",
                                  e->host);
    if (e->path[0] != '/' || strstr(e->path, ".."))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "endpoint.path", "it must begin with / and have no ..");
    if (strcmp(e->scheme, "http") == 0 && !is_loopback(e->host))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "endpoint.scheme", "http goes to this machine only, not to %.100s",
                                  e->host);
    if (p->is_emulated && !is_loopback(e->host))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "endpoint.host", "a stand-in is on this machine, not at %.100s",
                                  e->host);
    return TDM_OK;
}

/* The value is never repeated: it may be a key. */
static tdm_status key_check(tdm__fields *f, const tdm__partner_profile *p)
{
    static const char *const kinds[] = {"none", "bearer", "api-key", NULL};
    const char *ref = p->key_ref;
    if (!is_one_of(p->auth, kinds))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "auth", "'%s' stands here; none, bearer and api-key are known",
                                  p->auth);
    if (ref[0] && !(strncmp(ref, "env:", 4) == 0 && ref[4] && !strpbrk(ref + 4, "= ")) &&
        strncmp(ref, "file:/", 6) != 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "key_ref",
                                  "a reference is needed, env:NAME or file:/PATH; a key itself stands in no profile");
    if ((strcmp(p->auth, "none") == 0) != (ref[0] == '\0'))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "key_ref", "auth is %s, so it must %s", p->auth,
                                  ref[0] ? "be left out" : "be there");
    return TDM_OK;
}

static tdm_status profile_check(tdm__fields *f, const tdm__partner_profile *p)
{
    static const char *const dialects[] = {"openai", "qianfan", "deepseek", "hunyuan", "ark", "minimax", "zhipu", NULL};
    if (!is_one_of(p->dialect, dialects))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "dialect", "'%s' is not known", p->dialect);
    for (size_t i = 0; i < p->n_markets; i++)
        if (!tdm__market_code_is_fine(p->markets[i]))
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, "markets", "'%.40s' is not two capital letters",
                                      p->markets[i]);
    if (p->connect_timeout_ms > p->total_timeout_ms || p->first_byte_timeout_ms > p->total_timeout_ms ||
        p->idle_timeout_ms > p->total_timeout_ms)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "timeouts", "none may be longer than total_ms, %u",
                                  p->total_timeout_ms);
    if (p->quirks.top_p_milli_min > p->quirks.top_p_milli_max ||
        p->quirks.temperature_milli_min > p->quirks.temperature_milli_max)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "quirks", "a smallest value is above the largest");
    TDM_TRY(endpoint_check(f, p));
    return key_check(f, p);
}

static tdm_status profile_fill(tdm__fields *f, const json_t *object, tdm__partner_profile *p)
{
    TDM_TRY(tdm__fields_read(f, object, tdm__partner_profile_fields, p));
    const char *type = json_string_value(json_object_get(object, "_type"));
    if (!type || strcmp(type, "partner-profile") != 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "_type", "'%.40s' stands here, it must be 'partner-profile'",
                                  type ? type : "");
    if (!p->endpoint.pin_sha256[0])
        p->endpoint.pin_sha256 = NULL;
    return profile_check(f, p);
}

tdm_status tdm__partner_profile_create(tdm__str json, tdm__partner_profile **out, tdm_error *err)
{
    static const char what[] = "partner profile";
    json_t *object = NULL;
    TDM_TRY(tdm__json_parse(json, what, PROFILE_BYTES_MAX, &object, err));
    profile_memory *m = tdm__calloc(1, sizeof *m);
    tdm__fields f = {.what = what, .err = err};
    tdm_status status = m ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "%s: no memory", what);
    if (m) {
        tdm__arena_init(&m->arena, what, ARENA_BYTES_MAX);
        f.arena = &m->arena;
        status = profile_fill(&f, object, &m->profile);
    }
    json_decref(object);
    if (status < 0) {
        tdm__partner_profile_destroy(m ? &m->profile : NULL);
        return status;
    }
    tdm__sha256_hex(json.ptr, json.len, m->profile.sha256);
    *out = &m->profile;
    return TDM_OK;
}

void tdm__partner_profile_destroy(tdm__partner_profile *p)
{
    if (!p)
        return;
    profile_memory *m = (profile_memory *)(void *)p;
    tdm__arena_reset(&m->arena);
    tdm__free(m);
}

bool tdm__partner_profile_serves(const tdm__partner_profile *p, const char *market)
{
    for (size_t i = 0; i < p->n_markets; i++)
        if (strcmp(p->markets[i], market) == 0)
            return true;
    return false;
}
