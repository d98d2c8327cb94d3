/* filing_get.c - what others may know of a case that was read. */
#include <string.h>

#include "filing/filing_internal.h"

const char *tdm__filing_case_id(const tdm__filing_case *c)
{
    return c->id;
}

const char *tdm__filing_case_market(const tdm__filing_case *c)
{
    return c->market;
}

bool tdm__filing_case_is_demo(const tdm__filing_case *c)
{
    return c->is_demo;
}

bool tdm__filing_case_is_checked(const tdm__filing_case *c)
{
    return c->is_checked;
}

bool tdm__filing_case_is_hypothetical(const tdm__filing_case *c)
{
    return c->progress.is_hypothetical;
}

bool tdm__filing_case_has_section(const tdm__filing_case *c, const char *section)
{
    size_t index;
    return tdm__filing_section_find(section, &index) && c->progress.is_submitted[index];
}

tdm__filing_state tdm__filing_case_state(const tdm__filing_case *c, int64_t at_unix_s)
{
    return tdm__filing_progress_state(&c->progress, at_unix_s);
}

int64_t tdm__filing_case_expires_unix_s(const tdm__filing_case *c)
{
    return c->progress.state == TDM__FILING_APPROVED ? c->progress.expires_unix_s : INT64_MAX;
}

int64_t tdm__filing_case_since_unix_s(const tdm__filing_case *c)
{
    return c->progress.since_unix_s;
}

size_t tdm__filing_case_n_features(const tdm__filing_case *c)
{
    return c->n_features;
}

const char *tdm__filing_case_feature(const tdm__filing_case *c, size_t i)
{
    return c->features[i];
}

size_t tdm__filing_case_n_models(const tdm__filing_case *c)
{
    return c->n_models;
}

const tdm__filing_model *tdm__filing_case_model(const tdm__filing_case *c, size_t i)
{
    return &c->models[i];
}

size_t tdm__filing_case_n_entries(const tdm__filing_case *c)
{
    return c->n_entries;
}

const json_t *tdm__filing_case_entry(const tdm__filing_case *c, size_t i)
{
    return c->entries[i].envelope;
}

const char *tdm__filing_case_head(const tdm__filing_case *c)
{
    return c->entries[c->n_entries - 1].sha256;
}
