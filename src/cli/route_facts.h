/* route_facts.h - the facts of a decision from files that people write: --state and --consent. */
#ifndef TDM_CLI_ROUTE_FACTS_H
#define TDM_CLI_ROUTE_FACTS_H

#include "route/decide.h"

/* Texts are borrowed from the two documents. */
typedef struct tdm__route_facts {
    json_t *state, *consents; /* NULL: not given */
    const char *own_model_sha256; /* "": not said */
    tdm__decision_facts facts;
} tdm__route_facts;

/* Reads and checks both files (a path may be NULL), and fills what does not depend on the cell. ERR_FORMAT with the
 * file and the member. Close it also after an error. */
tdm_status tdm__route_facts_open(const char *state_path, const char *consent_path, tdm__route_facts *out,
                                 tdm_error *err);
void tdm__route_facts_close(tdm__route_facts *f);

/* Fills consents and states of the cell's back ends. cell may be NULL. */
void tdm__route_facts_fit(tdm__route_facts *f, const tdm__rule_cell *cell);

/* "up", "down", "loading"; false when it is none. */
bool tdm__route_state_parse(const char *name, tdm__backend_state *out);

/* "ask", "always", "never". */
bool tdm__route_consent_parse(const char *name, tdm__consent_mode *out);

#endif
