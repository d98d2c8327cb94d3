/* device_rules.c - building the set of rules in force out of what is installed, and lending it to requests. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/clock.h"
#include "os/heap.h"
#include "policy/keyring.h"
#include "request/device_internal.h"

void tdm__device_rules_destroy(tdm__device_rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->profiles && r->rules->policy && i < r->rules->policy->n_partners; i++)
        tdm__partner_profile_destroy(r->profiles[i]);
    tdm__free(r->profiles);
    tdm__screen_destroy(r->screen);
    json_decref(r->cases);
    tdm__rules_destroy(r->rules);
    tdm__free(r);
}

/* ---- what a set is made of ---- */

/* The policy's own statement about itself does not hold: a pack or a profile that it names is not there. */
static void close_all(const tdm__device *d, tdm__device_rules *r, const char *path, const tdm_error *why)
{
    r->rules->why_off = TDM__REASON_POLICY_INVALID;
    tdm__log_say(&d->log, TDM__LOG_ERROR, "the policy is not usable: %s: %s", path, why->msg);
}

static tdm_status make_screen(tdm__device *d, tdm__device_rules *r, tdm_error *err)
{
    const tdm__market_policy *p = r->rules->policy;
    const size_t n = p && d->trust ? p->n_packs : 0;
    tdm__str *packs = tdm__calloc(n + 1, sizeof *packs);
    if (!packs)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for screening packs");
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        tdm__trust_target t;
        tdm_error why = {0};
        if (tdm__trust_get_target(d->trust, p->packs[i], &t, &why) == TDM_OK)
            packs[n_found++] = t.bytes;
        else
            close_all(d, r, p->packs[i], &why);
    }
    tdm_error why = {0};
    tdm_status s = tdm__screen_create(packs, n_found, &r->screen, &why);
    if (s != TDM_OK && s != TDM_ERR_NOMEM) { /* a pack that cannot be read: nothing may pass unscreened */
        close_all(d, r, "a screening pack", &why);
        s = tdm__screen_create(NULL, 0, &r->screen, &why);
    }
    tdm__free(packs);
    if (s != TDM_OK && err)
        *err = why;
    return s;
}

static tdm_status read_profile(tdm__device *d, const tdm__policy_partner *p, tdm__partner_profile **out,
                               tdm_error *err)
{
    tdm__trust_target t;
    TDM_TRY(tdm__trust_get_target(d->trust, p->profile_path, &t, err));
    if (strcmp(t.sha256, p->profile_sha256) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "the profile is another than the one that the policy names");
    tdm__partner_profile *profile = NULL;
    TDM_TRY(tdm__partner_profile_create(t.bytes, &profile, err));
    /* The sheet speaks by the policy, the connection by the profile: who is asked must be who was shown. */
    if (strcmp(profile->id, p->id) != 0 || profile->is_emulated != p->is_emulated) {
        tdm_status s = tdm__fail(err, TDM_ERR_INTEGRITY, "the profile is of %s%s, the policy says %s%s", profile->id,
                                 profile->is_emulated ? " (a stand-in)" : "", p->id,
                                 p->is_emulated ? " (a stand-in)" : "");
        tdm__partner_profile_destroy(profile);
        return s;
    }
    *out = profile;
    return TDM_OK;
}

static tdm_status make_profiles(tdm__device *d, tdm__device_rules *r, tdm_error *err)
{
    const tdm__market_policy *p = r->rules->policy;
    const size_t n = p && d->trust ? p->n_partners : 0;
    r->profiles = tdm__calloc(n + 1, sizeof(*r->profiles));
    if (!r->profiles)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for partners' profiles");
    for (size_t i = 0; i < n; i++) {
        tdm_error why = {0};
        tdm_status s = read_profile(d, &p->partners[i], &r->profiles[i], &why);
        if (s == TDM_ERR_NOMEM) {
            *err = why;
            return s;
        }
        if (s != TDM_OK)
            close_all(d, r, p->partners[i].profile_path, &why);
    }
    return TDM_OK;
}

static json_t *describe_cases(const tdm__case_folder *f, int64_t now_unix_s)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < f->n; i++)
        if (json_array_append_new(all, tdm__filing_case_json(f->cases[i], now_unix_s)) != 0) {
            json_decref(all);
            return NULL;
        }
    return all;
}

tdm__keyring *tdm__device_keyring(tdm__device *d)
{
    tdm__trust_target t;
    tdm__keyring *keys = NULL;
    json_t *json = NULL;
    tdm_error why = {0};
    if (!d->trust)
        return NULL;
    tdm_status s = tdm__trust_get_target(d->trust, "keys.json", &t, &why);
    if (s == TDM_OK)
        s = tdm__json_parse(t.bytes, "keys.json", t.bytes.len, &json, &why);
    if (s == TDM_OK)
        s = tdm__keyring_create(json, tdm__trust_is_demo(d->trust), &keys, &why);
    json_decref(json);
    if (s != TDM_OK)
        tdm__log_say(&d->log, TDM__LOG_ERROR, "no signer is believed: keys.json: %s", why.msg);
    return keys;
}

static tdm_status read_cases(tdm__device *d, int64_t now_unix_s, tdm__case_folder *out, tdm_error *err)
{
    char dir[TDM__DEVICE_PATH_MAX];
    tdm_error why = {0};
    *out = (tdm__case_folder){0};
    tdm__keyring *keys = tdm__device_keyring(d);
    if (!keys)
        return TDM_OK; /* nobody to believe: no case */
    tdm__device_path(d, "filings", dir);
    tdm_status s = tdm__case_folder_read(dir, keys, now_unix_s, out, &why);
    tdm__keyring_destroy(keys);
    if (s == TDM_ERR_NOMEM) {
        tdm__case_folder_fini(out);
        *err = why;
        return s;
    }
    if (s != TDM_OK) /* what does not verify opens nothing; the rest stands */
        tdm__log_say(&d->log, TDM__LOG_WARNING, "a case is not believed: %s", why.msg);
    return TDM_OK;
}

static tdm_status fill_set(tdm__device *d, tdm__device_rules *r, tdm_error *err)
{
    bool is_suspect = false;
    const int64_t system_now = tdm__clock_unix_s();
    const int64_t now = d->trust ? tdm__trust_now(d->trust, system_now, &is_suspect) : system_now;
    tdm__case_folder cases;
    tdm_error note = {0};
    TDM_TRY(read_cases(d, now, &cases, err));
    const tdm__rules_sources sources = {.trust = d->trust,
                                        .record_json = {d->record_json, d->record_len},
                                        .cases = (const tdm__filing_case *const *)cases.cases,
                                        .n_cases = cases.n,
                                        .own_model_sha256 = d->own_model_sha256,
                                        .now_unix_s = now};
    tdm_status s = tdm__rules_create(&sources, &r->rules, &note, err);
    if (s == TDM_OK) {
        r->cases = describe_cases(&cases, now);
        if (!r->cases)
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for the description of %zu cases", cases.n);
    }
    tdm__case_folder_fini(&cases);
    TDM_TRY(s);
    if (note.msg[0])
        tdm__log_say(&d->log, TDM__LOG_WARNING, "this device is off: %s", note.msg);
    if (d->trust_is_bad) /* also without a record: a policy was installed, so this is no self-hosted device */
        r->rules->why_off = TDM__REASON_POLICY_INVALID;
    TDM_TRY(make_profiles(d, r, err));
    TDM_TRY(make_screen(d, r, err));
    r->set = (tdm__rules_set){.rules = r->rules, .screen = r->screen};
    return TDM_OK;
}

/* ---- putting a set in force ---- */

/* A feature that the policy no longer has takes with it what was said about its partners. */
static tdm_status forget_features(tdm__device *d, const tdm__rules *rules, tdm_error *err)
{
    size_t i;
    json_t *all = tdm__consent_list(d->usage), *one;
    tdm_status s = all ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a list of consents");
    json_array_foreach(all, i, one)
    {
        const char *feature = json_string_value(json_object_get(one, "feature"));
        if (s == TDM_OK && feature && !tdm__rules_cell(rules, feature))
            s = tdm__consent_revoke(d->usage, NULL, feature, NULL, err);
    }
    json_decref(all);
    return s;
}

/* A partner that a feature no longer has comes back as a stranger: what was said about it is forgotten. */
static tdm_status forget_strangers(tdm__device *d, const tdm__rules *rules, tdm_error *err)
{
    TDM_TRY(forget_features(d, rules, err));
    for (size_t i = 0; i < rules->n_cells; i++) {
        const tdm__policy_cell *cell = rules->cells[i].cell;
        tdm__consent_subject keep[2 * TDM__CELL_BACKENDS_MAX];
        size_t n = 0;
        for (size_t k = 0; k < cell->n_backends; k++) {
            const tdm__policy_backend *b = &cell->backends[k];
            for (int with = 0; b->partner && with < 2; with++)
                keep[n++] = (tdm__consent_subject){.partner = b->partner->id,
                                                   .feature = cell->feature,
                                                   .profile_sha256 = b->partner->profile_sha256,
                                                   .model = b->model,
                                                   .with_attachments = with == 1};
        }
        TDM_TRY(tdm__consent_keep_only(d->usage, cell->feature, keep, n, err));
    }
    return TDM_OK;
}

/* Under mutex. */
static void drop_user(tdm__device *d, tdm__device_rules *r)
{
    if (--r->n_users == 0 && r != d->current)
        tdm__device_rules_destroy(r);
}

tdm_status tdm__device_rebuild(tdm__device *d, tdm_error *err)
{
    tdm__device_rules *r = tdm__calloc(1, sizeof *r);
    if (!r)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a set of rules");
    tdm_status s = fill_set(d, r, err);
    if (s == TDM_OK && r->rules->why_off == TDM__REASON_NONE)
        s = forget_strangers(d, r->rules, err);
    if (s != TDM_OK) {
        tdm__device_rules_destroy(r);
        return s;
    }
    pthread_mutex_lock(&d->mutex);
    tdm__device_rules *before = d->current;
    r->set.generation = ++d->generation;
    d->current = r;
    if (before && before->n_users == 0)
        tdm__device_rules_destroy(before);
    pthread_mutex_unlock(&d->mutex);
    return TDM_OK;
}

const tdm__rules_set *tdm__device_acquire(tdm__device *d)
{
    pthread_mutex_lock(&d->mutex);
    tdm__device_rules *r = d->current;
    r->n_users++;
    pthread_mutex_unlock(&d->mutex);
    return &r->set;
}

void tdm__device_release(tdm__device *d, const tdm__rules_set *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&d->mutex);
    drop_user(d, (tdm__device_rules *)s);
    pthread_mutex_unlock(&d->mutex);
}

bool tdm__device_is_current(tdm__device *d, const tdm__rules_set *s)
{
    pthread_mutex_lock(&d->mutex);
    bool is_current = &d->current->set == s;
    pthread_mutex_unlock(&d->mutex);
    return is_current;
}

tdm_status tdm__device_profile(tdm__device *d, const tdm__rules_set *s, const char *partner,
                               const tdm__partner_profile **out, tdm_error *err)
{
    (void)d;
    const tdm__device_rules *r = (const tdm__device_rules *)s;
    const tdm__market_policy *p = r->rules->policy;
    for (size_t i = 0; p && i < p->n_partners; i++)
        if (strcmp(p->partners[i].id, partner) == 0 && r->profiles[i]) {
            *out = r->profiles[i];
            return TDM_OK;
        }
    TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the policy in force has no usable profile of partner %s", partner);
}
