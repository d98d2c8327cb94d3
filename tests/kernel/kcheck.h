/* kcheck.h - each kernel of each level against the reference C, and its time (dav1d's checkasm is the model).
 *
 *      kcheck [--bench] [--isa NAME] [GROUP...]
 *
 * A group is one function that makes inputs, runs the reference and the level on separate buffers, and compares the
 * bits. A buffer ends at a page that faults when touched, so a read or write one byte beyond ends the program with
 * the name of the case; the bytes before it are a pattern that is looked at when the case ends. Odd lengths make odd
 * addresses by themselves.
 */
#ifndef TDM_TESTS_KCHECK_H
#define TDM_TESTS_KCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernels.h"

typedef struct kcheck kcheck;

typedef enum kcheck_fill {
    KCHECK_NORMAL = 0, /* in -1 .. 1 */
    KCHECK_TINY,       /* down to subnormals */
    KCHECK_LARGE,      /* up to 1e30: sums overflow */
    KCHECK_WILD,       /* some NaN, infinities, zeros of both signs among the above */
    KCHECK_FILL_COUNT
} kcheck_fill;

/* The two tables under comparison. The first level is the reference itself: only its meaning is checked then. */
const tdm__kernels *kcheck_reference(const kcheck *c);
const tdm__kernels *kcheck_level(const kcheck *c);
bool kcheck_is_bench(const kcheck *c); /* only time, the cases were compared before */

/* Random numbers, the same in every run. */
uint32_t kcheck_random(kcheck *c);
float kcheck_random_float(kcheck *c); /* -1 .. 1 */
void kcheck_fill_floats(kcheck *c, kcheck_fill kind, float *out, size_t n);
void kcheck_fill_bytes(kcheck *c, void *out, size_t n);
/* Rows of that type: random bytes whose scales are finite and of usual size. */
void kcheck_fill_weights(kcheck *c, tdm__type type, void *out, size_t bytes);

/* A case: its name is printed where it fails. Buffers live until it ends; contents are 0xA5 bytes. */
void kcheck_begin(kcheck *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *kcheck_buffer(kcheck *c, size_t bytes);
void kcheck_end(kcheck *c);

/* Fail the case. Floats are the same when their bits are, or when both are NaN. */
void kcheck_same_floats(kcheck *c, const char *what, const float *expected, const float *got, size_t n);
void kcheck_same_bytes(kcheck *c, const char *what, const void *expected, const void *got, size_t n);
void kcheck_that(kcheck *c, bool holds, const char *what);

/* Runs fn(ctx) for a while and prints the best time; unit_count units of `unit` ("flop", "value") a call. */
void kcheck_time(kcheck *c, const char *what, double unit_count, const char *unit, void (*fn)(void *ctx), void *ctx);

/* The groups. */
void kcheck_quants(kcheck *c);
void kcheck_matmul(kcheck *c);
void kcheck_rows(kcheck *c);
void kcheck_attention(kcheck *c);

#endif
