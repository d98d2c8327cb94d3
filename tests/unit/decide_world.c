/* decide_world.c - see decide_world.h. */
#include "decide_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (!p)
        abort();
    return p;
}

static const char *name(decide_world *w, size_t at, char letter, size_t n)
{
    snprintf(w->names[at], sizeof w->names[at], "%c%04u", letter, (unsigned)(n % 10000));
    return w->names[at];
}

static void make_partner(decide_world *w, size_t i)
{
    w->partners[i] = (tdm__policy_partner){.id = name(w, i, 'p', i),
                                           .name_en = "Partner",
                                           .name_zh = "伙伴",
                                           .legal_entity = "Partner Ltd.",
                                           .profile_path = "markets/CN/partners/p.json",
                                           .accreditation = "ACC-1",
                                           .accreditation_expires_unix_s = WORLD_NOW + 300 * WORLD_DAY};
}

static void make_backend(decide_world *w, size_t at, size_t k, size_t n_partners)
{
    tdm__policy_backend *b = &w->backends[at];
    tdm__rule_candidate *c = &w->candidates[at];
    *b = (tdm__policy_backend){.role = TDM__ROLE_HANDOFF,
                               .model = "model",
                               .model_name = "Model",
                               .model_date = "2025-01-25",
                               .data_region = "CN",
                               .profiles = TDM__PROFILE_ADULT | TDM__PROFILE_CHILD,
                               .canary_bp = TDM__BASIS_POINTS};
    if (k == 0) {
        b->role = TDM__ROLE_ENGINE;
        b->model_date = "";
        snprintf(b->model_sha256, sizeof b->model_sha256, "%s", WORLD_OWN_SHA256);
    } else {
        b->partner = &w->partners[(at - 1) % n_partners];
    }
    *c = (tdm__rule_candidate){.backend = b, .is_in_canary = true};
    snprintf(c->filing.id, sizeof c->filing.id, "CN-2025-0001");
    c->filing.state = TDM__FILING_APPROVED;
    c->filing.since_unix_s = WORLD_NOW - 10 * WORLD_DAY;
    c->filing.expires_unix_s = INT64_MAX;
}

decide_world *decide_world_create(size_t n_cells, size_t n_backends, size_t n_partners)
{
    decide_world *w = take(1, sizeof *w);
    w->n_backends = n_backends;
    w->names = take(n_partners + n_cells, sizeof *w->names);
    w->partners = take(n_partners, sizeof *w->partners);
    w->cells = take(n_cells, sizeof *w->cells);
    w->rule_cells = take(n_cells, sizeof *w->rule_cells);
    w->backends = take(n_cells * n_backends, sizeof *w->backends);
    w->candidates = take(n_cells * n_backends, sizeof *w->candidates);
    for (size_t i = 0; i < n_partners; i++)
        make_partner(w, i);
    for (size_t i = 0; i < n_cells; i++) {
        for (size_t k = 0; k < n_backends; k++)
            make_backend(w, i * n_backends + k, k, n_partners);
        w->cells[i] = (tdm__policy_cell){.feature = name(w, n_partners + i, 'f', i),
                                         .backends = w->backends + i * n_backends,
                                         .n_backends = n_backends};
        w->rule_cells[i] = (tdm__rule_cell){&w->cells[i], w->candidates + i * n_backends};
    }
    w->policy = (tdm__market_policy){.market = "CN",
                                     .name_en = "mainland China",
                                     .name_zh = "中国大陆",
                                     .version = 3,
                                     .shape = TDM__SHAPE_OWN_AND_PARTNER,
                                     .needs_filing = true,
                                     .needs_accreditation = true,
                                     .partners = w->partners,
                                     .n_partners = n_partners,
                                     .cells = w->cells,
                                     .n_cells = n_cells};
    w->rules = (tdm__rules){.has_record = true,
                            .policy = &w->policy,
                            .policy_expires_unix_s = WORLD_NOW + WORLD_DAY,
                            .own_model_sha256 = WORLD_OWN_SHA256,
                            .cells = w->rule_cells,
                            .n_cells = n_cells};
    w->rules.record = (tdm__device_record){.device = "D",
                                           .sold_in = "CN",
                                           .profile = TDM__PROFILE_ADULT,
                                           .issued_unix_s = WORLD_NOW - 100 * WORLD_DAY,
                                           .expires_unix_s = WORLD_NOW + 1000 * WORLD_DAY};
    w->facts = (tdm__decision_facts){.now_unix_s = WORLD_NOW, .feature = w->cells[0].feature, .named_partner = ""};
    return w;
}

void decide_world_destroy(decide_world *w)
{
    free(w->names);
    free(w->partners);
    free(w->cells);
    free(w->rule_cells);
    free(w->backends);
    free(w->candidates);
    free(w);
}
