/* fake_trust.c - see fake_trust.h. */
#include "fake_trust.h"

#include <string.h>

tdm_status tdm__trust_get_target(const tdm__trust *t, const char *path, tdm__trust_target *out, tdm_error *err)
{
    (void)err;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->targets[i].path, path) == 0) {
            *out = t->targets[i];
            return TDM_OK;
        }
    return TDM_ERR_NOT_FOUND;
}

size_t tdm__trust_n_targets(const tdm__trust *t) { return t->n; }
void tdm__trust_target_at(const tdm__trust *t, size_t i, tdm__trust_target *out) { *out = t->targets[i]; }
bool tdm__trust_is_demo(const tdm__trust *t) { return t->is_demo; }
int64_t tdm__trust_version(const tdm__trust *t) { return t->version; }

int64_t tdm__trust_expires_unix_s(const tdm__trust *t, const char *market)
{
    (void)market;
    return t->expires_unix_s;
}

const char *tdm__freshness_name(tdm__freshness f)
{
    static const char *const names[] = {"invalid", "fresh", "grace", "stale", "suspect"};
    return names[f];
}
