/* key.h - Ed25519 keys: their files, and the id that every signed document names them by.
 *
 * The public part is TUF's key object {"keytype":"ed25519","keyval":{"public":HEX},"scheme":"ed25519"}; its id is the
 * SHA-256 of that object's canonical form, which is what securesystemslib computes. NAME.pub holds the object, NAME.key
 * (mode 0600) {"keytype":"ed25519","scheme":"ed25519","seed":HEX}. Secret keys are wiped when they go.
 */
#ifndef TDM_POLICY_KEY_H
#define TDM_POLICY_KEY_H

#include <jansson.h>
#include <stdint.h>

#include "base/sha256.h"
#include "tandem/status.h"

enum { TDM__KEY_ID_TEXT = TDM__SHA256_TEXT, TDM__SIGNATURE_BYTES = 64 };

typedef struct tdm__public_key {
    uint8_t bytes[32];
    char id[TDM__KEY_ID_TEXT];
} tdm__public_key;

typedef struct tdm__secret_key {
    uint8_t bytes[64]; /* as libsodium keeps it: seed and public key */
    tdm__public_key public_key;
} tdm__secret_key;

/* A new pair. ERR_IO when the system gives no random bytes. */
tdm_status tdm__key_generate(tdm__secret_key *out, tdm_error *err);

/* Writes path_base.key and path_base.pub; refuses to replace either (ERR_INVAL). */
tdm_status tdm__key_save(const tdm__secret_key *k, const char *path_base, tdm_error *err);

/* path is NAME.key, or NAME. */
tdm_status tdm__key_load(const char *path, tdm__secret_key *out, tdm_error *err);

/* path is NAME.pub, or NAME. */
tdm_status tdm__public_key_load(const char *path, tdm__public_key *out, tdm_error *err);

/* From and to TUF's key object. what names the document in sentences. */
tdm_status tdm__public_key_parse(const json_t *object, const char *what, tdm__public_key *out, tdm_error *err);
json_t *tdm__public_key_json(const tdm__public_key *k); /* NULL: out of memory */

void tdm__key_wipe(tdm__secret_key *k);

#endif
