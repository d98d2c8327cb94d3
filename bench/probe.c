/* probe.c - what this machine can give at most: bytes read from memory and int8 operations, a second.
 *
 *     bench_probe [--threads N] [--rounds N] [--mib N] [--isa LEVEL] | --check
 *
 * Measures N threads, or 1, 2, .. up to all cores this process may use, each thread pinned to a core of its own. One
 * line of JSON: for each number of threads the best and the median of the rounds. These are the denominators of
 * docs/speed.md ("per cent of the limit"), so both loops are made to be as fast as the machine allows:
 *
 *     read     every 64-byte line of a buffer far larger than the caches is loaded and added up, each thread walking a
 *              part of its own forwards. Once left to the processor's prefetchers and once with prefetches to L2, as
 *              the kernels do; the faster of both counts. In GB (1e9 bytes) a second.
 *     int8     products of unsigned and signed bytes added into 32-bit sums, operands in registers, enough independent
 *              chains to hide the latency. A product and its addition are two operations. In 1e9 a second.
 *              VNNI: vpdpbusd. AVX2 and AVX-512 without it: two vpmaddubsw, their pairs added in 16 bits, vpmaddwd and
 *              an addition, which is exact for weights of up to 6 bits (src/kernel/x86/matmul_avx2.c).
 *
 * A loop that the compiler shortens or a part that is read by nobody would raise the limit unnoticed. So each round's
 * sum is compared with what the bytes must give, and each product is counted by the sums themselves: a wrong one ends
 * the program. --check does one small round of each, for the tests.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/cpu.h"
#include "os/team.h"

enum {
    THREADS_MAX = 256,
    ROUNDS_MAX = 101,
    LINE = 64,
    PREFETCH_AHEAD = 12 << 10, /* bytes, as in src/kernel/matmul.c */
    CHAINS = 16,
    CHAINS_AVX2 = 8, /* of the 16 registers, eight are sums */
    CACHES = 8,      /* the buffer is so many times the last cache */
    MIB_LEAST = 256,
    MIB_MOST = 1024,
    WEIGHT = 3, /* every weight and activation of the int8 loops: their product is easily foretold */
    ACTIVATION = 5,
    N_INT8 = 20 * 1000 * 1000, /* turns of a loop a round: some tens of ms */
    N_INT8_CHECK = 1000,
};

typedef struct probe {
    const uint64_t *words; /* [n_words] */
    size_t n_words;
    size_t cpus[THREADS_MAX]; /* in the order of the affinity mask */
    tdm__isa isa;
    size_t n_int8;
    bool prefetched;
    uint64_t sums[THREADS_MAX][LINE / sizeof(uint64_t)]; /* a line each: no two threads write the same one */
} probe;

static void fail(const char *what)
{
    fprintf(stderr, "bench_probe: %s\n", what);
    exit(1);
}

static void pin(void *ctx, int i, int n)
{
    const probe *p = ctx;
    cpu_set_t set;
    (void)n;
    CPU_ZERO(&set);
    CPU_SET(p->cpus[i], &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fail("a thread cannot be pinned");
}

/* ---- reading */

static uint64_t word_at(size_t i) { return i * 0x9E3779B97F4A7C15u; }

static void fill_part(void *ctx, int i, int n)
{
    probe *p = ctx;
    uint64_t *words = (uint64_t *)(uintptr_t)p->words;
    size_t begin, end;
    tdm__team_range(p->n_words / 8, i, n, &begin, &end);
    for (size_t k = begin * 8; k < end * 8; k++)
        words[k] = word_at(k);
}

/* Four sums, so that an addition never waits for the one before. */
__attribute__((target("avx2"))) static inline __attribute__((always_inline)) uint64_t
sum_lines(const uint64_t *words, size_t n_lines, bool prefetched)
{
    const __m256i *v = (const __m256i *)(const void *)words;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    size_t k = 0;
    for (; k + 2 <= n_lines; k += 2) {
        if (prefetched) {
            __builtin_prefetch((const char *)(v + 2 * k) + PREFETCH_AHEAD, 0, 2);
            __builtin_prefetch((const char *)(v + 2 * k) + PREFETCH_AHEAD + LINE, 0, 2);
        }
        a = _mm256_add_epi64(a, _mm256_load_si256(v + 2 * k));
        b = _mm256_add_epi64(b, _mm256_load_si256(v + 2 * k + 1));
        c = _mm256_add_epi64(c, _mm256_load_si256(v + 2 * k + 2));
        d = _mm256_add_epi64(d, _mm256_load_si256(v + 2 * k + 3));
    }
    if (k < n_lines) {
        a = _mm256_add_epi64(a, _mm256_load_si256(v + 2 * k));
        b = _mm256_add_epi64(b, _mm256_load_si256(v + 2 * k + 1));
    }
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d)));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

__attribute__((target("avx2"))) static void read_part(void *ctx, int i, int n)
{
    probe *p = ctx;
    size_t begin, end;
    tdm__team_range(p->n_words / 8, i, n, &begin, &end);
    const uint64_t *words = p->words + begin * 8;
    p->sums[i][0] = p->prefetched ? sum_lines(words, end - begin, true) : sum_lines(words, end - begin, false);
}

/* Sum of word_at(0 .. n - 1). */
static uint64_t sum_of_words(size_t n) { return (n % 2 ? n * ((n - 1) / 2) : n / 2 * (n - 1)) * word_at(1); }

/* ---- int8: each returns the sum of all products of n turns */

/* What the compiler may not see through: it would take products of the same operands once. */
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static uint64_t multiply_vnni(size_t n)
{
    __m512i sum[CHAINS], w = _mm512_set1_epi8(WEIGHT), x = _mm512_set1_epi8(ACTIVATION), total = _mm512_setzero_si512();
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_setzero_si512();
    for (size_t k = 0; k < n; k++)
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++)
            sum[c] = _mm512_dpbusd_epi32(sum[c], w, x);
    for (int c = 0; c < CHAINS; c++)
        total = _mm512_add_epi64(total, _mm512_add_epi64(_mm512_and_si512(sum[c], _mm512_set1_epi64(UINT32_MAX)),
                                                         _mm512_srli_epi64(sum[c], 32)));
    return (uint64_t)_mm512_reduce_add_epi64(total);
}

__attribute__((target("avx512f,avx512bw"))) static uint64_t multiply_avx512(size_t n)
{
    __m512i sum[CHAINS], w = _mm512_set1_epi8(WEIGHT), x = _mm512_set1_epi8(ACTIVATION), total = _mm512_setzero_si512();
    const __m512i ones = _mm512_set1_epi16(1);
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_setzero_si512();
    for (size_t k = 0; k < n; k++)
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++) {
            __m512i first, second;
            __asm__ volatile("" : "+v"(w));
            first = _mm512_maddubs_epi16(w, x);
            __asm__ volatile("" : "+v"(w));
            second = _mm512_maddubs_epi16(w, x);
            sum[c] = _mm512_add_epi32(sum[c], _mm512_madd_epi16(_mm512_add_epi16(first, second), ones));
        }
    for (int c = 0; c < CHAINS; c++)
        total = _mm512_add_epi64(total, _mm512_add_epi64(_mm512_and_si512(sum[c], _mm512_set1_epi64(UINT32_MAX)),
                                                         _mm512_srli_epi64(sum[c], 32)));
    return (uint64_t)_mm512_reduce_add_epi64(total);
}

__attribute__((target("avx2"))) static uint64_t multiply_avx2(size_t n)
{
    __m256i sum[CHAINS_AVX2], w = _mm256_set1_epi8(WEIGHT), x = _mm256_set1_epi8(ACTIVATION);
    const __m256i ones = _mm256_set1_epi16(1);
    uint64_t total = 0;
    for (int c = 0; c < CHAINS_AVX2; c++)
        sum[c] = _mm256_setzero_si256();
    for (size_t k = 0; k < n; k++)
#pragma GCC unroll 8
        for (int c = 0; c < CHAINS_AVX2; c++) {
            __m256i first, second;
            OPAQUE(w);
            first = _mm256_maddubs_epi16(w, x);
            OPAQUE(w);
            second = _mm256_maddubs_epi16(w, x);
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(_mm256_add_epi16(first, second), ones));
        }
    for (int c = 0; c < CHAINS_AVX2; c++) {
        uint32_t lanes[8];
        _mm256_storeu_si256((__m256i *)(void *)lanes, sum[c]);
        for (int l = 0; l < 8; l++)
            total += lanes[l];
    }
    return total;
}

/* Products of one turn. */
static size_t products_of(tdm__isa isa)
{
    size_t two = isa == TDM__ISA_VNNI ? 1 : 2;
    return isa == TDM__ISA_AVX2 ? CHAINS_AVX2 * two * sizeof(__m256i) : CHAINS * two * sizeof(__m512i);
}

static void multiply_part(void *ctx, int i, int n)
{
    probe *p = ctx;
    (void)n;
    if (p->isa == TDM__ISA_VNNI)
        p->sums[i][0] = multiply_vnni(p->n_int8);
    else if (p->isa == TDM__ISA_AVX512)
        p->sums[i][0] = multiply_avx512(p->n_int8);
    else
        p->sums[i][0] = multiply_avx2(p->n_int8);
}

/* ---- rounds */

static uint64_t sum_of_threads(const probe *p, int n_threads)
{
    uint64_t sum = 0;
    for (int i = 0; i < n_threads; i++)
        sum += p->sums[i][0];
    return sum;
}

/* 1e9 things a second: n things, all of whose sum must be want. */
static double rate_of(tdm__team *team, tdm__team_fn part, probe *p, double n, uint64_t want)
{
    memset(p->sums, 0xFF, sizeof p->sums);
    uint64_t begin_ns = tdm__clock_ns();
    tdm__team_run(team, part, p);
    double ns = (double)(tdm__clock_ns() - begin_ns);
    if (sum_of_threads(p, tdm__team_size(team)) != want)
        fail("the sum of what was read or multiplied is wrong: the loop does not do its work");
    return n / ns;
}

static double read_rate(tdm__team *team, probe *p, bool prefetched)
{
    p->prefetched = prefetched;
    return rate_of(team, read_part, p, (double)(p->n_words * sizeof(uint64_t)), sum_of_words(p->n_words));
}

static double int8_rate(tdm__team *team, probe *p)
{
    uint64_t n = (uint64_t)tdm__team_size(team) * p->n_int8 * products_of(p->isa);
    return rate_of(team, multiply_part, p, 2 * (double)n, n * WEIGHT * ACTIVATION);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_rates(const char *name, double *rates, int n)
{
    qsort(rates, (size_t)n, sizeof *rates, by_value);
    printf(",\"%s\":{\"best\":%.2f,\"median\":%.2f}", name, rates[n - 1],
           n % 2 ? rates[n / 2] : (rates[n / 2 - 1] + rates[n / 2]) / 2);
}

static void measure(probe *p, int n_threads, int n_rounds)
{
    double read[ROUNDS_MAX], ahead[ROUNDS_MAX], int8[ROUNDS_MAX];
    tdm__team *team = tdm__team_create(n_threads);
    if (!team)
        fail("no threads");
    tdm__team_run(team, pin, p);
    for (int r = 0; r < n_rounds; r++) {
        read[r] = read_rate(team, p, false);
        ahead[r] = read_rate(team, p, true);
        int8[r] = int8_rate(team, p);
    }
    printf("{\"threads\":%d", n_threads);
    print_rates("read", read, n_rounds);
    print_rates("read_prefetched", ahead, n_rounds);
    print_rates("int8", int8, n_rounds);
    printf("}");
    tdm__team_destroy(team);
}

/* ---- preparing */

static int list_cpus(probe *p)
{
    cpu_set_t set;
    int n = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        fail("the affinity mask cannot be read");
    for (size_t cpu = 0; cpu < CPU_SETSIZE && n < THREADS_MAX; cpu++)
        if (CPU_ISSET(cpu, &set))
            p->cpus[n++] = cpu;
    int allowed = tdm__cpu_count();
    return n < allowed ? n : allowed;
}

static size_t default_mib(void)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t mib = cache > 0 ? (size_t)cache * CACHES >> 20 : 0;
    return mib < MIB_LEAST ? MIB_LEAST : mib > MIB_MOST ? MIB_MOST : mib;
}

/* Behind the words lies what the last prefetches ask for. */
static void map_words(probe *p, size_t mib, int n_threads)
{
    size_t bytes = mib << 20;
    void *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED)
        fail("no memory for the buffer");
    madvise(words, bytes, MADV_HUGEPAGE); /* a limit may have what the kernels have not */
    p->words = words;
    p->n_words = bytes / sizeof(uint64_t);
    tdm__team *team = tdm__team_create(n_threads);
    if (!team)
        fail("no threads");
    tdm__team_run(team, fill_part, p);
    tdm__team_destroy(team);
}

static size_t number(const char *name, const char *text, size_t least, size_t most)
{
    char *end = NULL;
    unsigned long n = text ? strtoul(text, &end, 10) : 0;
    if (!text || *end || end == text || n < least || n > most) {
        fprintf(stderr, "bench_probe: %s is '%s', allowed are %zu to %zu\n", name, text ? text : "", least, most);
        exit(2);
    }
    return n;
}

typedef struct options {
    size_t threads, rounds, mib; /* threads 0: 1 to all */
    tdm__isa isa;
    size_t n_int8;
} options;

static options options_of(int argc, char **argv)
{
    options o = {.rounds = 9, .mib = default_mib(), .isa = tdm__cpu_isa(), .n_int8 = N_INT8};
    tdm__isa asked = o.isa;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = argv[i + 1]; /* argv ends with NULL */
        if (strcmp(name, "--check") == 0) {
            o.rounds = 1, o.mib = 1, o.n_int8 = N_INT8_CHECK;
            continue;
        }
        if (strcmp(name, "--threads") == 0)
            o.threads = number(name, value, 1, THREADS_MAX);
        else if (strcmp(name, "--rounds") == 0)
            o.rounds = number(name, value, 1, ROUNDS_MAX);
        else if (strcmp(name, "--mib") == 0)
            o.mib = number(name, value, 1, 1 << 16);
        else if (strcmp(name, "--isa") != 0 || !value || tdm__isa_parse(value, &asked) != 0) {
            fprintf(stderr, "usage: bench_probe [--threads N] [--rounds N] [--mib N] [--isa LEVEL] | --check\n");
            exit(2);
        }
        i++;
    }
    o.isa = asked < o.isa ? asked : o.isa;
    if (o.isa < TDM__ISA_AVX2)
        fail("there is no int8 peak below AVX2");
    return o;
}

int main(int argc, char **argv)
{
    static probe p;
    options o = options_of(argc, argv);
    int n_cpus = list_cpus(&p);
    int first = o.threads ? (int)o.threads : 1, last = o.threads ? (int)o.threads : n_cpus;
    if (last > n_cpus) {
        fprintf(stderr, "bench_probe: %d threads are asked for, %d cores may be used\n", last, n_cpus);
        return 1;
    }
    p.isa = o.isa;
    p.n_int8 = o.n_int8;
    map_words(&p, o.mib, last);
    printf("{\"isa\":\"%s\",\"mib\":%zu,\"rounds\":%zu,\"threads\":[", tdm__isa_name(o.isa), o.mib, o.rounds);
    for (int n = first; n <= last; n++) {
        printf("%s", n > first ? "," : "");
        measure(&p, n, (int)o.rounds);
    }
    printf("]}\n");
    return 0;
}
