/* fuzz.h - what a fuzz target is: one function over arbitrary bytes that must return, whatever they are.
 *
 * A target is one file fuzz_NAME.c that defines tdm_fuzz_one, and a folder corpus/NAME of small inputs. It is linked
 * with replay.c (every compiler: runs the corpus and deterministic mutations of it, part of the tests) and, with
 * -Dfuzzers=true under clang, with libFuzzer. A crash, a sanitizer's report, a failed assert or more than 10 seconds
 * on one input is a failure; refusing the input is not.
 */
#ifndef TDM_FUZZ_FUZZ_H
#define TDM_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* data is a block of exactly len bytes. Always returns 0. */
int tdm_fuzz_one(const uint8_t *data, size_t len);

#endif
