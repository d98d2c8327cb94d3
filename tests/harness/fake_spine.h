/* fake_spine.h - request.h and device.h for tests of what stands on the spine: real decisions over rules that a test
 * makes, back ends that follow a script, and no thread: a request runs when the test says so.
 */
#ifndef TDM_TESTS_FAKE_SPINE_H
#define TDM_TESTS_FAKE_SPINE_H

#include "partner/partner.h"
#include "request/request.h"

enum { TDM__FAKE_WORDS_MAX = 40 };

typedef struct tdm__fake_script {
    /* this device's model: one token a word */
    const char *own_words[TDM__FAKE_WORDS_MAX];
    float own_logprob;
    int own_unsure_at; /* this token has logprob -9; -1: none */
    tdm_status own_error; /* instead of the end; 0: none */
    /* a partner: one piece a word */
    const char *partner_words[TDM__FAKE_WORDS_MAX];
    int partner_fails_at; /* before this piece; -1: never */
    tdm__partner_fault partner_fault;
    /* either */
    int stopped_at; /* the screen stops before this word; -1: never */
    bool stops_question;
    void (*before_word)(int i); /* may change anything */
    void (*before_start)(void); /* of the next request; called once */
} tdm__fake_script;

extern tdm__fake_script tdm__fake;

/* The device's rules from now on; each call is another generation. Borrowed. */
void tdm__fake_set_rules(const tdm__rules *rules);
void tdm__fake_set_usage(tdm__usage *u);

/* Runs what waits, and what that starts, until nothing waits; how many requests. */
size_t tdm__fake_run(void);

/* What has reached a partner. */
size_t tdm__fake_n_sent(void);
const json_t *tdm__fake_last_sent(void); /* the messages */

#endif
