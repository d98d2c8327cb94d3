/* fake_trust.h - a trust store by hand: any files, believed. It stands in for src/policy/trust*.c where a test is about
 * what is made of the files, and is linked instead of them. */
#ifndef TDM_TEST_FAKE_TRUST_H
#define TDM_TEST_FAKE_TRUST_H

#include "policy/trust.h"

enum { FAKE_TARGETS_MAX = 16 };

struct tdm__trust {
    tdm__trust_target targets[FAKE_TARGETS_MAX]; /* path and bytes are the test's */
    size_t n;
    bool is_demo;
    int64_t expires_unix_s, version;
};

#endif
