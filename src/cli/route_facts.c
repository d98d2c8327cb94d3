/* route_facts.c - see route_facts.h. The forms are in docs/formats/decision.md; what they do not know is refused. */
#include "cli/route_facts.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"

enum { FILE_BYTES_MAX = 1 << 20, CONSENTS_MAX = 4096 };

bool tdm__route_state_parse(const char *name, tdm__backend_state *out)
{
    static const char *const names[] = {"up", "down", "loading"}; /* in the order of the type */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (tdm__backend_state)i;
            return true;
        }
    return false;
}

bool tdm__route_consent_parse(const char *name, tdm__consent_mode *out)
{
    static const char *const names[] = {"ask", "always", "never"}; /* in the order of the type */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (tdm__consent_mode)i;
            return true;
        }
    return false;
}

static tdm_status read_json(const char *path, json_t **out, tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int rc = tdm__file_read(path, FILE_BYTES_MAX, &bytes, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be read", path);
    tdm_status s = tdm__json_parse((tdm__str){bytes, len}, path, FILE_BYTES_MAX, out, err);
    tdm__free(bytes);
    return s;
}

static tdm_status read_size(const json_t *state, const char *key, const char *what, size_t *out, tdm_error *err)
{
    int64_t n = 0;
    if (json_object_get(state, key))
        TDM_TRY(tdm__json_get_int(state, key, what, 0, INT32_MAX, &n, err));
    *out = (size_t)n;
    return TDM_OK;
}

static tdm_status read_network(const json_t *state, const char *what, bool *is_off, tdm_error *err)
{
    const char *network = "on";
    if (json_object_get(state, "network"))
        TDM_TRY(tdm__json_get_str(state, "network", what, &network, err));
    *is_off = strcmp(network, "off") == 0;
    if (!*is_off && strcmp(network, "on") != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: network is \"on\" or \"off\"", what);
    return TDM_OK;
}

static tdm_status check_partners(const json_t *state, const char *what, tdm_error *err)
{
    const json_t *partners, *value;
    const char *key;
    tdm__backend_state ignored;
    if (!json_object_get(state, "partners"))
        return TDM_OK;
    TDM_TRY(tdm__json_get_object(state, "partners", what, &partners, err));
    json_object_foreach((json_t *)partners, key, value)
        if (!json_is_string(value) || !tdm__route_state_parse(json_string_value(value), &ignored))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: partners.%.64s is \"up\" or \"down\"", what, key);
    return TDM_OK;
}

static tdm_status read_state(const char *what, tdm__route_facts *f, tdm_error *err)
{
    static const char *const known[] = {"network",           "own",         "model",   "prompt_tokens",
                                        "device_tokens_max", "attachments", "partners", NULL};
    const char *own = "up";
    if (!json_is_object(f->state))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s is not an object", what);
    TDM_TRY(tdm__json_check_keys(f->state, what, known, err));
    TDM_TRY(read_network(f->state, what, &f->facts.network_is_off, err));
    if (json_object_get(f->state, "own"))
        TDM_TRY(tdm__json_get_str(f->state, "own", what, &own, err));
    if (!tdm__route_state_parse(own, &f->facts.own_state))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: own is \"up\", \"loading\" or \"down\"", what);
    if (json_object_get(f->state, "model"))
        TDM_TRY(tdm__json_get_str(f->state, "model", what, &f->own_model_sha256, err));
    TDM_TRY(read_size(f->state, "prompt_tokens", what, &f->facts.prompt_tokens, err));
    TDM_TRY(read_size(f->state, "device_tokens_max", what, &f->facts.device_tokens_max, err));
    if (json_object_get(f->state, "attachments"))
        TDM_TRY(tdm__json_get_bool(f->state, "attachments", what, &f->facts.has_attachments, err));
    return check_partners(f->state, what, err);
}

/* A list, or {"consents": list} as the consent command and the API give it; members that are not asked for here
 * (since, profile_sha256) may be there. */
static tdm_status check_consents(const char *what, tdm__route_facts *f, tdm_error *err)
{
    if (json_is_object(f->consents)) {
        const json_t *list;
        TDM_TRY(tdm__json_get_array(f->consents, "consents", what, CONSENTS_MAX, &list, err));
        json_t *all = f->consents;
        f->consents = json_incref((json_t *)list);
        json_decref(all);
    }
    if (!json_is_array(f->consents))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s is not a list of consents", what);
    for (size_t i = 0; i < json_array_size(f->consents); i++) {
        const json_t *row = json_array_get(f->consents, i);
        const char *text;
        tdm__consent_mode mode;
        if (!json_is_object(row))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: entry %zu is not an object", what, i);
        TDM_TRY(tdm__json_get_str(row, "partner", what, &text, err));
        TDM_TRY(tdm__json_get_str(row, "feature", what, &text, err));
        TDM_TRY(tdm__json_get_str(row, "mode", what, &text, err));
        if (!tdm__route_consent_parse(text, &mode))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: entry %zu: mode is \"ask\", \"always\" or \"never\"", what, i);
    }
    return TDM_OK;
}

tdm_status tdm__route_facts_open(const char *state_path, const char *consent_path, tdm__route_facts *out,
                                 tdm_error *err)
{
    *out = (tdm__route_facts){.own_model_sha256 = ""};
    if (state_path) {
        TDM_TRY(read_json(state_path, &out->state, err));
        TDM_TRY(read_state(state_path, out, err));
    }
    if (consent_path) {
        TDM_TRY(read_json(consent_path, &out->consents, err));
        TDM_TRY(check_consents(consent_path, out, err));
    }
    return TDM_OK;
}

void tdm__route_facts_close(tdm__route_facts *f)
{
    json_decref(f->state);
    json_decref(f->consents);
}

/* The last entry of a partner and feature counts; "never" counts for attachments too. */
static tdm__consent_mode consent_of(const tdm__route_facts *f, const char *partner, const char *feature)
{
    tdm__consent_mode found = TDM__CONSENT_ASK, mode;
    for (size_t i = 0; i < json_array_size(f->consents); i++) {
        const json_t *row = json_array_get(f->consents, i);
        bool with_attachments = json_is_true(json_object_get(row, "attachments"));
        if (strcmp(json_string_value(json_object_get(row, "partner")), partner) != 0 ||
            strcmp(json_string_value(json_object_get(row, "feature")), feature) != 0 ||
            !tdm__route_consent_parse(json_string_value(json_object_get(row, "mode")), &mode))
            continue;
        if (with_attachments == f->facts.has_attachments || (mode == TDM__CONSENT_NEVER && !with_attachments))
            found = mode;
    }
    return found;
}

void tdm__route_facts_fit(tdm__route_facts *f, const tdm__rule_cell *cell)
{
    for (size_t i = 0; cell && i < cell->cell->n_backends && i < TDM__CELL_BACKENDS_MAX; i++) {
        const tdm__policy_partner *p = cell->cell->backends[i].partner;
        const json_t *state = p ? json_object_get(json_object_get(f->state, "partners"), p->id) : NULL;
        f->facts.consents[i] = p ? consent_of(f, p->id, cell->cell->feature) : TDM__CONSENT_ASK;
        f->facts.partner_states[i] = TDM__BACKEND_UP;
        if (state)
            (void)tdm__route_state_parse(json_string_value(state), &f->facts.partner_states[i]);
    }
}
