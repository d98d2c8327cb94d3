/* replay.c - runs a fuzz target over files, and over mutations of them, with any compiler.
 *
 *     fuzz_NAME [--mutate N SEED] PATH..     every file (of a folder: all its files), then N mutations
 *     fuzz_NAME --dump CASE SEED PATH..      writes the input of one mutation to standard output
 *
 * The cases run in a child process, so that a crash or a hang is reported with the number that makes it again. Each
 * mutation depends on its number and the seed only, not on those before it. No coverage guides them: that is
 * libFuzzer's part. This one keeps what was found from coming back, and needs nothing.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "os/file.h"

enum { CORPUS_MAX = 1024, INPUT_BYTES_MAX = 1024 * 1024, CASE_SECONDS_MAX = 10, CHANGES_MAX = 6, PATH_BYTES = 4096 };

typedef struct input {
    char *path;
    uint8_t *bytes;
    size_t len;
} input;

typedef struct corpus {
    input inputs[CORPUS_MAX];
    size_t n;
} corpus;

static void stop(const char *what, const char *which)
{
    fprintf(stderr, "replay: %s: %s\n", which, what);
    exit(2);
}

static void corpus_add(corpus *c, const char *path)
{
    if (c->n == CORPUS_MAX)
        stop("more than 1024 corpus files", path);
    char *bytes;
    input *in = &c->inputs[c->n];
    int rc = tdm__file_read(path, INPUT_BYTES_MAX, &bytes, &in->len);
    if (rc != 0)
        stop(strerror(rc), path);
    in->path = strdup(path);
    in->bytes = malloc(in->len + 1);
    if (!in->path || !in->bytes)
        stop("out of memory", path);
    memcpy(in->bytes, bytes, in->len);
    free(bytes);
    c->n++;
}

static int compare_inputs(const void *a, const void *b)
{
    return strcmp(((const input *)a)->path, ((const input *)b)->path);
}

static void corpus_add_tree(corpus *c, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        stop(strerror(errno), path);
    if (!S_ISDIR(st.st_mode)) {
        corpus_add(c, path);
        return;
    }
    DIR *d = opendir(path);
    if (!d)
        stop(strerror(errno), path);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char file[PATH_BYTES];
        int n = snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (n < 0 || (size_t)n >= sizeof file || stat(file, &st) != 0)
            stop("cannot be read", path);
        if (S_ISREG(st.st_mode))
            corpus_add(c, file);
    }
    closedir(d);
}

/* splitmix64: one multiplication chain a number, any seed is good. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t n) { return n == 0 ? 0 : (size_t)(random_next(state) % n); }

/* Numbers at which counts, lengths and products go wrong. */
static const uint64_t edges[] = {0,     1,          2,          7,          31,          32,
                                 127,   128,        255,        256,        32767,       32768,
                                 65535, 65536,      0x7fffffff, 0x80000000, 0xffffffff,  0x100000000,
                                 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};

/* One change of b in place; room for INPUT_BYTES_MAX bytes. Returns the new length. */
static size_t mutate_once(uint64_t *rng, const corpus *c, uint8_t *b, size_t len)
{
    size_t at = random_below(rng, len), n;
    switch (random_below(rng, 8)) {
    case 0: /* flip a bit */
        if (len > 0)
            b[at] ^= (uint8_t)(1u << random_below(rng, 8));
        return len;
    case 1: /* another byte */
        if (len > 0)
            b[at] = (uint8_t)random_next(rng);
        return len;
    case 2: /* an edge number of 1 to 8 bytes, little endian */
    case 3: {
        uint64_t v = edges[random_below(rng, sizeof edges / sizeof edges[0])];
        n = (size_t)1 << random_below(rng, 4);
        for (size_t i = 0; i < n && at + i < len; i++)
            b[at + i] = (uint8_t)(v >> (8 * i));
        return len;
    }
    case 4: /* cut the end */
        return at;
    case 5: /* take a part out */
        n = random_below(rng, len - at);
        memmove(b + at, b + at + n, len - at - n);
        return len - n;
    case 6: /* a part of some input in */
    default: {
        const input *from = &c->inputs[random_below(rng, c->n)];
        size_t begin = random_below(rng, from->len);
        n = random_below(rng, from->len - begin + 1);
        if (n > INPUT_BYTES_MAX - len)
            n = INPUT_BYTES_MAX - len;
        memmove(b + at + n, b + at, len - at);
        memcpy(b + at, from->bytes + begin, n);
        return len + n;
    }
    }
}

static size_t mutate(const corpus *c, uint64_t seed, uint64_t i_case, uint8_t *b)
{
    uint64_t rng = seed * 0xd1342543de82ef95u + i_case;
    random_next(&rng);
    const input *from = &c->inputs[random_below(&rng, c->n)];
    size_t len = from->len;
    memcpy(b, from->bytes, len);
    for (size_t n = 1 + random_below(&rng, CHANGES_MAX); n > 0; n--)
        len = mutate_once(&rng, c, b, len);
    return len;
}

/* In a block of its own size, so that a sanitizer sees a read beyond it. */
static void run_case(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (!exact)
        stop("out of memory", "a case");
    memcpy(exact, bytes, len);
    alarm(CASE_SECONDS_MAX);
    (void)tdm_fuzz_one(exact, len);
    alarm(0);
    free(exact);
}

static void run_all(const corpus *c, uint64_t n_mutations, uint64_t seed, volatile uint64_t *i_case)
{
    for (size_t i = 0; i < c->n; i++, ++*i_case)
        run_case(c->inputs[i].bytes, c->inputs[i].len);
    uint8_t *b = malloc(INPUT_BYTES_MAX);
    if (!b)
        stop("out of memory", "mutations");
    for (uint64_t i = 0; i < n_mutations; i++, ++*i_case)
        run_case(b, mutate(c, seed, i, b));
    free(b);
}

static int replay(const corpus *c, uint64_t n_mutations, uint64_t seed)
{
    volatile uint64_t *i_case = mmap(NULL, sizeof *i_case, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (i_case == MAP_FAILED)
        stop(strerror(errno), "shared memory");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        stop(strerror(errno), "fork");
    if (child == 0) {
        run_all(c, n_mutations, seed, i_case);
        exit(0); /* not _exit: the leak check runs at exit */
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            stop(strerror(errno), "waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("%zu files, %llu mutations: all refused or read\n", c->n, (unsigned long long)n_mutations);
        return 0;
    }
    const char *how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "a report at exit";
    if (*i_case < c->n)
        fprintf(stderr, "replay: %s: %s\n", c->inputs[*i_case].path, how);
    else
        fprintf(stderr, "replay: mutation %llu of seed %llu: %s; --dump %llu %llu writes it\n",
                (unsigned long long)(*i_case - c->n), (unsigned long long)seed, how,
                (unsigned long long)(*i_case - c->n), (unsigned long long)seed);
    return 1;
}

static int dump(const corpus *c, uint64_t i_case, uint64_t seed)
{
    uint8_t *b = malloc(INPUT_BYTES_MAX);
    if (!b)
        stop("out of memory", "a mutation");
    size_t len = mutate(c, seed, i_case, b);
    bool ok = fwrite(b, 1, len, stdout) == len && fflush(stdout) == 0;
    free(b);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static corpus c;
    uint64_t first = 0, seed = 1;
    bool dumps = argc > 3 && strcmp(argv[1], "--dump") == 0;
    int i = 1;
    if (dumps || (argc > 3 && strcmp(argv[1], "--mutate") == 0)) {
        first = strtoull(argv[2], NULL, 10);
        seed = strtoull(argv[3], NULL, 10);
        i = 4;
    }
    for (; i < argc; i++)
        corpus_add_tree(&c, argv[i]);
    if (c.n == 0)
        stop("give files or folders", "no corpus");
    qsort(c.inputs, c.n, sizeof c.inputs[0], compare_inputs);
    int rc = dumps ? dump(&c, first, seed) : replay(&c, first, seed);
    for (size_t k = 0; k < c.n; k++) {
        free(c.inputs[k].path);
        free(c.inputs[k].bytes);
    }
    return rc;
}
