/* decide_world.h - rules made by hand, for tests and the benchmark of the decision: every field is a test's to bend.
 *
 * The world begins as one in which everything is allowed: a market CN in which the device's own model answers first and
 * partners after it, all accredited, all covered by one approved case, a record and a policy in force, all up.
 */
#ifndef TDM_TEST_DECIDE_WORLD_H
#define TDM_TEST_DECIDE_WORLD_H

#include "route/decide.h"

enum { WORLD_NOW = 1740000000, WORLD_DAY = 86400 };

#define WORLD_OWN_SHA256 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct decide_world {
    tdm__market_policy policy;
    tdm__policy_partner *partners; /* [n_partners]: "p000".. */
    tdm__policy_cell *cells;       /* [n_cells]: "f0000".. */
    tdm__policy_backend *backends; /* [n_cells x n_backends]: own, then partners in turn */
    tdm__rule_cell *rule_cells;
    tdm__rule_candidate *candidates; /* [n_cells x n_backends] */
    char (*names)[8];
    size_t n_backends; /* a cell */
    tdm__rules rules;
    tdm__decision_facts facts; /* of feature "f0000" */
} decide_world;

/* Ends the program when memory is out. */
decide_world *decide_world_create(size_t n_cells, size_t n_backends, size_t n_partners);
void decide_world_destroy(decide_world *w);

#endif
