/* quota.c - a ring of minutes an app. */
#include "usage/quota.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/app_name.h"
#include "base/error.h"
#include "os/heap.h"

enum { MINUTE_S = 60 };

typedef struct app_count {
    char name[TDM__APP_NAME_TEXT];
    size_t n_running;
    int64_t last_minute; /* since 1970: the newest that the ring has */
    uint64_t tokens[TDM__QUOTA_MINUTES]; /* [minute % MINUTES] */
} app_count;

struct tdm__quota_ledger {
    pthread_mutex_t mutex;
    tdm__quota limits;
    size_t n_apps;
    app_count apps[TDM__QUOTA_APPS_MAX];
};

tdm_status tdm__quota_create(tdm__quota_ledger **out, tdm_error *err)
{
    tdm__quota_ledger *l = tdm__calloc(1, sizeof *l);
    if (!l)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the counts of %d applications", TDM__QUOTA_APPS_MAX);
    pthread_mutex_init(&l->mutex, NULL);
    *out = l;
    return TDM_OK;
}

void tdm__quota_destroy(tdm__quota_ledger *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->mutex);
    tdm__free(l);
}

void tdm__quota_set(tdm__quota_ledger *l, const tdm__quota *q)
{
    pthread_mutex_lock(&l->mutex);
    l->limits = *q;
    pthread_mutex_unlock(&l->mutex);
}

void tdm__quota_get(tdm__quota_ledger *l, tdm__quota *out)
{
    pthread_mutex_lock(&l->mutex);
    *out = l->limits;
    pthread_mutex_unlock(&l->mutex);
}

/* Empties the minutes that have gone by. A clock that was set back counts into the newest minute. */
static void turn(app_count *a, int64_t now_unix_s)
{
    int64_t minute = now_unix_s / MINUTE_S;
    if (minute - a->last_minute >= TDM__QUOTA_MINUTES) {
        memset(a->tokens, 0, sizeof a->tokens);
        a->last_minute = minute;
    }
    while (a->last_minute < minute)
        a->tokens[++a->last_minute % TDM__QUOTA_MINUTES] = 0;
}

static uint64_t sum(const app_count *a)
{
    uint64_t n = 0;
    for (size_t i = 0; i < TDM__QUOTA_MINUTES; i++)
        n += a->tokens[i];
    return n;
}

static app_count *find(tdm__quota_ledger *l, const char *app)
{
    for (size_t i = 0; i < l->n_apps; i++)
        if (strcmp(l->apps[i].name, app) == 0)
            return &l->apps[i];
    return NULL;
}

/* The app that was heard of longest ago, of those that have nothing running; NULL: all have. */
static app_count *find_oldest(tdm__quota_ledger *l)
{
    app_count *oldest = NULL;
    for (size_t i = 0; i < l->n_apps; i++) {
        app_count *a = &l->apps[i];
        if (a->n_running == 0 && (!oldest || a->last_minute < oldest->last_minute))
            oldest = a;
    }
    return oldest;
}

static app_count *add(tdm__quota_ledger *l, const char *app, int64_t now_unix_s)
{
    app_count *a = l->n_apps < TDM__QUOTA_APPS_MAX ? &l->apps[l->n_apps++] : find_oldest(l);
    if (!a)
        return NULL;
    *a = (app_count){.last_minute = now_unix_s / MINUTE_S};
    snprintf(a->name, sizeof a->name, "%s", app);
    return a;
}

static const char *name_of(const char *app) { return *app ? app : "the device's own"; }

tdm_status tdm__quota_enter(tdm__quota_ledger *l, const char *app, int64_t now_unix_s, tdm_error *err)
{
    tdm_status s = TDM_OK;
    pthread_mutex_lock(&l->mutex);
    app_count *a = find(l, app);
    if (!a)
        a = add(l, app, now_unix_s);
    if (!a) {
        s = tdm__fail(err, TDM_ERR_BUSY, "%d applications are at work, no more are taken", TDM__QUOTA_APPS_MAX);
        goto done;
    }
    turn(a, now_unix_s);
    const tdm__quota *q = &l->limits;
    if (q->requests_at_once > 0 && a->n_running >= q->requests_at_once)
        s = tdm__fail(err, TDM_ERR_QUOTA, "app %s has %zu requests running, %zu at once are allowed", name_of(app),
                      a->n_running, q->requests_at_once);
    else if (q->tokens_per_hour > 0 && sum(a) >= q->tokens_per_hour)
        s = tdm__fail(err, TDM_ERR_QUOTA, "app %s has used %llu tokens within the hour, %llu are allowed", name_of(app),
                      (unsigned long long)sum(a), (unsigned long long)q->tokens_per_hour);
    else
        a->n_running++;
done:
    pthread_mutex_unlock(&l->mutex);
    return s;
}

void tdm__quota_leave(tdm__quota_ledger *l, const char *app, uint64_t n_tokens, int64_t now_unix_s)
{
    pthread_mutex_lock(&l->mutex);
    app_count *a = find(l, app); /* there: nobody takes the place of one that runs */
    turn(a, now_unix_s);
    a->n_running--;
    a->tokens[a->last_minute % TDM__QUOTA_MINUTES] += n_tokens;
    pthread_mutex_unlock(&l->mutex);
}

int tdm__quota_wait_s(tdm__quota_ledger *l, const char *app, int64_t now_unix_s)
{
    int wait_s = 1;
    pthread_mutex_lock(&l->mutex);
    app_count *a = find(l, app);
    if (a && l->limits.tokens_per_hour > 0) {
        turn(a, now_unix_s);
        uint64_t left = sum(a);
        /* the oldest minute is the one behind the newest in the ring */
        for (int64_t i = 1; left >= l->limits.tokens_per_hour && i <= TDM__QUOTA_MINUTES; i++) {
            left -= a->tokens[(a->last_minute + i) % TDM__QUOTA_MINUTES];
            wait_s = (int)((a->last_minute + i) * MINUTE_S - now_unix_s);
        }
    }
    pthread_mutex_unlock(&l->mutex);
    return wait_s > 1 ? wait_s : 1;
}
