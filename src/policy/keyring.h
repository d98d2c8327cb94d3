/* keyring.h - who may sign what: the signed target keys.json, {"_type":"keys","demo":bool,"keys":[..]}.
 *
 * An entry has TUF's key object, an id ("DEMO-CAC"), names, a role, the markets it may speak for and its validity. A
 * revoked key is believed in nothing, whatever date its documents bear; one whose validity has ended is believed in
 * what it signed before. Keys marked demo are refused by a root that is none.
 *
 *   {"id":"DEMO-CAC","key":{TUF's key object},"name":{"en":..,"zh":..},"role":"maker|provider|regulator|gateway",
 *    "markets":["CN"],"valid_from":TIME,"valid_to":TIME,"revoked":false,"demo":true}
 *
 * name, revoked and demo may be left out; demo is then the whole file's.
 */
#ifndef TDM_POLICY_KEYRING_H
#define TDM_POLICY_KEYRING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/key.h"
#include "tandem/status.h"

typedef enum tdm__key_role {
    TDM__KEY_NONE = 0,
    TDM__KEY_MAKER,     /* device records, a case's maker section */
    TDM__KEY_PROVIDER,  /* a case's model-provider section */
    TDM__KEY_REGULATOR, /* verdicts */
    TDM__KEY_GATEWAY,
} tdm__key_role;

enum { TDM__KEY_MARKETS_MAX = 16 };

typedef struct tdm__keyring_entry {
    tdm__public_key key;
    tdm__key_role role;
    const char *id;               /* borrowed from the keyring, as all texts */
    const char *name_en, *name_zh; /* "" where there is none */
    const char *markets[TDM__KEY_MARKETS_MAX];
    size_t n_markets;
    int64_t valid_from_unix_s, valid_to_unix_s;
    bool is_revoked;
    bool is_demo;
} tdm__keyring_entry;

typedef struct tdm__keyring tdm__keyring;

/* is_demo_root: whether the root that signed it is a demo's. ERR_FORMAT; ERR_INTEGRITY for a demo key under another
 * root. */
tdm_status tdm__keyring_create(const json_t *keys, bool is_demo_root, tdm__keyring **out, tdm_error *err);
void tdm__keyring_destroy(tdm__keyring *k); /* NULL-safe */

/* Why a signer is not believed; each is a reason of its own. */
typedef enum tdm__key_fault {
    TDM__KEY_FINE = 0,
    TDM__KEY_UNKNOWN,
    TDM__KEY_OTHER_ROLE,
    TDM__KEY_OTHER_MARKET,
    TDM__KEY_NOT_VALID_THEN, /* at the document's date */
    TDM__KEY_REVOKED,
} tdm__key_fault;

/* The entry of keyid in role for market (NULL: any) at a document's date; NULL with the fault in *fault. */
const tdm__keyring_entry *tdm__keyring_find(const tdm__keyring *k, const char *keyid, tdm__key_role role,
                                            const char *market, int64_t at_unix_s, tdm__key_fault *fault);

size_t tdm__keyring_n(const tdm__keyring *k);
const tdm__keyring_entry *tdm__keyring_at(const tdm__keyring *k, size_t i);

#endif
