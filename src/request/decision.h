/* decision.h - what is decided about a request before anything else happens: who answers, and why.
 *
 * A decision is a function of facts that are handed in, its random id among them, and of nothing else: no clock, no
 * environment, no address. Today there is one market, the built-in ZZ (self-hosted): this device's own model answers,
 * nothing leaves the device. Markets with policies, partners and filings replace the body of tdm__decide, not its
 * place.
 */
#ifndef TDM_REQUEST_DECISION_H
#define TDM_REQUEST_DECISION_H

#include <stdint.h>

enum { TDM__DECISION_ID_BYTES = 16, TDM__DECISION_ID_TEXT = 2 * TDM__DECISION_ID_BYTES + 1 };

typedef struct tdm__decision_facts {
    uint8_t random[TDM__DECISION_ID_BYTES];
} tdm__decision_facts;

typedef struct tdm__decision {
    char id[TDM__DECISION_ID_TEXT]; /* hex */
    const char *market;             /* static text, as all below */
    const char *backend;
    const char *reason;             /* code */
    const char *reason_text;
} tdm__decision;

tdm__decision tdm__decide(const tdm__decision_facts *facts);

#endif
