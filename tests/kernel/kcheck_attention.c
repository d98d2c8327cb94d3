/* kcheck_attention.c - the attention kernels against the reference, and the whole of tdm__attention against double
 * precision and against itself: other teams, rows one by one, sequences side by side. */
#include "kcheck.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "kernel/attention.h"

enum { SCRATCH_ALIGN = 64, HALF_NAN = 0x7e00 };

static const size_t head_dims[] = {2, 6, 16, 34, 64, 80, 96, 128, 256};
static const char *const type_names[TDM__KV_N_TYPES] = {[TDM__KV_F16] = "f16", [TDM__KV_Q8] = "q8"};
enum { N_HEAD_DIMS = sizeof head_dims / sizeof head_dims[0] };

static float *floats(kcheck *c, kcheck_fill kind, size_t n)
{
    float *p = kcheck_buffer(c, n * sizeof *p);
    kcheck_fill_floats(c, kind, p, n);
    return p;
}

/* NORMAL: halves in -1 .. 1. Others: any bits. */
static uint16_t *halves(kcheck *c, kcheck_fill kind, size_t n)
{
    uint16_t *p = kcheck_buffer(c, n * sizeof *p);
    kcheck_fill_bytes(c, p, n * sizeof *p);
    for (size_t i = 0; i < n && kind == KCHECK_NORMAL; i++)
        p[i] = tdm__f32_to_f16(kcheck_random_float(c));
    return p;
}

/* n values in runs; scales of NORMAL: in 0 .. 1 / 127. */
static tdm__kv_numbers numbers(kcheck *c, kcheck_fill kind, tdm__kv_type type, size_t n, size_t n_scales)
{
    if (type == TDM__KV_F16)
        return (tdm__kv_numbers){.at = halves(c, kind, n)};
    tdm__kv_numbers q8 = {.at = kcheck_buffer(c, n), .scales = halves(c, kind, n_scales)};
    kcheck_fill_bytes(c, q8.at, n);
    for (size_t i = 0; i < n_scales && kind == KCHECK_NORMAL; i++)
        q8.scales[i] = tdm__f32_to_f16(fabsf(kcheck_random_float(c)) / 127.0f);
    return q8;
}

static void check_store_f16(kcheck *c, kcheck_fill kind, size_t n, size_t stride)
{
    kcheck_begin(c, "store_f16 of %zu, stride %zu, fill %d", n, stride, kind);
    size_t bytes = ((n - 1) * stride + 1) * sizeof(uint16_t);
    float *x = floats(c, kind, n);
    uint16_t *expected = kcheck_buffer(c, bytes), *got = kcheck_buffer(c, bytes);
    kcheck_reference(c)->store_f16(x, expected, n, stride);
    kcheck_level(c)->store_f16(x, got, n, stride);
    kcheck_same_bytes(c, "out", expected, got, bytes);
    kcheck_end(c);
}

static void check_scores(kcheck *c, kcheck_fill kind, tdm__kv_type type, size_t head_dim, size_t n_tiles, size_t n_q)
{
    kcheck_begin(c, "scores in %s of %zu queries of %zu, %zu tiles, fill %d", type_names[type], n_q, head_dim, n_tiles,
                 kind);
    size_t n_pos = n_tiles * TDM__KV_TILE, q_stride = head_dim + 3, stride = n_pos + 5, n = (n_q - 1) * stride + n_pos;
    tdm__kv_numbers k = numbers(c, kind, type, n_pos * head_dim, n_pos * tdm__kv_runs(head_dim));
    float *q = floats(c, kind, (n_q - 1) * q_stride + head_dim);
    float *expected = kcheck_buffer(c, n * sizeof *q), *got = kcheck_buffer(c, n * sizeof *q);
    kcheck_reference(c)->scores[type](&k, n_tiles, head_dim, q, q_stride, n_q, 0.125f, expected, stride);
    kcheck_level(c)->scores[type](&k, n_tiles, head_dim, q, q_stride, n_q, 0.125f, got, stride);
    kcheck_same_floats(c, "scores", expected, got, n);
    kcheck_end(c);
}

static void check_mix(kcheck *c, kcheck_fill kind, tdm__kv_type type, size_t head_dim, size_t n_pos_max, size_t n_q)
{
    kcheck_begin(c, "mix in %s for %zu queries of %zu, %zu positions, fill %d", type_names[type], n_q, head_dim,
                 n_pos_max, kind);
    size_t p_stride = n_pos_max + 3, stride = head_dim + 1, n = (n_q - 1) * stride + head_dim;
    tdm__kv_numbers v = numbers(c, kind, type, n_pos_max * head_dim, n_pos_max * tdm__kv_runs(head_dim));
    float *p = floats(c, kind, (n_q - 1) * p_stride + n_pos_max);
    float *expected = kcheck_buffer(c, n * sizeof *p), *got = kcheck_buffer(c, n * sizeof *p);
    size_t *n_pos = kcheck_buffer(c, n_q * sizeof *n_pos);
    for (size_t i = 0; i < n_q; i++)
        n_pos[i] = i + 1 == n_q ? n_pos_max : 1 + kcheck_random(c) % n_pos_max;
    kcheck_reference(c)->mix[type](&v, head_dim, p, p_stride, n_pos, n_q, expected, stride);
    kcheck_level(c)->mix[type](&v, head_dim, p, p_stride, n_pos, n_q, got, stride);
    kcheck_same_floats(c, "out", expected, got, n);
    kcheck_end(c);
}

static void check_softmax(kcheck *c, kcheck_fill kind, size_t n)
{
    kcheck_begin(c, "softmax of %zu, fill %d", n, kind);
    float *expected = floats(c, kind, n);
    float *got = kcheck_buffer(c, n * sizeof *got), *x = kcheck_buffer(c, n * sizeof *x);
    for (size_t i = 0; i < n && kind == KCHECK_NORMAL; i++)
        expected[i] *= 30.0f;
    memcpy(got, expected, n * sizeof *got);
    memcpy(x, expected, n * sizeof *x);
    kcheck_reference(c)->softmax(expected, n);
    kcheck_level(c)->softmax(got, n);
    kcheck_same_floats(c, "x", expected, got, n);
    if (kind == KCHECK_NORMAL) {
        double max = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++)
            max = fmax(max, (double)x[i]);
        for (size_t i = 0; i < n; i++)
            sum += exp((double)x[i] - max);
        for (size_t i = 0; i < n; i++) {
            double meant = exp((double)x[i] - max) / sum;
            kcheck_that(c, fabs((double)got[i] - meant) <= 5e-6 * meant, "more than 5e-6 from double");
        }
    }
    kcheck_end(c);
}

static void check_kernels(kcheck *c, kcheck_fill kind)
{
    static const size_t lengths[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 128, 129, 300};
    static const size_t queries[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, 40};
    enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], N_QUERIES = sizeof queries / sizeof queries[0] };
    for (size_t i = 0; i < N_LENGTHS; i++) {
        check_store_f16(c, kind, lengths[i], 1);
        check_store_f16(c, kind, lengths[i], TDM__KV_TILE);
        check_softmax(c, kind, lengths[i]);
    }
    for (size_t d = 0; d < N_HEAD_DIMS; d++)
        for (size_t i = 0; i < N_QUERIES; i++)
            for (tdm__kv_type t = 0; t < TDM__KV_N_TYPES; t++) {
                check_scores(c, kind, t, head_dims[d], 1 + (i + d) % 4, queries[i]);
                check_mix(c, kind, t, head_dims[d], lengths[(i + 3 * d) % N_LENGTHS], queries[i]);
            }
}

/* A sequence in a test batch: rows at positions begin .. end - 1 of a cache that holds end positions, then NaN. */
typedef struct sequence {
    tdm__kv_layer kv;
    size_t begin, end;
} sequence;

typedef struct batch {
    tdm__attention_shape shape;
    sequence sequences[3];
    size_t n_rows;
    tdm__attention_row *rows;
    float *out; /* [n_rows][n_heads][head_dim] */
} batch;

/* All of them NaN. */
static tdm__kv_numbers nan_numbers(kcheck *c, const tdm__attention_shape *s, tdm__kv_type type, size_t capacity)
{
    size_t n = s->n_kv_heads * s->head_dim * capacity, n_runs = s->n_kv_heads * tdm__kv_runs(s->head_dim) * capacity;
    size_t n_halves = type == TDM__KV_F16 ? n : n_runs;
    uint16_t *nan = kcheck_buffer(c, n_halves * sizeof *nan);
    for (size_t i = 0; i < n_halves; i++)
        nan[i] = HALF_NAN;
    if (type == TDM__KV_F16)
        return (tdm__kv_numbers){.at = nan};
    return (tdm__kv_numbers){.at = kcheck_buffer(c, n), .scales = nan};
}

static void sequence_fill(kcheck *c, const tdm__attention_shape *s, tdm__kv_type type, sequence *seq, size_t begin,
                          size_t end)
{
    size_t n = s->n_kv_heads * s->head_dim, capacity = tdm__align_up(end + 1, TDM__KV_TILE);
    float *key = kcheck_buffer(c, n * sizeof *key), *value = kcheck_buffer(c, n * sizeof *value);
    *seq = (sequence){.kv = {.type = type, .capacity = capacity}, .begin = begin, .end = end};
    seq->kv.k = nan_numbers(c, s, type, capacity);
    seq->kv.v = nan_numbers(c, s, type, capacity);
    for (size_t pos = 0; pos < end; pos++) {
        kcheck_fill_floats(c, KCHECK_NORMAL, key, n);
        kcheck_fill_floats(c, KCHECK_NORMAL, value, n);
        tdm__kv_store(kcheck_level(c), s, &seq->kv, pos, key, value);
    }
}

static void batch_make(kcheck *c, batch *b, const tdm__attention_shape *s, tdm__kv_type type)
{
    static const struct {
        size_t begin, end;
    } spans[] = {{283, 300}, {16, 17}, {0, 1}};
    size_t width = s->n_heads * s->head_dim;
    *b = (batch){.shape = *s};
    for (size_t i = 0; i < 3; i++) {
        sequence_fill(c, s, type, &b->sequences[i], spans[i].begin, spans[i].end);
        b->n_rows += spans[i].end - spans[i].begin;
    }
    float *q = floats(c, KCHECK_NORMAL, b->n_rows * width);
    b->out = kcheck_buffer(c, b->n_rows * width * sizeof *b->out);
    b->rows = kcheck_buffer(c, b->n_rows * sizeof *b->rows);
    size_t r = 0;
    for (size_t i = 0; i < 3; i++)
        for (size_t pos = spans[i].begin; pos < spans[i].end; pos++, r++)
            b->rows[r] = (tdm__attention_row){
                .q = q + r * width, .out = b->out + r * width, .kv = &b->sequences[i].kv, .pos = pos};
}

static double number_at(const tdm__kv_layer *kv, const tdm__kv_numbers *n, size_t i, size_t scale)
{
    if (kv->type == TDM__KV_F16)
        return (double)tdm__f16_to_f32(((const uint16_t *)n->at)[i]);
    return (double)((const int8_t *)n->at)[i] * (double)tdm__f16_to_f32(n->scales[scale]);
}

/* Number d of a position, as attention.h lays it out. */
static double key_at(const tdm__attention_shape *s, const tdm__kv_layer *kv, size_t head, size_t pos, size_t d)
{
    size_t tile = (head * kv->capacity + pos) / 16, n_runs = (s->head_dim + 31) / 32;
    return number_at(kv, &kv->k, (tile * s->head_dim + d) * 16 + pos % 16, (tile * n_runs + d / 32) * 16 + pos % 16);
}

static double value_at(const tdm__attention_shape *s, const tdm__kv_layer *kv, size_t head, size_t pos, size_t d)
{
    size_t place = head * kv->capacity + pos, n_runs = (s->head_dim + 31) / 32;
    return number_at(kv, &kv->v, place * s->head_dim + d, place * n_runs + d / 32);
}

/* Half a step of q8 and the rounding of its scale, which below 2^-14 is absolute; or half a unit of f16. */
static double error_allowed(tdm__kv_type type, const float *head, size_t head_dim, size_t d)
{
    double max = 0;
    for (size_t i = d / 32 * 32; i < head_dim && i < d / 32 * 32 + 32; i++)
        max = fmax(max, fabs((double)head[i]));
    if (type == TDM__KV_F16)
        return fabs((double)head[d]) * 0x1p-11 + 0x1p-25;
    return max * (0.5 / 127 + 0x1p-11) + 127 * 0x1p-25;
}

static void same_numbers(kcheck *c, const tdm__attention_shape *s, size_t capacity, tdm__kv_type type,
                         const tdm__kv_numbers *expected, const tdm__kv_numbers *got)
{
    size_t n = s->n_kv_heads * capacity, bytes = type == TDM__KV_F16 ? sizeof(uint16_t) : 1;
    kcheck_same_bytes(c, "numbers", expected->at, got->at, n * s->head_dim * bytes);
    if (type != TDM__KV_F16)
        kcheck_same_bytes(c, "scales", expected->scales, got->scales, n * tdm__kv_runs(s->head_dim) * sizeof(uint16_t));
}

/* A position is written as the reference writes it, alone, and near to what it was. */
static void check_store(kcheck *c, const tdm__attention_shape *s, tdm__kv_type type)
{
    enum { N_POS = 35, CAPACITY = 48 };
    static const size_t order[] = {34, 0, 17, 16, 15};
    kcheck_begin(c, "store in %s, %zu heads of %zu", type_names[type], s->n_kv_heads, s->head_dim);
    size_t n = s->n_kv_heads * s->head_dim;
    tdm__kv_layer a = {.type = type, .capacity = CAPACITY}, b = a;
    a.k = nan_numbers(c, s, type, CAPACITY);
    a.v = nan_numbers(c, s, type, CAPACITY);
    b.k = nan_numbers(c, s, type, CAPACITY);
    b.v = nan_numbers(c, s, type, CAPACITY);
    float *x = kcheck_buffer(c, N_POS * n * sizeof *x), *y = kcheck_buffer(c, N_POS * n * sizeof *y);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        kcheck_fill_floats(c, i == 0 ? KCHECK_TINY : KCHECK_NORMAL, x + order[i] * n, n);
        kcheck_fill_floats(c, KCHECK_NORMAL, y + order[i] * n, n);
        tdm__kv_store(kcheck_level(c), s, &a, order[i], x + order[i] * n, y + order[i] * n);
    }
    for (size_t i = sizeof order / sizeof order[0]; i-- > 0;)
        tdm__kv_store(kcheck_reference(c), s, &b, order[i], x + order[i] * n, y + order[i] * n);
    same_numbers(c, s, CAPACITY, type, &b.k, &a.k);
    same_numbers(c, s, CAPACITY, type, &b.v, &a.v);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        for (size_t j = 0; j < n; j++) {
            size_t pos = order[i], at = pos * n + j, head = j / s->head_dim, d = j % s->head_dim, first = at - d;
            double k_error = fabs(key_at(s, &a, head, pos, d) - (double)x[at]);
            double v_error = fabs(value_at(s, &a, head, pos, d) - (double)y[at]);
            kcheck_that(c, k_error <= error_allowed(type, x + first, s->head_dim, d), "a key is not what was stored");
            kcheck_that(c, v_error <= error_allowed(type, y + first, s->head_dim, d), "a value is not what was stored");
        }
    kcheck_end(c);
}

static void attend(const tdm__kernels *k, tdm__team *team, const tdm__attention_shape *s,
                   const tdm__attention_row *rows, size_t n_rows)
{
    size_t n_ctx = 0;
    for (size_t r = 0; r < n_rows; r++)
        n_ctx = tdm__max_size(n_ctx, rows[r].pos + 1);
    size_t bytes = tdm__attention_scratch_bytes(s, n_ctx, tdm__team_size(team));
    void *scratch = aligned_alloc(SCRATCH_ALIGN, bytes);
    if (!scratch)
        abort();
    tdm__attention(k, team, s, rows, n_rows, scratch, bytes);
    free(scratch);
}

/* out [head_dim] of one query head, in double, straight from the formula. */
static void attend_in_double(const batch *b, const tdm__attention_row *row, size_t head, double *out)
{
    size_t dim = b->shape.head_dim, kv_head = head / (b->shape.n_heads / b->shape.n_kv_heads);
    double weights[512], sum = 0;
    for (size_t pos = 0; pos <= row->pos; pos++) {
        double score = 0;
        for (size_t d = 0; d < dim; d++)
            score += (double)row->q[head * dim + d] * key_at(&b->shape, row->kv, kv_head, pos, d);
        weights[pos] = exp(score * (double)b->shape.scale);
        sum += weights[pos];
    }
    for (size_t d = 0; d < dim; d++) {
        out[d] = 0;
        for (size_t pos = 0; pos <= row->pos; pos++)
            out[d] += weights[pos] / sum * value_at(&b->shape, row->kv, kv_head, pos, d);
    }
}

static void check_meaning(kcheck *c, const batch *b)
{
    double meant[256];
    size_t dim = b->shape.head_dim;
    for (size_t r = 0; r < b->n_rows; r++)
        for (size_t h = 0; h < b->shape.n_heads; h++) {
            attend_in_double(b, &b->rows[r], h, meant);
            for (size_t d = 0; d < dim; d++)
                kcheck_that(c, fabs((double)b->rows[r].out[h * dim + d] - meant[d]) <= 2e-6,
                            "more than 2e-6 from double");
        }
}

static void check_attention(kcheck *c, tdm__team *const *teams, size_t n_teams, tdm__attention_shape s,
                            tdm__kv_type type)
{
    batch b;
    kcheck_begin(c, "attention in %s, %zu heads on %zu of %zu", type_names[type], s.n_heads, s.n_kv_heads, s.head_dim);
    batch_make(c, &b, &s, type);
    size_t n = b.n_rows * s.n_heads * s.head_dim;
    float *expected = kcheck_buffer(c, n * sizeof *expected);

    attend(kcheck_reference(c), teams[0], &s, b.rows, b.n_rows);
    memcpy(expected, b.out, n * sizeof *expected);
    check_meaning(c, &b);
    for (size_t t = 0; t < n_teams; t++) {
        memset(b.out, 0, n * sizeof *b.out);
        attend(kcheck_level(c), teams[t], &s, b.rows, b.n_rows);
        kcheck_same_floats(c, "out of another team", expected, b.out, n);
    }
    for (size_t t = 0; t < n_teams; t++) {
        memset(b.out, 0, n * sizeof *b.out);
        for (size_t r = b.n_rows; r-- > 0;)
            attend(kcheck_level(c), teams[t], &s, b.rows + r, 1);
        kcheck_same_floats(c, "out of single rows", expected, b.out, n);
    }
    kcheck_end(c);
}

/* A context so long that the scores of a group exceed the scratch: its heads are cut, and a row stands alone. */
static void check_long_context(kcheck *c, tdm__team *const *teams)
{
    enum { END = 70001, N_ROWS = 2 };
    tdm__attention_shape s = {.n_heads = 8, .n_kv_heads = 1, .head_dim = 2, .scale = 1.0f};
    size_t width = s.n_heads * s.head_dim;
    sequence seq;
    kcheck_begin(c, "attention over %d positions", END);
    sequence_fill(c, &s, TDM__KV_F16, &seq, END - N_ROWS, END);
    float *q = floats(c, KCHECK_NORMAL, N_ROWS * width), *out = kcheck_buffer(c, N_ROWS * width * sizeof *out);
    float *expected = kcheck_buffer(c, N_ROWS * width * sizeof *out);
    tdm__attention_row rows[N_ROWS];
    for (size_t r = 0; r < N_ROWS; r++)
        rows[r] = (tdm__attention_row){
            .q = q + r * width, .out = out + r * width, .kv = &seq.kv, .pos = END - N_ROWS + r};
    attend(kcheck_level(c), teams[0], &s, rows, N_ROWS);
    memcpy(expected, out, N_ROWS * width * sizeof *out);
    memset(out, 0, N_ROWS * width * sizeof *out);
    attend(kcheck_level(c), teams[1], &s, rows, N_ROWS);
    kcheck_same_floats(c, "out of two threads", expected, out, N_ROWS * width);
    kcheck_that(c, isfinite(expected[0]), "out is not finite");
    kcheck_that(c, tdm__attention_scratch_bytes(&s, END, 1) < 2u << 20, "scratch of a member is above 2 MiB");
    kcheck_end(c);
}

static void check_driver(kcheck *c)
{
    static const tdm__attention_shape shapes[] = {
        {2, 2, 64, 0.125f}, {4, 2, 80, 0.11f},  {8, 2, 96, 0.1f}, {12, 2, 128, 0.09f}, {14, 2, 64, 0.125f},
        {3, 1, 256, 0.06f}, {9, 3, 64, 0.125f}, {6, 1, 2, 0.7f},  {4, 4, 34, 0.17f},
    };
    static const int sizes[] = {1, 2, 3, 7};
    enum { N_TEAMS = sizeof sizes / sizeof sizes[0] };
    tdm__team *teams[N_TEAMS];
    for (size_t t = 0; t < N_TEAMS; t++)
        if (!(teams[t] = tdm__team_create(sizes[t])))
            abort();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (tdm__kv_type t = 0; t < TDM__KV_N_TYPES; t++) {
            check_attention(c, teams, N_TEAMS, shapes[i], t);
            check_store(c, &shapes[i], t);
        }
    check_long_context(c, teams);
    for (size_t t = 0; t < N_TEAMS; t++)
        tdm__team_destroy(teams[t]);
}

/* One call of a kernel, to be timed. */
typedef struct call {
    const tdm__kernels *k;
    tdm__kv_type type;
    tdm__kv_numbers kv;
    float *q, *scores, *out;
    size_t n_q, n_pos, head_dim;
    const size_t *counts;
} call;

static void call_scores(void *ctx)
{
    call *a = ctx;
    a->k->scores[a->type](&a->kv, a->n_pos / TDM__KV_TILE, a->head_dim, a->q, a->head_dim, a->n_q, 0.125f, a->scores,
                 a->n_pos + 16);
}

static void call_softmax(void *ctx)
{
    call *a = ctx;
    a->k->softmax(a->scores, a->n_pos);
}

static void call_mix(void *ctx)
{
    call *a = ctx;
    a->k->mix[a->type](&a->kv, a->head_dim, a->scores, a->n_pos + 16, a->counts, a->n_q, a->out, a->head_dim);
}

static void call_store_keys(void *ctx)
{
    call *a = ctx;
    a->k->store_f16(a->q, a->kv.at, a->head_dim, TDM__KV_TILE);
}

static void time_kernels(kcheck *c, tdm__kv_type type, size_t n_q, size_t head_dim)
{
    enum { N_POS = 512 };
    char name[64];
    size_t *counts = kcheck_buffer(c, n_q * sizeof *counts);
    for (size_t i = 0; i < n_q; i++)
        counts[i] = N_POS;
    call a = {.k = kcheck_level(c), .type = type,
              .kv = numbers(c, KCHECK_NORMAL, type, N_POS * head_dim, N_POS * tdm__kv_runs(head_dim)),
              .q = floats(c, KCHECK_NORMAL, n_q * head_dim), .scores = floats(c, KCHECK_NORMAL, n_q * (N_POS + 16)),
              .out = floats(c, KCHECK_NORMAL, n_q * head_dim), .n_q = n_q, .n_pos = N_POS, .head_dim = head_dim,
              .counts = counts};
    double flops = 2.0 * N_POS * (double)(n_q * head_dim);
    snprintf(name, sizeof name, "scores in %s, %zu queries of %zu, 512 positions", type_names[type], n_q, head_dim);
    kcheck_time(c, name, flops, "flop", call_scores, &a);
    snprintf(name, sizeof name, "mix in %s, %zu queries of %zu, 512 positions", type_names[type], n_q, head_dim);
    kcheck_time(c, name, flops, "flop", call_mix, &a);
    if (n_q == 1 && type == TDM__KV_F16) {
        kcheck_time(c, "softmax, 512", N_POS, "value", call_softmax, &a);
        kcheck_time(c, "store_f16, a key", (double)head_dim, "value", call_store_keys, &a);
    }
}

/* tdm__attention for the newest n_rows of a context, to be timed. */
typedef struct attention_call {
    const tdm__kernels *k;
    tdm__team *team;
    tdm__attention_shape shape;
    tdm__attention_row *rows;
    size_t n_rows;
    void *scratch;
    size_t scratch_bytes;
} attention_call;

static void call_attention(void *ctx)
{
    attention_call *a = ctx;
    tdm__attention(a->k, a->team, &a->shape, a->rows, a->n_rows, a->scratch, a->scratch_bytes);
}

static void time_attention(kcheck *c, tdm__kv_type type, int n_threads, tdm__attention_shape s, size_t depth,
                           size_t n_rows)
{
    char name[64];
    sequence seq;
    size_t width = s.n_heads * s.head_dim, n_ctx = depth + n_rows;
    kcheck_begin(c, "timing attention");
    sequence_fill(c, &s, type, &seq, depth, n_ctx);
    attention_call a = {.k = kcheck_level(c), .team = tdm__team_create(n_threads), .shape = s, .n_rows = n_rows};
    a.scratch_bytes = tdm__attention_scratch_bytes(&s, n_ctx, n_threads);
    a.scratch = kcheck_buffer(c, a.scratch_bytes);
    a.rows = kcheck_buffer(c, n_rows * sizeof *a.rows);
    float *q = floats(c, KCHECK_NORMAL, n_rows * width), *out = kcheck_buffer(c, n_rows * width * sizeof *out);
    double flops = 0;
    for (size_t r = 0; r < n_rows; r++) {
        a.rows[r] = (tdm__attention_row){
            .q = q + r * width, .out = out + r * width, .kv = &seq.kv, .pos = depth + r};
        flops += 4.0 * (double)(width * (depth + r + 1));
    }
    snprintf(name, sizeof name, "attention %s %zu/%zu/%zu, %zu rows at %zu, %d thr.", type_names[type], s.n_heads,
             s.n_kv_heads, s.head_dim, n_rows, depth, n_threads);
    kcheck_time(c, name, flops, "flop", call_attention, &a);
    tdm__team_destroy(a.team);
    kcheck_end(c);
}

static void time_all(kcheck *c)
{
    static const tdm__attention_shape small = {14, 2, 64, 0.125f}, middle = {12, 2, 128, 0.0884f};
    static const size_t queries[] = {1, 7, 112};
    for (size_t i = 0; i < 6; i++) {
        kcheck_begin(c, "timing");
        time_kernels(c, (tdm__kv_type)(i % 2), queries[i / 2], 64);
        kcheck_end(c);
    }
    if (kcheck_level(c)->isa == TDM__ISA_SCALAR)
        return; /* seconds a line */
    for (int n_threads = 1, i = 0; i < 2; i++, n_threads = tdm__cpu_count())
        for (tdm__kv_type t = 0; t < TDM__KV_N_TYPES; t++) {
            time_attention(c, t, n_threads, small, 0, 512);
            time_attention(c, t, n_threads, middle, 0, 512);
            time_attention(c, t, n_threads, small, 4095, 1);
            time_attention(c, t, n_threads, middle, 4095, 1);
            time_attention(c, t, n_threads, small, 3584, 128);
            time_attention(c, t, n_threads, small, 32000, 8);
        }
}

void kcheck_attention(kcheck *c)
{
    if (kcheck_is_bench(c)) {
        time_all(c);
        return;
    }
    for (kcheck_fill kind = 0; kind < KCHECK_FILL_COUNT; kind++)
        check_kernels(c, kind);
    check_driver(c);
}
