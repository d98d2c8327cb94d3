/* market.c - from the signed JSON to the table of cells.
 *
 * The tables of market_fields.c give each member its kind and bounds; here stands what no single member shows: a back
 * end names a partner that is declared, a market that wants a label has its words, ZZ covers no sold device, no cell is
 * empty or says a thing twice. What is only unwise (a partner without accreditation, tiers that the shape forbids) is
 * let through: the decision refuses it with a reason that the owner can read.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "os/heap.h"
#include "policy/market_internal.h"

enum { ARENA_BYTES_MAX = 8 << 20, ID_MAX = 64 };

/* The policy stands first, so that its address is that of the whole. */
typedef struct policy_memory {
    tdm__market_policy policy;
    tdm__arena arena;
} policy_memory;

bool tdm__market_code_is_fine(const char *code)
{
    return code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z' && code[2] == '\0';
}

/* "alibaba", "rewrite": what stands in decisions, cases and journals. */
static tdm_status id_check(tdm__fields *f, const char *id)
{
    const size_t len = strlen(id);
    if (len < 1 || len > ID_MAX || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-_") != len || id[0] < 'a')
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "",
                                  "'%.64s' is no id: 1 to %d of a-z, 0-9, - and _, the first a letter", id, ID_MAX);
    return TDM_OK;
}

static tdm_status partner_read(tdm__fields *f, const char *id, const json_t *v, tdm__policy_partner *out)
{
    TDM_TRY(id_check(f, id));
    if (strcmp(id, "own") == 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "own is this device's model, no partner");
    TDM_TRY(tdm__fields_read(f, v, tdm__market_partner_fields, out));
    out->id = tdm__arena_dup(f->arena, tdm__str_from(id));
    return out->id ? TDM_OK : tdm__fields_refuse(f, TDM_ERR_NOMEM, "", "no memory");
}

static tdm_status partners_read(tdm__fields *f, const json_t *object, tdm__market_policy *p)
{
    if (!object)
        return TDM_OK;
    TDM_TRY(tdm__fields_need_object(f, "partners", object));
    const size_t n = json_object_size(object);
    if (n > TDM__MARKET_PARTNERS_MAX)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "partners", "%zu entries, %d are the most", n,
                                  TDM__MARKET_PARTNERS_MAX);
    tdm__policy_partner *partners = tdm__fields_array(f, n, sizeof *partners);
    if (!partners)
        return TDM_ERR_NOMEM;
    const size_t mark = tdm__fields_enter(f, "partners");
    size_t i = 0;
    for (void *it = json_object_iter((json_t *)object); it; it = json_object_iter_next((json_t *)object, it)) {
        const char *id = json_object_iter_key(it);
        const size_t one = tdm__fields_enter(f, id);
        TDM_TRY(partner_read(f, id, json_object_iter_value(it), &partners[i++]));
        tdm__fields_leave(f, one);
    }
    tdm__fields_leave(f, mark);
    p->partners = partners;
    p->n_partners = n;
    return TDM_OK;
}

/* NULL for this device's own model. */
static tdm_status partner_find(tdm__fields *f, const tdm__market_policy *p, const json_t *v,
                               const tdm__policy_partner **out)
{
    const char *id = json_string_value(v);
    if (!id)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "backend", "own or a partner's id is needed, %s stands here",
                                  tdm__json_kind(v));
    *out = NULL;
    if (strcmp(id, "own") == 0)
        return TDM_OK;
    tdm__nearest near = {.wanted = id, .wanted_len = strlen(id)};
    tdm__nearest_offer(&near, "own");
    for (size_t i = 0; i < p->n_partners; i++) {
        if (strcmp(p->partners[i].id, id) == 0) {
            *out = &p->partners[i];
            return TDM_OK;
        }
        tdm__nearest_offer(&near, p->partners[i].id);
    }
    return tdm__fields_refuse(f, TDM_ERR_FORMAT, "backend", "'%.60s' is no partner of this policy%s%s%s", id,
                              near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

/* What this device's model and a partner's have, and must not have. */
static tdm_status backend_check(tdm__fields *f, tdm__policy_backend *b, bool has_profiles)
{
    const unsigned all = TDM__PROFILE_ADULT | TDM__PROFILE_CHILD | TDM__PROFILE_MANAGED;
    if (!has_profiles)
        b->profiles = b->partner ? TDM__PROFILE_ADULT : all;
    if (b->partner && b->model_sha256[0])
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "model_sha256", "a partner's model is known by id and date only");
    if (b->partner && !b->model_date[0])
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "'model_date' is missing: the date that the partner declared");
    if (b->partner && !b->data_region[0])
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "'data_region' is missing: where a partner's machine stands");
    if (!b->partner && b->role == TDM__ROLE_HANDOFF)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "role", "this device's model is no hand-off: engine or filter");
    if (!b->partner && b->model_date[0])
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "model_date", "this device's model is known by its file");
    if (!b->partner && b->data_region[0] && strcmp(b->data_region, "device") != 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "data_region",
                                  "this device's model keeps everything on the device");
    if (!b->partner)
        b->data_region = "device";
    return TDM_OK;
}

static tdm_status backend_read(tdm__fields *f, const tdm__market_policy *p, const json_t *v, tdm__policy_backend *out)
{
    out->canary_bp = TDM__BASIS_POINTS;
    TDM_TRY(tdm__fields_read(f, v, tdm__market_backend_fields, out));
    TDM_TRY(partner_find(f, p, json_object_get(v, "backend"), &out->partner));
    return backend_check(f, out, json_object_get(v, "profiles") != NULL);
}

static bool backends_are_same(const tdm__policy_backend *a, const tdm__policy_backend *b)
{
    return a->partner == b->partner && a->role == b->role && strcmp(a->model, b->model) == 0 &&
           strcmp(a->model_date, b->model_date) == 0;
}

static tdm_status cell_read(tdm__fields *f, const tdm__market_policy *p, const char *feature, const json_t *v,
                            tdm__policy_cell *out)
{
    TDM_TRY(id_check(f, feature));
    TDM_TRY(tdm__fields_read(f, v, tdm__market_cell_fields, out));
    const json_t *list = json_object_get(v, "backends");
    if (json_is_array(list) && json_array_size(list) == 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "backends",
                                  "nothing could answer; a feature that is not offered is left out");
    TDM_TRY(tdm__fields_need_array(f, "backends", list, 1, TDM__CELL_BACKENDS_MAX));
    const size_t n = json_array_size(list);
    tdm__policy_backend *backends = tdm__fields_array(f, n, sizeof *backends);
    out->feature = tdm__arena_dup(f->arena, tdm__str_from(feature));
    if (!backends || !out->feature)
        return tdm__fields_refuse(f, TDM_ERR_NOMEM, "", "no memory");
    const size_t mark = tdm__fields_enter(f, "backends");
    for (size_t i = 0; i < n; i++) {
        const size_t item = tdm__fields_enter_item(f, i);
        TDM_TRY(backend_read(f, p, json_array_get(list, i), &backends[i]));
        for (size_t k = 0; k < i; k++)
            if (backends_are_same(&backends[k], &backends[i]))
                return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "the same as backends[%zu]", k);
        tdm__fields_leave(f, item);
    }
    tdm__fields_leave(f, mark);
    out->backends = backends;
    out->n_backends = n;
    return TDM_OK;
}

static int cell_compare(const void *a, const void *b)
{
    return strcmp(((const tdm__policy_cell *)a)->feature, ((const tdm__policy_cell *)b)->feature);
}

static tdm_status cells_read(tdm__fields *f, const json_t *object, tdm__market_policy *p)
{
    TDM_TRY(tdm__fields_need_object(f, "features", object));
    const size_t n = json_object_size(object);
    if (n > TDM__MARKET_FEATURES_MAX)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "features", "%zu entries, %d are the most", n,
                                  TDM__MARKET_FEATURES_MAX);
    tdm__policy_cell *cells = tdm__fields_array(f, n, sizeof *cells);
    if (!cells)
        return TDM_ERR_NOMEM;
    const size_t mark = tdm__fields_enter(f, "features");
    size_t i = 0;
    for (void *it = json_object_iter((json_t *)object); it; it = json_object_iter_next((json_t *)object, it)) {
        const char *feature = json_object_iter_key(it);
        const size_t one = tdm__fields_enter(f, feature);
        TDM_TRY(cell_read(f, p, feature, json_object_iter_value(it), &cells[i++]));
        tdm__fields_leave(f, one);
    }
    tdm__fields_leave(f, mark);
    qsort(cells, n, sizeof *cells, cell_compare);
    p->cells = cells;
    p->n_cells = n;
    return TDM_OK;
}

/* "223.5.5.5:53", "[2001:db8::1]:53": an address, never a name that somebody would have to resolve first. */
static bool dns_server_is_fine(const char *server)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char address[16];
    const bool is_v6 = server[0] == '[';
    const char *end = is_v6 ? strstr(server, "]:") : strchr(server, ':');
    const char *begin = server + is_v6, *port = end ? end + 1 + is_v6 : "";
    const size_t port_len = strlen(port);
    if (!end || (size_t)(end - begin) >= sizeof host || port_len < 1 || port_len > 5 || port[0] == '0' ||
        strspn(port, "0123456789") != port_len || strtol(port, NULL, 10) > 65535)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(end - begin), begin);
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

static tdm_status policy_check(tdm__fields *f, const tdm__market_policy *p)
{
    if (!tdm__market_code_is_fine(p->market))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "market", "'%s' is not two capital letters", p->market);
    for (size_t i = 0; i < p->n_sold_in; i++)
        if (!tdm__market_code_is_fine(p->sold_in[i]))
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, "sold_in", "'%.40s' is no ISO 3166-1 alpha-2 code",
                                      p->sold_in[i]);
    if ((p->n_sold_in == 0) != (strcmp(p->market, "ZZ") == 0))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "sold_in",
                                  "ZZ is the market of no sold device and covers no country; every other one does");
    if (p->needs_label && !p->label_en[0] && !p->label_zh[0])
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "label", "a visible label needs words in en or zh");
    if (p->dns_server[0] && !dns_server_is_fine(p->dns_server))
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "dns_server", "'%s' is not address:port", p->dns_server);
    return TDM_OK;
}

static tdm_status policy_fill(tdm__fields *f, const json_t *object, tdm__market_policy *p)
{
    TDM_TRY(tdm__fields_read(f, object, tdm__market_fields, p));
    const char *type = json_string_value(json_object_get(object, "_type"));
    if (!type || strcmp(type, "market-policy") != 0)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "_type", "'%.40s' stands here, it must be 'market-policy'",
                                  type ? type : "");
    TDM_TRY(policy_check(f, p));
    TDM_TRY(partners_read(f, json_object_get(object, "partners"), p));
    return cells_read(f, json_object_get(object, "features"), p);
}

tdm_status tdm__market_policy_read(tdm__fields *f, const json_t *object, tdm__market_policy **out)
{
    policy_memory *m = tdm__calloc(1, sizeof *m);
    if (!m)
        return tdm__fields_refuse(f, TDM_ERR_NOMEM, "", "no memory");
    tdm__arena_init(&m->arena, "market policy", ARENA_BYTES_MAX);
    f->arena = &m->arena;
    const tdm_status status = policy_fill(f, object, &m->policy);
    if (status < 0)
        tdm__market_policy_destroy(&m->policy);
    else
        *out = &m->policy;
    return status;
}

tdm_status tdm__market_policy_create(tdm__str json, tdm__market_policy **out, tdm_error *err)
{
    static const char what[] = "market policy";
    json_t *object = NULL;
    TDM_TRY(tdm__json_parse(json, what, TDM__MARKET_BYTES_MAX, &object, err));
    tdm__fields f = {.what = what, .err = err};
    const tdm_status status = tdm__market_policy_read(&f, object, out);
    if (status == TDM_OK)
        tdm__sha256_hex(json.ptr, json.len, (*out)->sha256);
    json_decref(object);
    return status;
}

void tdm__market_policy_destroy(tdm__market_policy *p)
{
    if (!p)
        return;
    policy_memory *m = (policy_memory *)(void *)p;
    tdm__arena_reset(&m->arena);
    tdm__free(m);
}

static int feature_compare(const void *feature, const void *cell)
{
    return strcmp(feature, ((const tdm__policy_cell *)cell)->feature);
}

const tdm__policy_cell *tdm__market_policy_cell(const tdm__market_policy *p, const char *feature)
{
    return p->n_cells > 0 ? bsearch(feature, p->cells, p->n_cells, sizeof *p->cells, feature_compare) : NULL;
}
