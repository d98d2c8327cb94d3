/* screen.c - one screen from packs, one text or one stream through it. */
#include "screen/screen.h"


#include "base/error.h"
#include "os/heap.h"
#include "screen/screen_internal.h"

tdm_status tdm__screen_create(const tdm__str *packs, size_t n_packs, tdm__screen **out, tdm_error *err)
{
    tdm__screen *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a screen");
    tdm_status status = tdm__screen_read_packs(s, packs, n_packs, err);
    if (status == TDM_OK)
        status = tdm__screen_build(s, err);
    if (status != TDM_OK) {
        tdm__screen_destroy(s);
        return status;
    }
    for (size_t i = 0; i < s->n_terms; i++)
        if (s->terms[i].len - 1 > s->hold_max)
            s->hold_max = s->terms[i].len - 1;
    *out = s;
    return TDM_OK;
}

void tdm__screen_destroy(tdm__screen *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_terms; i++)
        tdm__free(s->terms[i].text);
    tdm__free(s->terms);
    tdm__free(s->byte);
    tdm__free(s->depth);
    tdm__free(s->first);
    tdm__free(s->fail);
    tdm__free(s->term);
    tdm__free(s);
}

bool tdm__screen_is_empty(const tdm__screen *s) { return s->n_terms == 0; }

size_t tdm__screen_hold_max(const tdm__screen *s) { return s->hold_max; }

void tdm__screen_stream_init(tdm__screen_stream *t, const tdm__screen *s)
{
    *t = (tdm__screen_stream){.screen = s};
}

bool tdm__screen_push(tdm__screen_stream *t, tdm__str piece, tdm__screen_hit *hit)
{
    const tdm__screen *s = t->screen;
    uint32_t state = t->state;
    for (size_t i = 0; i < piece.len; i++) {
        state = tdm__screen_step(s, state, tdm__screen_fold(piece.ptr[i]));
        const uint32_t term = s->term[state];
        if (term != TDM__NO_TERM) {
            const size_t end = t->n_seen + i + 1;
            *hit = (tdm__screen_hit){tdm__screen_term_id(&s->terms[term]), end - s->terms[term].len, end};
            t->state = state;
            t->n_seen = end;
            return true;
        }
    }
    t->state = state;
    t->n_seen += piece.len;
    t->n_released = t->n_seen - s->depth[state];
    return false;
}

void tdm__screen_end(tdm__screen_stream *t) { t->n_released = t->n_seen; }

bool tdm__screen_find(const tdm__screen *s, tdm__str text, tdm__screen_hit *hit)
{
    tdm__screen_stream t;
    tdm__screen_stream_init(&t, s);
    return tdm__screen_push(&t, text, hit);
}
