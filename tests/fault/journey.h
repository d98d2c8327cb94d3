/* journey.h - one life of the C library from open to close, which must end well whatever fails on the way.
 *
 * Every call of it either succeeds with what it always gives, or fails with a status and a sentence; the calls behind a
 * failed one are made all the same where that makes sense. What fails is the caller's business: an allocator, a shim.
 */
#ifndef TDM_FAULT_JOURNEY_H
#define TDM_FAULT_JOURNEY_H

#include <stdbool.h>
#include <stddef.h>

enum { JOURNEY_TEXT_MAX = 8192 };

typedef struct journey {
    const char *model, *state_dir; /* state_dir: a folder that the journey may make and leave behind */
    /* what came of it */
    size_t n_calls, n_failed;
    char failures[1024];           /* "call status; " of each */
    char first_failure[512];       /* call, status, sentence */
    char wrong[512];               /* "" or what must not be: an error without a sentence, blocks that are left */
    char answer[JOURNEY_TEXT_MAX]; /* all that was said, of calls that succeeded as a whole; else "" */
} journey;

void journey_run(journey *j);

#endif
