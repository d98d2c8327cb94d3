/* authority.h - the demonstration's authority as the desk sees it: a folder of demo keys, policies and cases.
 *
 *      DIR/in/         what people write (YAML): roles, keyring, markets
 *      DIR/keys/       secret keys: ROLE.key of the repository, maker.key, provider-PARTNER.key, regulator-XX.key
 *      DIR/repo/       the TUF repository that is made of in/
 *      DIR/cases/      ID.json
 *      DIR/phones/     NAME.json (written by the supervisor), NAME.want (written here)
 *      DIR/emulators/  PARTNER.json (address), PARTNER.fault
 *      DIR/desk.key    what the stage's page shows to be let in
 *
 * A root that is no demonstration's is refused before any key is opened. Loop thread only; functions block for the
 * disk, which is milliseconds.
 */
#ifndef TDM_DESK_AUTHORITY_H
#define TDM_DESK_AUTHORITY_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "filing/case_folder.h"
#include "policy/keyring.h"
#include "tandem/status.h"

enum { TDM__AUTHORITY_PATH_MAX = 700, TDM__AUTHORITY_NAME_MAX = 64 };

typedef struct tdm__authority {
    char dir[512];
    char desk_key[65];
    tdm__keyring *keys;
    int64_t version; /* of the repository's timestamp */
} tdm__authority;

tdm_status tdm__authority_open(const char *dir, tdm__authority *out, tdm_error *err);
void tdm__authority_close(tdm__authority *a);

/* DIR/name; names with a slash from outside are refused by the callers' tdm__authority_is_name. */
void tdm__authority_path(const tdm__authority *a, char out[TDM__AUTHORITY_PATH_MAX], const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Letters, digits, '-', '_' and '.', not first: what may become part of a path. */
bool tdm__authority_is_name(const char *name);

/* A JSON file under DIR; *out the caller's reference. */
tdm_status tdm__authority_read_json(const tdm__authority *a, const char *path, json_t **out, tdm_error *err);

/* Makes, signs and publishes what in/ says now. */
tdm_status tdm__authority_publish(tdm__authority *a, int64_t now_unix_s, tdm_error *err);

/* Signs the timestamp anew: the hourly sign of life. */
tdm_status tdm__authority_renew(tdm__authority *a, int64_t now_unix_s, tdm_error *err);

/* desk_policy.c: {market, feature, partner?, change, canary_bp?, model?} to a published change. */
tdm_status tdm__authority_change_policy(tdm__authority *a, const json_t *change, int64_t now_unix_s, tdm_error *err);

/* desk_policy.c: a market's policy as in in/, as JSON. */
tdm_status tdm__authority_read_policy(const tdm__authority *a, const char *market, json_t **out, tdm_error *err);

/* desk_filing.c: {action, text?, conditions?, expires?} on a case, signed by the demo key that may. *out is the case as
 * text, malloc'd: what a phone is to get. */
tdm_status tdm__authority_act(tdm__authority *a, const char *case_id, const json_t *action, int64_t now_unix_s,
                              char **out, tdm_error *err);

/* desk_state.c: GET /desk/state. New reference. */
json_t *tdm__authority_state(tdm__authority *a, int64_t now_unix_s, tdm_error *err);

#endif
