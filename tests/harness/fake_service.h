/* fake_service.h - request.h without a model: answers with the words of the last message, at a pace that a test sets.
 *
 * For tests of what stands in front of the spine. Words steer it: a message that begins with "!limit" or "!broken"
 * fails before its first word, "!late" after two words, "!mute" stays silent until it is cancelled. "!changed" and
 * "!late changed" end as an answer does whose rules have changed meanwhile. Decisions are the device's own.
 */
#ifndef TDM_TESTS_FAKE_SERVICE_H
#define TDM_TESTS_FAKE_SERVICE_H

#include <stddef.h>

typedef struct tdm__fake_options {
    size_t n_slots;
    size_t n_queue;
    int word_ms;   /* between two words */
    int prompt_ms; /* before the first one */
} tdm__fake_options;

/* For all services of the process; before the first one is created. */
void tdm__fake_service_set(const tdm__fake_options *o);

#endif
