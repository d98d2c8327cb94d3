/* bpe.c - the merge loop of both kinds of vocabulary; they differ in find_pair only.
 *
 * Short words, which nearly all are, look for the lowest rank by walking the list: no heap is as fast. A heap entry
 * is stale when the symbol's pair has another rank by now, which is all that has to be checked when it comes up.
 */
#include "text/bpe.h"


#include "os/heap.h"

enum { SHORT_WORD = 24, HEAP_CHILDREN = 4 };

static const uint32_t no_rank = UINT32_MAX;

void tdm__bpe_init(tdm__bpe *b, const tdm__vocabulary *v)
{
    *b = (tdm__bpe){.v = v};
}

void tdm__bpe_fini(tdm__bpe *b)
{
    tdm__free(b->symbols);
    tdm__free(b->heap);
    *b = (tdm__bpe){0};
}

tdm_status tdm__bpe_reserve(tdm__bpe *b, size_t n)
{
    if (n <= b->cap)
        return TDM_OK;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < n)
        cap *= 2;
    tdm__free(b->symbols);
    tdm__free(b->heap);
    b->cap = 0;
    b->symbols = tdm__malloc(cap * sizeof *b->symbols);
    b->heap = tdm__malloc(cap * 3 * sizeof *b->heap);
    if (!b->symbols || !b->heap)
        return TDM_ERR_NOMEM;
    b->cap = cap;
    return TDM_OK;
}

/* Sets rank and made of the pair that begins with symbol i. */
static void find_pair(tdm__bpe *b, tdm__str word, int32_t i)
{
    tdm__bpe_symbol *left = &b->symbols[i];
    left->rank = no_rank;
    if (left->next < 0)
        return;
    const tdm__bpe_symbol *right = &b->symbols[left->next];
    if (left->id < 0 || right->id < 0)
        return;
    if (b->v->form == TDM__VOCABULARY_BYTES) {
        const tdm__merge *m = tdm__vocabulary_merge(b->v, left->id, right->id);
        if (m) {
            left->rank = m->rank;
            left->made = m->made;
        }
        return;
    }
    left->made = tdm__vocabulary_find_plain(b->v, (tdm__str){word.ptr + left->begin, left->len + right->len});
    if (left->made >= 0)
        left->rank = b->v->ranks[left->made];
}

/* Joins symbol i with its next one. Returns the symbol before, whose pair has changed as well, or -1. */
static int32_t join(tdm__bpe *b, tdm__str word, int32_t i)
{
    tdm__bpe_symbol *left = &b->symbols[i], *right = &b->symbols[left->next];
    left->id = left->made;
    left->len += right->len;
    left->next = right->next;
    if (right->next >= 0)
        b->symbols[right->next].prev = i;
    right->rank = no_rank; /* it is in no list any more */
    find_pair(b, word, i);
    if (left->prev >= 0)
        find_pair(b, word, left->prev);
    return left->prev;
}

static void merge_short(tdm__bpe *b, tdm__str word)
{
    for (;;) {
        int32_t best = 0;
        for (int32_t i = b->symbols[0].next; i >= 0; i = b->symbols[i].next)
            if (b->symbols[i].rank < b->symbols[best].rank)
                best = i;
        if (b->symbols[best].rank == no_rank)
            return;
        join(b, word, best);
    }
}

static void heap_push(tdm__bpe *b, int32_t i)
{
    if (i < 0 || b->symbols[i].rank == no_rank)
        return;
    uint64_t entry = (uint64_t)b->symbols[i].rank << 32 | (uint32_t)i;
    size_t at = b->n_heap++;
    for (; at > 0 && b->heap[(at - 1) / HEAP_CHILDREN] > entry; at = (at - 1) / HEAP_CHILDREN)
        b->heap[at] = b->heap[(at - 1) / HEAP_CHILDREN];
    b->heap[at] = entry;
}

static uint64_t heap_pop(tdm__bpe *b)
{
    uint64_t top = b->heap[0], last = b->heap[--b->n_heap];
    size_t at = 0;
    for (size_t child = 1; child < b->n_heap; child = HEAP_CHILDREN * at + 1) {
        size_t least = child, end = child + HEAP_CHILDREN < b->n_heap ? child + HEAP_CHILDREN : b->n_heap;
        while (++child < end)
            least = b->heap[child] < b->heap[least] ? child : least;
        if (b->heap[least] >= last)
            break;
        b->heap[at] = b->heap[least];
        at = least;
    }
    b->heap[at] = last;
    return top;
}

static void merge_long(tdm__bpe *b, tdm__str word, size_t n)
{
    b->n_heap = 0;
    for (size_t i = 0; i < n; i++)
        heap_push(b, (int32_t)i);
    while (b->n_heap > 0) {
        uint64_t entry = heap_pop(b);
        int32_t i = (int32_t)(entry & UINT32_MAX);
        if (b->symbols[i].rank != entry >> 32)
            continue;
        int32_t before = join(b, word, i);
        heap_push(b, i);
        heap_push(b, before);
    }
}

void tdm__bpe_merge(tdm__bpe *b, tdm__str word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        b->symbols[i].prev = (int32_t)i - 1;
        b->symbols[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i < n; i++)
        find_pair(b, word, (int32_t)i);
    if (n <= SHORT_WORD)
        merge_short(b, word);
    else
        merge_long(b, word, n);
}
