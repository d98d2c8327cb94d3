/* kcheck.c - the program and the buffers; see kcheck.h. */
#define _GNU_SOURCE
#include "kcheck.h"

#include <math.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS_MAX = 32, GUARD_BYTES = 64, GUARD = 0x5A, FRESH = 0xA5, FAILURES_SHOWN = 20 };

static const double TIME_SECONDS = 0.2; /* a line of --bench */

typedef struct buffer {
    unsigned char *map;
    size_t map_bytes;
    unsigned char *data;
} buffer;

struct kcheck {
    tdm__kernels reference, level;
    bool is_bench;
    uint64_t random;
    buffer buffers[BUFFERS_MAX];
    size_t n_buffers;
    size_t n_cases, n_failures;
    const char *group;
    bool is_failed; /* the present case */
};

/* The case under way, for the handler of a fault: one thread, one program. */
static char case_name[256];

static const struct {
    const char *name;
    void (*run)(kcheck *c);
} groups[] = {
    {"quants", kcheck_quants},
    {"matmul", kcheck_matmul},
    {"rows", kcheck_rows},
    {"attention", kcheck_attention},
};

const tdm__kernels *kcheck_reference(const kcheck *c) { return &c->reference; }
const tdm__kernels *kcheck_level(const kcheck *c) { return &c->level; }
bool kcheck_is_bench(const kcheck *c) { return c->is_bench; }

/* splitmix64 */
uint32_t kcheck_random(kcheck *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

float kcheck_random_float(kcheck *c) { return (float)(int32_t)kcheck_random(c) * 0x1p-31f; }

static float wild_float(kcheck *c)
{
    static const float wild[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 0x1p-149f, -0x1.fffffep127f, 65520.0f};
    uint32_t r = kcheck_random(c);
    return r % 16 < 8 ? wild[r % 16] : kcheck_random_float(c) * 100.0f;
}

void kcheck_fill_floats(kcheck *c, kcheck_fill kind, float *out, size_t n)
{
    bool is_sparse = kcheck_random(c) & 1; /* wild values in a few places only, so that the others are seen */
    for (size_t i = 0; i < n; i++) {
        float f = kcheck_random_float(c);
        if (kind == KCHECK_TINY)
            f = ldexpf(f, -(int)(kcheck_random(c) % 149));
        if (kind == KCHECK_LARGE)
            f = ldexpf(f, (int)(kcheck_random(c) % 100));
        if (kind == KCHECK_WILD && (!is_sparse || kcheck_random(c) % 64 == 0))
            f = wild_float(c);
        out[i] = f;
    }
}

void kcheck_fill_bytes(kcheck *c, void *out, size_t n)
{
    unsigned char *at = out;
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)kcheck_random(c);
}

void kcheck_begin(kcheck *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = snprintf(case_name, sizeof case_name, "%s %s: ", tdm__isa_name(c->level.isa), c->group);
    vsnprintf(case_name + n, sizeof case_name - (size_t)n, format, args);
    va_end(args);
    c->n_cases++;
    c->is_failed = false;
}

void *kcheck_buffer(kcheck *c, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + GUARD_BYTES + page - 1) / page * page;
    if (c->n_buffers == BUFFERS_MAX)
        abort();
    buffer *b = &c->buffers[c->n_buffers++];
    b->map_bytes = used + page;
    b->map = mmap(NULL, b->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED || mprotect(b->map + used, page, PROT_NONE) != 0) {
        perror("kcheck: no memory for a buffer");
        exit(2);
    }
    b->data = b->map + used - bytes;
    memset(b->map, GUARD, used - bytes);
    memset(b->data, FRESH, bytes);
    return b->data;
}

static void fail(kcheck *c, const char *what)
{
    if (!c->is_failed && c->n_failures++ < FAILURES_SHOWN)
        printf("FAILED %s: %s\n", case_name, what);
    c->is_failed = true;
}

void kcheck_end(kcheck *c)
{
    for (size_t i = 0; i < c->n_buffers; i++) {
        const buffer *b = &c->buffers[i];
        for (const unsigned char *at = b->map; at < b->data; at++)
            if (*at != GUARD) {
                fail(c, "wrote before a buffer");
                break;
            }
        munmap(b->map, b->map_bytes);
    }
    c->n_buffers = 0;
}

void kcheck_same_floats(kcheck *c, const char *what, const float *expected, const float *got, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&expected[i], &got[i], sizeof(float)) == 0 || (isnan(expected[i]) && isnan(got[i])))
            continue;
        char text[160];
        snprintf(text, sizeof text, "%s[%zu] is %a, expected %a", what, i, (double)got[i], (double)expected[i]);
        fail(c, text);
        return;
    }
}

void kcheck_same_bytes(kcheck *c, const char *what, const void *expected, const void *got, size_t n)
{
    const unsigned char *e = expected, *g = got;
    for (size_t i = 0; i < n; i++)
        if (e[i] != g[i]) {
            char text[160];
            snprintf(text, sizeof text, "%s: byte %zu is %u, expected %u", what, i, g[i], e[i]);
            fail(c, text);
            return;
        }
}

void kcheck_that(kcheck *c, bool holds, const char *what)
{
    if (!holds)
        fail(c, what);
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void kcheck_time(kcheck *c, const char *what, double unit_count, const char *unit, void (*fn)(void *ctx), void *ctx)
{
    double best = INFINITY, start = now_seconds();
    for (int turn = 0; turn < 3 || now_seconds() - start < TIME_SECONDS; turn++) {
        double begin = now_seconds();
        fn(ctx);
        best = fmin(best, now_seconds() - begin);
    }
    printf("%-7s %-44s %10.2f us %9.2f G%s/s\n", tdm__isa_name(c->level.isa), what, best * 1e6,
           unit_count / best * 1e-9, unit);
}

static void on_fault(int signal_number)
{
    static const char text[] = "FAILED: touched memory beyond a buffer, or stopped, in ";
    (void)signal_number;
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0 || write(STDOUT_FILENO, case_name, strlen(case_name)) < 0 ||
        write(STDOUT_FILENO, "\n", 1) < 0)
        _exit(2);
    _exit(1);
}

static bool is_wanted(const char *name, char **names, int n_names)
{
    for (int i = 0; i < n_names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return n_names == 0;
}

static bool is_group(const char *name)
{
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
        if (strcmp(groups[g].name, name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static kcheck c; /* large, and zero */
    tdm__isa ceiling = tdm__cpu_isa();
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--bench") == 0) {
            c.is_bench = true;
        } else if (strcmp(argv[first], "--isa") != 0 || first + 1 == argc ||
                   tdm__isa_parse(argv[++first], &ceiling) != 0) {
            fprintf(stderr, "usage: kcheck [--bench] [--isa NAME] [GROUP...]\n");
            return 2;
        }
    }
    for (int i = first; i < argc; i++)
        if (!is_group(argv[i])) {
            fprintf(stderr, "kcheck: there is no group \"%s\"\n", argv[i]);
            return 2;
        }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    signal(SIGILL, on_fault);
    signal(SIGABRT, on_fault);
    tdm__kernels_init(&c.reference, TDM__ISA_SCALAR);
    for (tdm__isa isa = TDM__ISA_SCALAR; isa <= ceiling && isa <= tdm__cpu_isa(); isa++) {
        tdm__kernels_init(&c.level, isa);
        for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
            c.random = 1;
            c.group = groups[g].name;
            if (is_wanted(c.group, argv + first, argc - first))
                groups[g].run(&c);
        }
    }
    if (!c.is_bench)
        printf("%zu cases, %zu failed\n", c.n_cases, c.n_failures);
    return c.n_failures == 0 ? 0 : 1;
}
