/* libfuzzer.c - the entry that libFuzzer calls, over the same targets as replay.c. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) { return tdm_fuzz_one(data, len); }
