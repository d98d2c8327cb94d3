/* automaton.c - Aho and Corasick's machine in five arrays.
 *
 * The sorted terms are walked level by level: a node is a range of terms that share their first bytes, its children
 * are the sub-ranges. The state after any text is the longest suffix of it that begins a term, which is exactly what a
 * stream must hold back. (A. V. Aho, M. J. Corasick: Efficient string matching, CACM 18:6, 1975.)
 */
#include <string.h>

#include "base/error.h"
#include "os/heap.h"
#include "screen/screen_internal.h"

/* The child of v by c, or 0. Most nodes have one. */
static uint32_t child(const tdm__screen *s, uint32_t v, uint8_t c)
{
    if (v == 0)
        return s->root[c];
    uint32_t low = s->first[v], high = s->first[v + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->byte[middle] == c)
            return middle;
        if (s->byte[middle] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

uint32_t tdm__screen_step(const tdm__screen *s, uint32_t state, uint8_t c)
{
    for (;;) {
        uint32_t next = child(s, state, c);
        if (next != 0 || state == 0)
            return next;
        state = s->fail[state];
    }
}

/* Nodes of the sorted terms: each adds what it does not share with the one before. */
static size_t count_nodes(const tdm__screen *s)
{
    size_t n = 1;
    for (size_t i = 0; i < s->n_terms; i++) {
        size_t shared = 0;
        if (i > 0)
            while (s->terms[i].text[shared] == s->terms[i - 1].text[shared])
                shared++; /* ends: neither begins with the other */
        n += s->terms[i].len - shared;
    }
    return n;
}

/* Which terms pass through a node. */
typedef struct range {
    uint32_t begin, end;
} range;

static void put_node(tdm__screen *s, range *ranges, uint32_t v, uint32_t parent, uint8_t c, range r)
{
    ranges[v] = r;
    s->byte[v] = c;
    s->depth[v] = (uint16_t)(s->depth[parent] + 1);
    uint32_t f = s->fail[parent];
    s->fail[v] = parent == 0 ? 0 : tdm__screen_step(s, f, c);
    bool is_whole = s->terms[r.begin].len == s->depth[v];
    s->term[v] = is_whole ? r.begin : s->term[s->fail[v]];
}

/* Breadth first: when a node's children are made, all nodes of its depth have their fail, and all that are less deep
 * their children. */
static void fill(tdm__screen *s, range *ranges)
{
    ranges[0] = (range){0, (uint32_t)s->n_terms};
    s->term[0] = TDM__NO_TERM;
    uint32_t next = 1;
    for (uint32_t v = 0; v < s->n_nodes; v++) {
        s->first[v] = next;
        size_t depth = s->depth[v];
        uint32_t i = ranges[v].begin, end = ranges[v].end;
        if (i < end && s->terms[i].len == depth)
            end = i; /* a whole term: nothing goes on from here */
        while (i < end) {
            const uint8_t c = (uint8_t)s->terms[i].text[depth];
            uint32_t begin = i;
            while (i < end && (uint8_t)s->terms[i].text[depth] == c)
                i++;
            put_node(s, ranges, next, v, c, (range){begin, i});
            if (v == 0)
                s->root[c] = next;
            next++;
        }
        s->first[v + 1] = next;
    }
}

tdm_status tdm__screen_build(tdm__screen *s, tdm_error *err)
{
    const size_t n = count_nodes(s); /* bounded by the bytes of all terms, which pack.c has bounded */
    s->n_nodes = (uint32_t)n;
    s->byte = tdm__calloc(n, sizeof *s->byte);
    s->depth = tdm__calloc(n, sizeof *s->depth);
    s->first = tdm__calloc(n + 1, sizeof *s->first);
    s->fail = tdm__calloc(n, sizeof *s->fail);
    s->term = tdm__calloc(n, sizeof *s->term);
    range *ranges = tdm__calloc(n, sizeof *ranges);
    const bool has_memory = s->byte && s->depth && s->first && s->fail && s->term && ranges;
    if (has_memory)
        fill(s, ranges);
    tdm__free(ranges);
    if (!has_memory)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a screen of %zu nodes", n);
    return TDM_OK;
}
