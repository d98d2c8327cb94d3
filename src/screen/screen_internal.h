/* screen_internal.h - the automaton that pack.c fills and screen.c walks.
 *
 * Nodes are numbered breadth first, so a node's children are the range [first[v], first[v + 1]) in order of their
 * bytes: no pointer, no hash, 15 bytes a node. Node 0 is the empty beginning; its children have a table of their own,
 * because ordinary text is there most of the time.
 */
#ifndef TDM_SCREEN_SCREEN_INTERNAL_H
#define TDM_SCREEN_SCREEN_INTERNAL_H

#include "screen/screen.h"

#define TDM__NO_TERM UINT32_MAX

/* A term that others do not make superfluous, folded. */
typedef struct tdm__screen_term {
    char *text; /* after it, with a NUL, its id */
    uint32_t len;
    uint32_t order; /* in the packs */
} tdm__screen_term;

struct tdm__screen {
    tdm__screen_term *terms;
    size_t n_terms;
    size_t hold_max;
    uint32_t n_nodes;
    uint8_t *byte;   /* [n_nodes] by which it is reached */
    uint16_t *depth; /* [n_nodes] */
    uint32_t *first; /* [n_nodes + 1] */
    uint32_t *fail;  /* [n_nodes] the longest other suffix that is a beginning too */
    uint32_t *term;  /* [n_nodes] the longest term that ends here, or TDM__NO_TERM */
    uint32_t root[256];
};

static inline uint8_t tdm__screen_fold(char c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline const char *tdm__screen_term_id(const tdm__screen_term *t) { return t->text + t->len + 1; }

/* automaton.c: the node after byte c. */
uint32_t tdm__screen_step(const tdm__screen *s, uint32_t state, uint8_t c);

/* automaton.c: builds over s->terms, which are sorted and of which none begins with another. */
tdm_status tdm__screen_build(tdm__screen *s, tdm_error *err);

/* pack.c: reads the packs' terms into s, sorted, without what is superfluous. */
tdm_status tdm__screen_read_packs(tdm__screen *s, const tdm__str *packs, size_t n_packs, tdm_error *err);

#endif
