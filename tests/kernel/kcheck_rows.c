/* kcheck_rows.c - the row kernels, halves, and exp against the C library's double. */
#include "kcheck.h"

#include <math.h>
#include <string.h>

static const size_t lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 100, 576, 896, 1000, 1536, 4864};

enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], LENGTH_BENCH = 4864 };

static float *floats(kcheck *c, kcheck_fill kind, size_t n)
{
    float *p = kcheck_buffer(c, n * sizeof *p);
    kcheck_fill_floats(c, kind, p, n);
    return p;
}

static float *copy_of(kcheck *c, const float *from, size_t n)
{
    float *p = kcheck_buffer(c, n * sizeof *p);
    memcpy(p, from, n * sizeof *p);
    return p;
}

static void check_rms_norm(kcheck *c, kcheck_fill kind, size_t n)
{
    kcheck_begin(c, "rms_norm of %zu, fill %d", n, kind);
    float *x = floats(c, kind, n), *w = floats(c, kind, n), eps = kind == KCHECK_TINY ? 0x1p-140f : 1e-6f;
    float *expected = kcheck_buffer(c, n * sizeof *x), *got = kcheck_buffer(c, n * sizeof *x);
    kcheck_reference(c)->rms_norm(x, w, eps, expected, n);
    kcheck_level(c)->rms_norm(x, w, eps, got, n);
    kcheck_same_floats(c, "out", expected, got, n);
    kcheck_level(c)->rms_norm(x, w, eps, x, n);
    kcheck_same_floats(c, "out in place", expected, x, n);
    kcheck_end(c);
}

/* The definition itself, in double. */
static void check_rms_norm_meaning(kcheck *c)
{
    enum { N = 896 };
    kcheck_begin(c, "rms_norm against double");
    float *x = floats(c, KCHECK_NORMAL, N), *w = floats(c, KCHECK_NORMAL, N), *got = kcheck_buffer(c, N * sizeof *x);
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += (double)x[i] * (double)x[i];
    kcheck_level(c)->rms_norm(x, w, 1e-5f, got, N);
    for (size_t i = 0; i < N; i++) {
        double expected = (double)x[i] / sqrt(sum / N + 1e-5) * (double)w[i];
        kcheck_that(c, fabs((double)got[i] - expected) <= 1e-6 * fabs(expected), "more than 1e-6 away");
    }
    kcheck_end(c);
}

static void check_add(kcheck *c, kcheck_fill kind, size_t n)
{
    kcheck_begin(c, "add of %zu, fill %d", n, kind);
    float *expected = floats(c, kind, n), *y = floats(c, kind, n), *got = copy_of(c, expected, n);
    kcheck_reference(c)->add(expected, y, n);
    kcheck_level(c)->add(got, y, n);
    kcheck_same_floats(c, "x", expected, got, n);
    kcheck_end(c);
}

static void check_silu_mul(kcheck *c, kcheck_fill kind, size_t n)
{
    kcheck_begin(c, "silu_mul of %zu, fill %d", n, kind);
    float *gate = floats(c, kind, n), *up = floats(c, kind, n);
    float *expected = kcheck_buffer(c, n * sizeof *gate), *got = kcheck_buffer(c, n * sizeof *gate);
    for (size_t i = 0; i < n && kind == KCHECK_NORMAL; i++)
        gate[i] *= 20.0f;
    kcheck_reference(c)->silu_mul(gate, up, expected, n);
    kcheck_level(c)->silu_mul(gate, up, got, n);
    kcheck_same_floats(c, "out", expected, got, n);
    for (size_t i = 0; i < n && kind == KCHECK_NORMAL; i++) {
        double meant = (double)gate[i] / (1 + exp(-(double)gate[i])) * (double)up[i];
        kcheck_that(c, fabs((double)got[i] - meant) <= 1e-6 * fabs(meant), "more than 1e-6 from double");
    }
    kcheck_level(c)->silu_mul(gate, up, gate, n);
    kcheck_same_floats(c, "out in place of gate", expected, gate, n);
    kcheck_end(c);
}

typedef void (*rope_fn)(float *, size_t, size_t, size_t, const float *, const float *);

static void check_rope(kcheck *c, kcheck_fill kind, size_t n_heads, size_t head_dim, size_t n_rot, bool is_neox)
{
    kcheck_begin(c, "rope_%s, %zu heads of %zu, %zu turned, fill %d", is_neox ? "neox" : "norm", n_heads, head_dim,
                 n_rot, kind);
    size_t n = n_heads * head_dim, half = n_rot / 2;
    float *cosines = floats(c, KCHECK_NORMAL, half), *sines = floats(c, KCHECK_NORMAL, half);
    float *x = floats(c, kind, n), *expected = copy_of(c, x, n), *got = copy_of(c, x, n);
    rope_fn reference = is_neox ? kcheck_reference(c)->rope_neox : kcheck_reference(c)->rope_norm;
    rope_fn level = is_neox ? kcheck_level(c)->rope_neox : kcheck_level(c)->rope_norm;
    reference(expected, n_heads, head_dim, n_rot, cosines, sines);
    level(got, n_heads, head_dim, n_rot, cosines, sines);
    kcheck_same_floats(c, "x", expected, got, n);
    for (size_t i = 0; i < n && kind == KCHECK_NORMAL; i++) {
        size_t d = i % head_dim, pair = is_neox ? d % half : d / 2;
        bool is_second = is_neox ? d >= half : d % 2 == 1;
        size_t other = is_neox ? (is_second ? i - half : i + half) : (is_second ? i - 1 : i + 1);
        double meant = (double)x[i];
        if (d < n_rot)
            meant = meant * (double)cosines[pair] + (is_second ? 1 : -1) * (double)x[other] * (double)sines[pair];
        kcheck_that(c, fabs((double)got[i] - meant) <= 2e-7, "more than 2e-7 from double");
    }
    kcheck_end(c);
}

static void check_ropes(kcheck *c, kcheck_fill kind)
{
    static const struct {
        size_t n_heads, head_dim, n_rot;
    } shapes[] = {{1, 2, 2},   {3, 6, 4},   {2, 10, 10},    {14, 64, 64}, {2, 80, 20},
                  {5, 80, 80}, {3, 96, 72}, {12, 128, 128}, {1, 256, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        check_rope(c, kind, shapes[s].n_heads, shapes[s].head_dim, shapes[s].n_rot, false);
        check_rope(c, kind, shapes[s].n_heads, shapes[s].head_dim, shapes[s].n_rot, true);
    }
}

/* Floats from -104 to 88.72 in steps of STEP bit patterns (1: all, 17 s), the worst of all, and the ends. */
static void check_exp(kcheck *c)
{
    enum { STEP = 61 };
    double worst = 0;
    kcheck_begin(c, "tdm__expf against double");
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STEP) {
        uint32_t u = (uint32_t)bits;
        float x;
        memcpy(&x, &u, sizeof x);
        if (!(x >= -104.0f && x <= 88.7228f))
            continue;
        double meant = exp((double)x), unit = ldexp(1.0, (meant < 0x1p-126 ? -126 : ilogb(meant)) - 23);
        worst = fmax(worst, fabs((double)tdm__expf(x) - meant) / unit);
    }
    kcheck_that(c, fabs((double)tdm__expf(0x1.2e3aa8p+5f) - exp(0x1.2e3aa8p+5)) < ldexp(1.02, 54 - 23), "worst value");
    kcheck_that(c, worst <= 1.02, "more than 1.02 units in the last place from double");
    kcheck_that(c, tdm__expf(0.0f) == 1.0f && tdm__expf(-0.0f) == 1.0f, "exp(0) is not 1");
    kcheck_that(c, tdm__expf(-INFINITY) == 0.0f && tdm__expf(-1e30f) == 0.0f, "no zero far below");
    kcheck_that(c, isinf(tdm__expf(INFINITY)) && isinf(tdm__expf(88.73f)), "no infinity far above");
    kcheck_that(c, isnan(tdm__expf(NAN)), "exp(NaN) is a number");
    kcheck_end(c);
}

/* Each level's exp over the whole range through softmax's neighbour silu_mul: gate / (1 + exp(-gate)). */
static void check_silu_sweep(kcheck *c)
{
    enum { N = 1 << 16 };
    kcheck_begin(c, "silu_mul over all magnitudes");
    float *gate = kcheck_buffer(c, N * sizeof *gate), *up = kcheck_buffer(c, N * sizeof *up);
    float *expected = kcheck_buffer(c, N * sizeof *gate), *got = kcheck_buffer(c, N * sizeof *gate);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t bits = i << 16 | (kcheck_random(c) & 0xffff);
        memcpy(&gate[i], &bits, sizeof bits);
        up[i] = 1.0f;
    }
    kcheck_reference(c)->silu_mul(gate, up, expected, N);
    kcheck_level(c)->silu_mul(gate, up, got, N);
    kcheck_same_floats(c, "out", expected, got, N);
    kcheck_end(c);
}

/* The nearest half by search among all halves: shares nothing with the conversion. Ties go to the even one. */
static uint16_t nearest_half(float f)
{
    uint16_t low = 0, high = 0x7c00; /* magnitudes ascend with their bits; 0x7c00 stands for 2^16 here */
    double x = fabs((double)f);
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if ((double)tdm__f16_to_f32(middle) <= x)
            low = middle;
        else
            high = middle;
    }
    double above = high == 0x7c00 ? 65536.0 : (double)tdm__f16_to_f32(high), below = (double)tdm__f16_to_f32(low);
    bool is_up = x - below > above - x || (x - below == above - x && (low & 1));
    return (uint16_t)((is_up ? high : low) | (signbit(f) ? 0x8000 : 0));
}

static void check_halves(kcheck *c)
{
    kcheck_begin(c, "halves there and back");
    for (uint32_t h = 0; h <= 0xffff; h++) {
        float f = tdm__f16_to_f32((uint16_t)h);
        uint16_t back = tdm__f32_to_f16(f), meant = (uint16_t)(isnan(f) ? h | 0x200 : h);
        kcheck_that(c, back == meant, "a half does not come back");
        if (!isnan(f) && (h & 0x7c00) != 0x7c00) {
            double value = ldexp((h & 0x3ff) | (h & 0x7c00 ? 0x400 : 0), (h & 0x7c00 ? (int)(h >> 10 & 31) : 1) - 25);
            kcheck_that(c, (double)fabsf(f) == value, "a half has another value");
        }
    }
    for (int i = 0; i < 200000; i++) {
        float f = ldexpf(kcheck_random_float(c), (int)(kcheck_random(c) % 48) - 30);
        if (i % 4 == 0) { /* a tie: half way between two halves */
            float low = tdm__f16_to_f32((uint16_t)(kcheck_random(c) % 0x7bff));
            f = (low + tdm__f16_to_f32((uint16_t)(tdm__f32_to_f16(low) + 1))) / 2;
        }
        kcheck_that(c, tdm__f32_to_f16(f) == nearest_half(f), "a float does not go to the nearest half");
    }
    kcheck_end(c);
}

/* One call of a kernel, to be timed. */
typedef struct call {
    const tdm__kernels *k;
    float *x, *y, *out;
    size_t n;
} call;

static void call_rms_norm(void *ctx)
{
    call *a = ctx;
    a->k->rms_norm(a->x, a->y, 1e-6f, a->out, a->n);
}

static void call_add(void *ctx)
{
    call *a = ctx;
    a->k->add(a->out, a->y, a->n);
}

static void call_silu_mul(void *ctx)
{
    call *a = ctx;
    a->k->silu_mul(a->x, a->y, a->out, a->n);
}

static void call_rope_neox(void *ctx)
{
    call *a = ctx;
    a->k->rope_neox(a->out, a->n / 64, 64, 64, a->x, a->y);
}

static void call_rope_norm(void *ctx)
{
    call *a = ctx;
    a->k->rope_norm(a->out, a->n / 64, 64, 64, a->x, a->y);
}

static void time_rows(kcheck *c)
{
    size_t n = LENGTH_BENCH;
    call a = {.k = kcheck_level(c), .x = floats(c, KCHECK_NORMAL, n), .y = floats(c, KCHECK_NORMAL, n),
              .out = floats(c, KCHECK_NORMAL, n), .n = n};
    kcheck_time(c, "silu_mul, 4864", (double)n, "value", call_silu_mul, &a);
    kcheck_time(c, "add, 4864", (double)n, "value", call_add, &a);
    a.n = n = 896;
    kcheck_time(c, "rms_norm, 896", (double)n, "value", call_rms_norm, &a);
    kcheck_time(c, "rope_norm, 14 x 64", (double)n, "value", call_rope_norm, &a);
    kcheck_time(c, "rope_neox, 14 x 64", (double)n, "value", call_rope_neox, &a);
}

void kcheck_rows(kcheck *c)
{
    if (kcheck_is_bench(c)) {
        kcheck_begin(c, "timing");
        time_rows(c);
        kcheck_end(c);
        return;
    }
    if (kcheck_level(c)->isa == TDM__ISA_SCALAR) {
        check_exp(c);
        check_halves(c);
    }
    check_rms_norm_meaning(c);
    check_silu_sweep(c);
    for (kcheck_fill kind = 0; kind < KCHECK_FILL_COUNT; kind++) {
        for (size_t i = 0; i < N_LENGTHS; i++) {
            check_rms_norm(c, kind, lengths[i]);
            check_add(c, kind, lengths[i]);
            check_silu_mul(c, kind, lengths[i]);
        }
        check_ropes(c, kind);
    }
}
