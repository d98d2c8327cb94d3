/* usage.h - what the owner has agreed to, and the receipts of what left: one SQLite file, the owner's to read and
 * erase.
 *
 * Consents are per partner AND feature, attachments apart. They are held in memory and written through, so a decision
 * never waits for the disk; what another process has written is seen at the next look. Receipts hold no text: what was
 * sent is named by length and SHA-256. A file that is damaged is an error that names it and is never replaced. Any
 * thread.
 */
#ifndef TDM_USAGE_USAGE_H
#define TDM_USAGE_USAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"

typedef struct tdm__usage tdm__usage;

enum { TDM__CONSENTS_MAX = 1024, TDM__RECEIPTS_MAX = 100000 }; /* the oldest receipt makes room */

/* Made when missing (0600), checked when there: ERR_INTEGRITY for a damaged or foreign file, ERR_UNSUPPORTED for one of
 * a newer tandem. The sentence names it. */
tdm_status tdm__usage_open(const char *path, tdm__usage **out, tdm_error *err);
void tdm__usage_close(tdm__usage *u); /* NULL-safe */

typedef enum tdm__consent_mode {
    TDM__CONSENT_ASK = 0, /* nothing was said: ask each time */
    TDM__CONSENT_ALWAYS,
    TDM__CONSENT_NEVER,
} tdm__consent_mode; /* "once" is not stored: it belongs to one offer */

/* What a consent was given to; another profile, legal entity or model behind the same partner asks anew. */
typedef struct tdm__consent_subject {
    const char *partner, *feature;
    const char *profile_sha256; /* of the partner's signed profile */
    const char *model;
    bool with_attachments;
} tdm__consent_subject;

/* "never" to a partner holds for what has attachments too; "always" does not. */
tdm__consent_mode tdm__consent_get(tdm__usage *u, const tdm__consent_subject *s);
/* Durable when it returns. Every text is 1 to 255 bytes; more than TDM__CONSENTS_MAX consents are ERR_LIMIT. */
tdm_status tdm__consent_set(tdm__usage *u, const tdm__consent_subject *s, tdm__consent_mode mode, int64_t now_unix_s,
                            tdm_error *err);
/* Back to ASK; partner or feature NULL: all of them. *n gets how many (may be NULL). */
tdm_status tdm__consent_revoke(tdm__usage *u, const char *partner, const char *feature, size_t *n, tdm_error *err);
/* For a feature, forgets what was said about every subject that is not in keep: a partner that was swapped out comes
 * back as a stranger. */
tdm_status tdm__consent_keep_only(tdm__usage *u, const char *feature, const tdm__consent_subject *keep, size_t n,
                                  tdm_error *err);
json_t *tdm__consent_list(tdm__usage *u); /* [{partner,feature,mode,since,..}], new reference; NULL: out of memory */
/* Grows with every change: a stream that began under a consent looks whether it still stands. */
uint64_t tdm__consent_generation(tdm__usage *u);

typedef struct tdm__receipt {
    char id[33];           /* hex */
    const char *decision_id, *partner, *model, *feature, *filing, *market;
    const char *what;      /* "question", "question and 2 earlier turns" */
    uint64_t bytes_sent, bytes_received;
    char sha256_sent[65];
    const char *outcome;   /* "answered", "cut", "failed" */
    int64_t at_unix_s;
    bool is_emulated;
} tdm__receipt;

/* GET /v1/receipts' object, without a copy of what is not there: NULL texts are "". NULL: out of memory. */
json_t *tdm__receipt_json(const tdm__receipt *r);
/* Durable when it returns. The id is random and the caller's; one that is there already is ERR_INVAL. */
tdm_status tdm__receipt_add(tdm__usage *u, const tdm__receipt *r, tdm_error *err);
json_t *tdm__receipt_list(tdm__usage *u, size_t n_max); /* newest first */
/* id NULL: all. *n may be NULL. The rows are overwritten on disk (secure_delete). */
tdm_status tdm__receipt_erase(tdm__usage *u, const char *id, size_t *n, tdm_error *err);

#endif
