/* device.c - opening a device's folder, and the moment's facts of a decision. */
#include "request/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/random.h"
#include "request/device_internal.h"

enum { JOURNALS_MAX = 8 };

void tdm__device_path(const tdm__device *d, const char *name, char out[TDM__DEVICE_PATH_MAX])
{
    snprintf(out, TDM__DEVICE_PATH_MAX, "%s/%.60s", d->state_dir, name);
}

/* ---- opening ---- */

/* A second process in the same folder (tandem chat beside tandem serve) writes a journal of its own. */
static tdm_status open_journal(tdm__device *d, tdm_error *err)
{
    char name[32];
    tdm_status s = TDM_ERR_BUSY;
    for (int i = 0; i < JOURNALS_MAX && s == TDM_ERR_BUSY; i++) {
        snprintf(name, sizeof name, i == 0 ? "journal" : "journal-%d", i + 1);
        tdm__device_path(d, name, d->journal_dir);
        s = tdm__journal_open(d->journal_dir, &d->journal, err);
    }
    return s;
}

static tdm_status open_trust(tdm__device *d, tdm_error *err)
{
    char path[TDM__DEVICE_PATH_MAX];
    tdm_error why = {0};
    tdm__device_path(d, "policy.json", path);
    tdm_status s = tdm__trust_open(path, tdm__clock_unix_s(), &d->trust, &why);
    if (s == TDM_OK || s == TDM_ERR_NOT_FOUND)
        return TDM_OK;
    if (s == TDM_ERR_NOMEM) {
        *err = why;
        return s;
    }
    d->trust_is_bad = true; /* everything is off with that reason; settings and erasure still work */
    tdm__log_say(&d->log, TDM__LOG_ERROR, "the installed policy is not believed: %s", why.msg);
    return TDM_OK;
}

static tdm_status open_all(tdm__device *d, const char *record_path, tdm_error *err)
{
    char path[TDM__DEVICE_PATH_MAX];
    int rc = tdm__dir_make(d->state_dir, 0700);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the folder %s cannot be made", d->state_dir);
    TDM_TRY(open_trust(d, err));
    TDM_TRY(tdm__device_record_load(d, record_path, err));
    tdm__device_path(d, "network-off", path);
    d->network_is_off = access(path, F_OK) == 0;
    tdm__device_path(d, "usage.sqlite", path);
    TDM_TRY(tdm__usage_open(path, &d->usage, err));
    TDM_TRY(open_journal(d, err));
    return tdm__device_rebuild(d, err);
}

tdm_status tdm__device_open(const char *state_dir, const char *record_path, tdm__device **out, tdm_error *err)
{
    return tdm__device_open_logging(state_dir, record_path, &(tdm__log){0}, out, err);
}

const tdm__log *tdm__device_log(const tdm__device *d) { return &d->log; }

tdm_status tdm__device_open_logging(const char *state_dir, const char *record_path, const tdm__log *log,
                                    tdm__device **out, tdm_error *err)
{
    tdm__device *d = tdm__calloc(1, sizeof *d);
    if (!d)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a device");
    d->log = *log;
    pthread_mutex_init(&d->change, NULL);
    pthread_mutex_init(&d->mutex, NULL);
    tdm_status s = TDM_OK;
    if ((size_t)snprintf(d->state_dir, sizeof d->state_dir, "%s", state_dir) >= sizeof d->state_dir)
        s = tdm__fail(err, TDM_ERR_LIMIT, "the folder's path has %zu bytes, the limit is %zu", strlen(state_dir),
                      sizeof d->state_dir - 1);
    if (s == TDM_OK)
        s = open_all(d, record_path, err);
    if (s != TDM_OK) {
        tdm__device_close(d);
        return s;
    }
    *out = d;
    return TDM_OK;
}

void tdm__device_close(tdm__device *d)
{
    if (!d)
        return;
    tdm__device_rules_destroy(d->current);
    tdm__journal_close(d->journal);
    tdm__usage_close(d->usage);
    tdm__trust_destroy(d->trust);
    tdm__free(d->record_json);
    pthread_mutex_destroy(&d->mutex);
    pthread_mutex_destroy(&d->change);
    tdm__free(d);
}

tdm_status tdm__device_read_journal(tdm__device *d,
                                    tdm_status (*fn)(void *user, const tdm__leaf_read *leaf, tdm_error *err),
                                    void *user, tdm_error *err)
{
    return tdm__journal_read(d->journal_dir, fn, user, err);
}

tdm__usage *tdm__device_usage(tdm__device *d) { return d->usage; }
tdm__journal *tdm__device_journal(tdm__device *d) { return d->journal; }

/* ---- the moment ---- */

tdm_status tdm__device_set_network(tdm__device *d, bool is_off, tdm_error *err)
{
    char path[TDM__DEVICE_PATH_MAX];
    tdm__device_path(d, "network-off", path);
    int rc = is_off ? tdm__file_write_atomic(path, "", 0, 0600) : unlink(path) == 0 || errno == ENOENT ? 0 : errno;
    if (rc != 0)
        return tdm__fail_os(err, rc, "the network switch cannot be kept in %s", path);
    pthread_mutex_lock(&d->mutex);
    d->network_is_off = is_off;
    pthread_mutex_unlock(&d->mutex);
    return TDM_OK;
}

bool tdm__device_network_is_off(tdm__device *d)
{
    pthread_mutex_lock(&d->mutex);
    bool is_off = d->network_is_off;
    pthread_mutex_unlock(&d->mutex);
    return is_off;
}

/* Under mutex. NULL: never heard of, and add is false or the table is full. */
static tdm__breaker *find_breaker(tdm__device *d, const char *partner, bool add)
{
    for (size_t i = 0; i < d->n_breakers; i++)
        if (strcmp(d->breakers[i].partner, partner) == 0)
            return &d->breakers[i];
    if (!add || d->n_breakers == TDM__BREAKERS_MAX)
        return NULL;
    tdm__breaker *b = &d->breakers[d->n_breakers++];
    snprintf(b->partner, sizeof b->partner, "%s", partner);
    return b;
}

void tdm__device_note_partner(tdm__device *d, const char *partner, bool was_fine)
{
    pthread_mutex_lock(&d->mutex);
    tdm__breaker *b = find_breaker(d, partner, !was_fine);
    if (b && was_fine) {
        b->n_failures = 0;
        b->down_until_ns = 0;
    } else if (b && ++b->n_failures >= TDM__BREAKER_FAILURES) {
        b->down_until_ns = tdm__clock_ns() + TDM__BREAKER_PAUSE_MS * 1000000ull;
    }
    pthread_mutex_unlock(&d->mutex);
}

/* Under mutex. After the pause one question may try again. */
static tdm__backend_state partner_state(tdm__device *d, const char *partner)
{
    const tdm__breaker *b = find_breaker(d, partner, false);
    return b && b->down_until_ns > tdm__clock_ns() ? TDM__BACKEND_DOWN : TDM__BACKEND_UP;
}

int64_t tdm__device_now(tdm__device *d, bool *is_suspect)
{
    const int64_t now = tdm__clock_unix_s();
    *is_suspect = false;
    pthread_mutex_lock(&d->change);
    int64_t trusted = d->trust ? tdm__trust_now(d->trust, now, is_suspect) : now;
    pthread_mutex_unlock(&d->change);
    return trusted;
}

static void fill_partner_facts(tdm__device *d, const tdm__rules *rules, const tdm__ask *ask, tdm__decision_facts *f)
{
    const tdm__rule_cell *cell = tdm__rules_cell(rules, ask->feature);
    for (size_t i = 0; cell && i < cell->cell->n_backends; i++) {
        const tdm__policy_backend *b = cell->candidates[i].backend;
        if (!b->partner)
            continue;
        const tdm__consent_subject subject = {.partner = b->partner->id,
                                              .feature = ask->feature,
                                              .profile_sha256 = b->partner->profile_sha256,
                                              .model = b->model,
                                              .with_attachments = ask->has_attachments};
        f->consents[i] = tdm__consent_get(d->usage, &subject);
        f->partner_states[i] = partner_state(d, b->partner->id);
    }
}

tdm_status tdm__device_decide(tdm__device *d, const tdm__rules_set *s, const tdm__ask *ask, tdm__decision *out,
                              tdm_error *err)
{
    tdm__decision_facts f = {.feature = ask->feature,
                             .named_partner = ask->named_partner ? ask->named_partner : "",
                             .prompt_tokens = ask->prompt_tokens,
                             .has_attachments = ask->has_attachments,
                             .own_state = ask->own_state};
    int rc = tdm__random_fill(f.random, sizeof f.random);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot get random bytes for a decision's id");
    f.now_unix_s = tdm__device_now(d, &f.clock_is_suspect);
    pthread_mutex_lock(&d->mutex);
    f.device_tokens_max = d->device_tokens_max;
    f.network_is_off = d->network_is_off;
    fill_partner_facts(d, s->rules, ask, &f);
    pthread_mutex_unlock(&d->mutex);
    tdm__decide(s->rules, &f, out);
    return TDM_OK;
}
