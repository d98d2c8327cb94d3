/* quota.h - what one application may take of the device: tokens in an hour, requests at once.
 *
 * Tokens are those of prompts and answers; they are counted when an answer has ended, so an app may pass its limit by
 * what it has running then, and waits the longer for it. The hour slides by minutes. Counts live in memory: a restart
 * forgets them, as it forgets what runs. The app is the name of its key; all that come without one share "". Any
 * thread.
 */
#ifndef TDM_USAGE_QUOTA_H
#define TDM_USAGE_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"

typedef struct tdm__quota {
    uint64_t tokens_per_hour; /* 0: no limit */
    size_t requests_at_once;  /* 0: no limit */
} tdm__quota;

enum { TDM__QUOTA_APPS_MAX = 256, TDM__QUOTA_MINUTES = 60 };

typedef struct tdm__quota_ledger tdm__quota_ledger;

/* Without limits. ERR_NOMEM. */
tdm_status tdm__quota_create(tdm__quota_ledger **out, tdm_error *err);
void tdm__quota_destroy(tdm__quota_ledger *l); /* NULL-safe */

/* Limits of each app from now on; what was counted stays. */
void tdm__quota_set(tdm__quota_ledger *l, const tdm__quota *q);
void tdm__quota_get(tdm__quota_ledger *l, tdm__quota *out);

/* Begins a request. ERR_QUOTA: the sentence names app, count and limit; ERR_BUSY when more than APPS_MAX apps are at
 * work. */
tdm_status tdm__quota_enter(tdm__quota_ledger *l, const char *app, int64_t now_unix_s, tdm_error *err);

/* Ends one that was begun. */
void tdm__quota_leave(tdm__quota_ledger *l, const char *app, uint64_t n_tokens, int64_t now_unix_s);

/* Seconds until enter may succeed for what the hour holds; 1 where a running request must end first. */
int tdm__quota_wait_s(tdm__quota_ledger *l, const char *app, int64_t now_unix_s);

#endif
