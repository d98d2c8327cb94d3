/* compose.h - an answer that a feature puts together from several generations: the verbs.
 *
 * The spine is the same as for any request: decision, opened leaf, screen(in) over what the request is about. Then
 * compose runs on a thread of the request's own and may call what stands here, one after the other, until it returns;
 * TDM_OK ends the answer as ANSWERED. What the model wrote stays inside until it is released: only released text is
 * screened, told, and committed to by the closed leaf. So a feature may check and throw away what it will. The market's
 * visible line is not told as text: it is in DONE's label. Prompts that the feature adds are its own words, they need
 * no screen. A decision whose first step is a partner ends as NEEDS_CONSENT before compose is called.
 */
#ifndef TDM_REQUEST_COMPOSE_H
#define TDM_REQUEST_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "request/request.h"

enum { TDM__GENERATED_BYTES_MAX = 256 * 1024 };

typedef struct tdm__generation {
    json_t *messages;      /* [{role, content}]: the prompt; borrowed during the call */
    size_t n_public_turns; /* so many first messages hold no user's text (engine.h, n_public) */
    size_t n;              /* candidates, 1 .. TDM__CANDIDATES_MAX: side by side, seeds as in tdm__chat_request */
    size_t max_tokens;     /* 0: until the context is full */
    tdm__sampling sampling;
    tdm__str stops[TDM__STOPS_MAX]; /* borrowed during the call */
    size_t n_stops;
    tdm__str source; /* what the text will mostly repeat, spelt as it will be; empty: unknown. Borrowed */
    /* For showing an answer while it is written, on the engine's thread; must not block, may call
     * tdm__compose_release. False ends that candidate's generation. NULL: only the whole is wanted. */
    bool (*on_text)(void *user, size_t candidate, tdm__str piece);
    void *user;
} tdm__generation;

typedef struct tdm__generated {
    char *text;          /* NUL-terminated, the caller's to tdm__free */
    size_t len;
    tdm__finish finish;  /* STOP, LENGTH; CANCELLED for one that on_text ended */
} tdm__generated;

/* Waits for all candidates: out [n]. ERR_INVAL, ERR_LIMIT (the prompt does not fit), ERR_CANCELLED (the request was),
 * ERR_BUSY, ERR_NOMEM, and what the engine fails with; then out holds nothing. */
tdm_status tdm__compose_generate(tdm__request *r, const tdm__generation *g, tdm__generated *out, tdm_error *err);

/* Tells text of a candidate, after the screen. Text that a term may still begin in is held back until the next release
 * of that candidate or the end. ERR_REFUSED: a term is complete, or the rules have changed; nothing more is told and
 * compose should return this. ERR_CANCELLED. */
tdm_status tdm__compose_release(tdm__request *r, size_t candidate, tdm__str text, tdm_error *err);

/* How many tokens the loaded model reads text as, without template. */
tdm_status tdm__compose_count_tokens(tdm__request *r, tdm__str text, size_t *out, tdm_error *err);

/* Positions that prompt and answer have together. */
size_t tdm__compose_context(const tdm__request *r);

bool tdm__compose_is_cancelled(tdm__request *r);

#endif
