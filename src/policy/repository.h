/* repository.h - making a TUF repository: what an authority runs, never a device.
 *
 * DIR/metadata holds N.root.json, timestamp.json, N.snapshot.json, N.targets.json, N.market-XX.json; DIR/targets the
 * files under HASH.NAME (consistent snapshots). One delegated role a market, for markets/XX/ alone. What is made waits
 * unsigned in metadata/staged/ until every role has signed, then all goes in place, the timestamp last.
 */
#ifndef TDM_POLICY_REPOSITORY_H
#define TDM_POLICY_REPOSITORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/key.h"
#include "tandem/status.h"

/* in_dir: roles.yaml (keys by path, thresholds, expiry in days, demo), keys.yaml (the keyring), markets/XX/ with
 * policy.yaml, partners, packs, prompts. Compiles YAML to JSON, stages metadata whose version is one more where
 * something changed. The YAML's mistakes come with file and line. */
tdm_status tdm__repository_make(const char *in_dir, const char *repo_dir, int64_t now_unix_s, tdm_error *err);

/* Signs the staged metadata of a role ("root", "targets", "snapshot", "timestamp", "market-CN"), or re-signs a
 * timestamp whose time has come. When the last signature that was missing is there, puts everything in place. */
tdm_status tdm__repository_sign(const char *repo_dir, const char *role, const tdm__secret_key *key,
                                int64_t now_unix_s, tdm_error *err);

/* Appends the bundle of all that a device of the market needs (market NULL: all markets). */
tdm_status tdm__repository_bundle(const char *repo_dir, const char *market, tdm__buf *out, tdm_error *err);

#endif
