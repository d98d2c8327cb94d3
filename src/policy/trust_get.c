/* trust_get.c - what is believed, until when, and by which clock: questions that change nothing. */
#include <string.h>

#include "base/error.h"
#include "policy/trust_internal.h"

const char *tdm__trust_fault_name(tdm__trust_fault f)
{
    static const char *const names[] = {"NONE",    "FORMAT",      "SIGNATURES", "ROLLBACK", "FREEZE", "MIX_AND_MATCH",
                                        "ENDLESS", "TARGET_HASH", "WRONG_ROLE", "DEMO",     "MISSING"};
    return (size_t)f < sizeof names / sizeof names[0] ? names[f] : "UNKNOWN";
}

const char *tdm__freshness_name(tdm__freshness f)
{
    static const char *const names[] = {"invalid", "fresh", "grace", "stale", "suspect"};
    return (size_t)f < sizeof names / sizeof names[0] ? names[f] : "invalid";
}

static int64_t min_time(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t tdm__trust_now(const tdm__trust *t, int64_t system_now_unix_s, bool *is_suspect)
{
    if (is_suspect)
        *is_suspect = system_now_unix_s < t->floors.newest_unix_s - TDM__TRUST_SKEW_S;
    return system_now_unix_s > t->floors.newest_unix_s ? system_now_unix_s : t->floors.newest_unix_s;
}

int64_t tdm__trust_common_expiry(const tdm__trust_believed *b)
{
    if (!b->timestamp.text)
        return 0;
    return min_time(min_time(b->root.expires_unix_s, b->timestamp.expires_unix_s),
                    min_time(b->snapshot.expires_unix_s, b->targets.expires_unix_s));
}

tdm_status tdm__trust_get_target(const tdm__trust *t, const char *path, tdm__trust_target *out, tdm_error *err)
{
    for (size_t i = 0; i < t->n_targets; i++)
        if (strcmp(t->targets[i].path, path) == 0) {
            *out = t->targets[i];
            return TDM_OK;
        }
    TDM_FAIL(err, TDM_ERR_NOT_FOUND, "no role has signed %.120s", path);
}

size_t tdm__trust_n_targets(const tdm__trust *t) { return t->n_targets; }

void tdm__trust_target_at(const tdm__trust *t, size_t i, tdm__trust_target *out) { *out = t->targets[i]; }

bool tdm__trust_is_demo(const tdm__trust *t) { return tdm__trust_root_is_demo(&t->believed.root); }

static const tdm__trust_document *find_market(const tdm__trust *t, const char *market)
{
    for (size_t i = 0; i < t->believed.n_markets; i++)
        if (strcmp(t->believed.markets[i].id, market) == 0)
            return &t->believed.markets[i].document;
    return NULL;
}

int64_t tdm__trust_expires_unix_s(const tdm__trust *t, const char *market)
{
    const tdm__trust_document *d = find_market(t, market);
    return d ? min_time(tdm__trust_common_expiry(&t->believed), d->expires_unix_s) : 0;
}

int64_t tdm__trust_version(const tdm__trust *t) { return t->believed.timestamp.version; }

int64_t tdm__trust_market_version(const tdm__trust *t, const char *market)
{
    const tdm__trust_document *d = find_market(t, market);
    return d ? d->version : 0;
}
