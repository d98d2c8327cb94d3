/* trust_attacks.h - the attacks of TUF's specification, and of this client's own rules, on a trust_maker's repository.
 *
 * Each makes of a repository that a device follows one that it must refuse, for one reason. Where an attacker needs a
 * role's keys for it, he has them.
 */
#ifndef TDM_HARNESS_TRUST_ATTACKS_H
#define TDM_HARNESS_TRUST_ATTACKS_H

#include <stdbool.h>
#include <stddef.h>

#include "trust_maker.h"

typedef struct trust_attack {
    const char *name;
    void (*make)(trust_maker *m);
    tdm__trust_fault fault;
    bool is_of_root;   /* a root that verified on the way stays */
    bool is_of_update; /* against what was seen before; at a first update there is nothing to see */
} trust_attack;

extern const trust_attack trust_attacks[];
extern const size_t trust_attacks_n;

/* Timestamp and snapshot one version up, the snapshot signed again after change. */
void trust_attack_snapshot(trust_maker *m, void (*change)(json_t *signed_part));

#endif
