/* route_input.h - what tandem route decides by: a policy, a record and cases, from files or from this home. */
#ifndef TDM_CLI_ROUTE_INPUT_H
#define TDM_CLI_ROUTE_INPUT_H

#include "cli/command.h"
#include "filing/case_folder.h"
#include "policy/keyring.h"
#include "policy/trust.h"
#include "route/decide.h"

/* NULL: what is installed in this home. */
typedef struct tdm__route_paths {
    const char *policy; /* a repository's folder, or a bundle */
    const char *root;   /* whom to believe; without it and without an installed policy: the repository's own root */
    const char *device;
    const char *cases;
} tdm__route_paths;

typedef struct tdm__route_input {
    tdm__trust *trust;     /* NULL: no policy is here */
    tdm__keyring *keyring; /* NULL: it has no keys that can be read */
    char *record;
    size_t record_len; /* 0: no record is here */
    tdm__case_folder cases;
    int64_t now_unix_s;
    bool clock_is_suspect;
    bool has_own_root; /* the repository's own root was believed */
    tdm_error note;    /* a case's file that is none, if there is one */
} tdm__route_input;

/* A policy that was named and does not verify is an error; that it has expired is none: the decision says so. Close it
 * also after an error. */
tdm_status tdm__route_input_open(const tdm__common *common, const tdm__route_paths *paths, int64_t at_unix_s,
                                 tdm__route_input *out, tdm_error *err);
void tdm__route_input_close(tdm__route_input *in);

/* Rules at a moment; cases are the input's, or others. */
tdm_status tdm__route_input_rules(const tdm__route_input *in, const tdm__filing_case *const *cases, size_t n_cases,
                                  const char *own_model_sha256, int64_t now_unix_s, tdm__rules **out, tdm_error *note,
                                  tdm_error *err);

/* tandem route replay. */
int tdm__route_replay(int argc, char **argv);

#endif
