/* repository.h - making a TUF repository: what an authority runs, never a device.
 *
 * DIR/metadata holds N.root.json, timestamp.json, N.snapshot.json, N.targets.json, N.market-XX.json; DIR/targets the
 * files under PATH/HASH.NAME (consistent snapshots). One delegated role a market, for markets/XX/ alone. What is made
 * waits in metadata/staged.json until every role has signed; then a folder with all of it takes the place of metadata
 * in one step, so whoever reads or is killed sees the old repository or the new one. The folder is locked while one of
 * these functions writes. docs/formats/policy.md has the files.
 */
#ifndef TDM_POLICY_REPOSITORY_H
#define TDM_POLICY_REPOSITORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/key.h"
#include "tandem/status.h"

/* in_dir: roles.yaml (keys by path, thresholds, expiry in days, demo), keys.yaml (the keyring), markets/XX/ with
 * policy.yaml, partners, packs, prompts. Compiles YAML to JSON, stages the roles in which something changed, or whose
 * time is half over, under a version that is one more (a root's renewal alone gives way to changes until a quarter of
 * its time is left). The same input at the same time gives the same bytes. Replaces
 * what was staged before. When there is nothing to do, nothing is staged. The YAML's mistakes come with file and line.
 * ERR_INTEGRITY when the repository that is there is not what its keys signed. */
tdm_status tdm__repository_make(const char *in_dir, const char *repo_dir, int64_t now_unix_s, tdm_error *err);

/* Signs the staged metadata of a role ("root", "targets", "snapshot", "timestamp", "market-CN"). The order is root,
 * market-XX, targets; then snapshot, which names their hashes; then timestamp, with whose last signature everything is
 * put in place. A timestamp that is signed before its turn, or with nothing staged, renews the published one.
 * ERR_REFUSED: the key is none of the role's; ERR_INVAL: not this role's turn; ERR_NOT_FOUND: it waits for nothing. */
tdm_status tdm__repository_sign(const char *repo_dir, const char *role, const tdm__secret_key *key,
                                int64_t now_unix_s, tdm_error *err);

/* What is published and what waits: {"published":{ROLE:{"version","expires"}..},"staged":{ROLE:{"version","expires",
 * "missing"}..}}. *out is the caller's reference. */
tdm_status tdm__repository_status(const char *repo_dir, json_t **out, tdm_error *err);

/* Appends the bundle of all that a device of the market needs (market NULL: all markets). ERR_NOT_FOUND when nothing is
 * published, or nothing for that market. */
tdm_status tdm__repository_bundle(const char *repo_dir, const char *market, tdm__buf *out, tdm_error *err);

#endif
