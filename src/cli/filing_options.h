/* filing_options.h - what the files of tandem filing share: the values of its options. */
#ifndef TDM_CLI_FILING_OPTIONS_H
#define TDM_CLI_FILING_OPTIONS_H

#include <jansson.h>

#include "cli/command.h"
#include "filing/filing.h"
#include "policy/keyring.h"

/* NULL: the option did not come. */
typedef struct filing_options {
    const char *case_path, *key_path, *keys_path, *at;
    const char *id, *market, *maker, *provider;         /* new */
    const char *partner, *partner_model, *partner_date; /* new */
    const char *section, *text, *expires;
    tdm__texts features, models, documents, conditions;
    bool is_demo, is_hypothetical;
} filing_options;

/* The fields of an action (tdm__filing_case_extend); signer and keys (may be NULL) find the section of a submit that
 * does not name it. New reference. ERR_INVAL for a wrong call, ERR_IO and ERR_NOT_FOUND for files. */
tdm_status tdm__filing_fields(const filing_options *o, tdm__filing_action action, const tdm__public_key *signer,
                              const tdm__keyring *keys, json_t **out, tdm_error *err);

/* A case for people, from what tdm__filing_case_json gives. */
void tdm__filing_print(const json_t *view);

/* One line: id, market, state, since, features. */
void tdm__filing_print_line(const json_t *view);

#endif
