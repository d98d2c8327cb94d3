/* rules_internal.h - what rules.c joins to each candidate: its case, and whether it is for this device yet. */
#ifndef TDM_ROUTE_RULES_INTERNAL_H
#define TDM_ROUTE_RULES_INTERNAL_H

#include "route/rules.h"

/* Whether this device is among the share of devices that a back end is introduced to: the first 8 bytes (big-endian)
 * of SHA-256(device NUL feature NUL partner), modulo 10,000, below the share. A larger share only adds devices. */
bool tdm__rules_canary(const char *device, const char *feature, const tdm__policy_backend *b);

/* Fills c->filing from the cases of s: the same for any order of cases and any clock. */
void tdm__rules_find_case(const tdm__rules *r, const tdm__rules_sources *s, const char *feature,
                          tdm__rule_candidate *c);

#endif
