/* journey.c - runtime, model, session, answer, two verbs, assistant, close. */
#include "journey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tandem/session.h"
#include "tandem/tandem.h"

/* Notes how a call ended. True: it succeeded. */
static bool went_well(journey *j, const char *call, tdm_status s, const tdm_error *err)
{
    j->n_calls++;
    if (s >= 0)
        return true;
    const size_t n = strlen(j->failures);
    snprintf(j->failures + n, sizeof j->failures - n, "%s %s; ", call, tdm_status_name(s));
    if (j->n_failed++ == 0)
        snprintf(j->first_failure, sizeof j->first_failure, "%s: %s: %.380s", call, tdm_status_name(s), err->msg);
    if (j->wrong[0] == '\0' && (err->msg[0] == '\0' || err->code != s))
        snprintf(j->wrong, sizeof j->wrong, "%s gave %s and the error says %s, \"%.300s\"", call, tdm_status_name(s),
                 tdm_status_name(err->code), err->msg);
    return false;
}

static void say(journey *j, const char *text, size_t len)
{
    const size_t n = strlen(j->answer);
    if (len > JOURNEY_TEXT_MAX - 1 - n)
        len = JOURNEY_TEXT_MAX - 1 - n;
    memcpy(j->answer + n, text, len);
    j->answer[n + len] = '\0';
}

static void use_session(journey *j, tdm_model *m)
{
    int32_t ids[256], token;
    size_t n = 0;
    tdm_error err = {0};
    tdm_session *s = NULL;
    tdm_session_options o;
    tdm_session_options_default(&o, sizeof o);
    o.n_context = 64;
    o.n_threads = 2;
    bool ok = went_well(j, "tokenize", tdm_tokenize(m, "one two three", 0, false, ids, 256, &n, &err), &err) &&
              went_well(j, "session_create", tdm_session_create(m, &o, &s, &err), &err) &&
              went_well(j, "session_sync", tdm_session_sync(s, ids, n, &err), &err) &&
              went_well(j, "session_sample", tdm_session_sample(s, NULL, n, &token, &err), &err);
    if (ok) {
        char text[16];
        say(j, text, (size_t)snprintf(text, sizeof text, "%d\n", (int)token));
    }
    tdm_session_destroy(&s);
}

static void ask(journey *j, tdm_runtime *rt)
{
    const tdm_message messages[] = {{TDM_ROLE_SYSTEM, "Be brief.", 0}, {TDM_ROLE_USER, "hello", 0}};
    const char *stops[] = {"never said"};
    const size_t before = strlen(j->answer);
    tdm_error err = {0};
    tdm_gen *g = NULL;
    tdm_error refused = {.code = TDM_ERR_REFUSED};
    tdm_request r;
    const tdm_event *ev;
    tdm_status s;
    tdm_request_default(&r, sizeof r);
    r.messages = messages;
    r.n_messages = 2;
    r.max_tokens = 8;
    r.n_candidates = 2;
    r.stops = stops;
    r.n_stops = 1;
    if (!went_well(j, "gen_start", tdm_gen_start(rt, &r, &g, &err), &err))
        return;
    while ((s = tdm_gen_next(g, &ev, -1, &err)) == TDM_OK) {
        if (ev->kind == TDM_EVENT_TEXT && ev->candidate == 0)
            say(j, ev->text, ev->text_len);
        if (ev->kind == TDM_EVENT_DONE && ev->end != TDM_END_ANSWERED) /* a policy that cannot be read is off */
            snprintf(refused.msg, sizeof refused.msg, "%s", ev->reason_text);
    }
    if (s == TDM_END && refused.msg[0] != '\0') {
        err = refused;
        s = refused.code;
    }
    if (!went_well(j, "gen_next", s, &err))
        j->answer[before] = '\0';
    tdm_gen_destroy(&g);
}

/* A model of random weights may well fail the checks: what matters is that it says so. */
static void use_verb(journey *j, tdm_runtime *rt, tdm_verb verb)
{
    static const char text[] = "Teh meeting is at nine on Monday, and Anna brings the three keys. Please be there.";
    tdm_error err = {0};
    tdm_verb_ask a;
    tdm_verb_result *r = NULL;
    tdm_verb_ask_default(&a, sizeof a);
    a.verb = verb;
    a.text = text;
    if (went_well(j, "verb_once", tdm_verb_once(rt, &a, &r, &err), &err)) {
        const tdm_verb_event *done = tdm_verb_result_get(r);
        if (done->n_suggestions == 0)
            snprintf(j->wrong, sizeof j->wrong, "a verb answered nothing");
        else
            say(j, done->suggestions[0].text, done->suggestions[0].text_len);
    }
    tdm_verb_result_destroy(&r);
}

static void use_assistant(journey *j, tdm_runtime *rt)
{
    const tdm_message message = {TDM_ROLE_USER, "ask ChatGPT for a word", 0};
    const size_t before = strlen(j->answer);
    tdm_error err = {0};
    tdm_assistant *a = NULL;
    tdm_answer *w = NULL;
    tdm_assistant_ask q;
    const tdm_answer_event *ev;
    tdm_status s;
    bool answered = false;
    tdm_assistant_ask_default(&q, sizeof q);
    q.messages = &message;
    q.n_messages = 1;
    q.max_tokens = 8;
    if (went_well(j, "assistant_create", tdm_assistant_create(rt, &a, &err), &err) &&
        went_well(j, "assistant_start", tdm_assistant_start(a, &q, &w, &err), &err)) {
        while ((s = tdm_answer_next(w, &ev, -1, &err)) == TDM_OK) {
            if (ev->kind == TDM_ANSWER_EVENT_TEXT)
                say(j, ev->text, ev->text_len);
            if ((ev->kind == TDM_ANSWER_EVENT_ERROR || ev->kind == TDM_ANSWER_EVENT_DONE) && ev->text[0] != '\0')
                snprintf(err.msg, sizeof err.msg, "%s", ev->text);
            if (ev->kind == TDM_ANSWER_EVENT_OFFER)
                snprintf(j->wrong, sizeof j->wrong, "a partner is offered where none may be");
            if (ev->kind == TDM_ANSWER_EVENT_DONE)
                answered = strcmp(ev->state, "answered") == 0;
        }
        if (s == TDM_END && !answered) /* told as an event */
            err.code = s = TDM_ERR_UPSTREAM;
        if (!went_well(j, "answer_next", s, &err))
            j->answer[before] = '\0';
    }
    tdm_answer_destroy(&w);
    tdm_assistant_destroy(&a);
}

static void drop_line(void *user, tdm_log_level level, const char *text)
{
    journey *j = user;
    (void)level;
    if (text[0] == '\0')
        snprintf(j->wrong, sizeof j->wrong, "an empty line in the log");
}

static void use_runtime(journey *j, tdm_runtime *rt, tdm_model *m)
{
    tdm_error err = {0};
    tdm_availability a = {.struct_size = sizeof a};
    tdm_serve_options o;
    tdm_serve_options_default(&o, sizeof o);
    o.n_parallel = o.n_queue = 2;
    o.n_threads = 2;
    if (!went_well(j, "serve", tdm_runtime_serve(rt, m, &o, &err), &err))
        return;
    went_well(j, "availability", tdm_runtime_availability(rt, "chat", "zh", &a, &err), &err);
    ask(j, rt);
    use_verb(j, rt, TDM_VERB_REWRITE);
    use_verb(j, rt, TDM_VERB_PROOFREAD);
    use_assistant(j, rt);
    ask(j, rt); /* what failed before does not stay */
}

void journey_run(journey *j)
{
    tdm_error err = {0};
    tdm_runtime *rt = NULL;
    tdm_model *m = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    tdm_model_options_default(&mo, sizeof mo);
    tdm_runtime_options_default(&ro, sizeof ro);
    mo.path = j->model;
    ro.state_dir = j->state_dir;
    ro.log = drop_line;
    ro.log_user = j;
    if (went_well(j, "model_open", tdm_model_open(&mo, &m, &err), &err))
        use_session(j, m);
    if (went_well(j, "runtime_create", tdm_runtime_create(&ro, &rt, &err), &err) && m)
        use_runtime(j, rt, m);
    tdm_model_unref(&m);
    tdm_runtime_destroy(&rt);
    if (j->wrong[0] == '\0' && tdm_allocated_blocks() != 0)
        snprintf(j->wrong, sizeof j->wrong, "%zu blocks are left", tdm_allocated_blocks());
}
