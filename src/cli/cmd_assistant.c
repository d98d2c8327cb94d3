/* cmd_assistant.c - tandem assistant: this device's model first, a partner after consent.
 *
 * The same machine as POST /v1/assistant. The sheet of an offer goes to stderr: whom, under which filing, and the exact
 * bytes. Without -p the owner is asked there and then; with -p only --consent speaks for the owner, and without it
 * nothing is sent and the exit code is 3. Ctrl-C ends the answer, at the prompt, or twice, the program.
 */
#define _GNU_SOURCE
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/assistant_turn.h"
#include "cli/command.h"
#include "cli/local_service.h"
#include "cli/model_bring.h"
#include "os/heap.h"

enum { LINE_BYTES_MAX = 1 << 20 };

static const char synopsis[] =
    "[-m MODEL] [--device F] [-p TEXT] [--partner P] [--consent once|always|never] [--lang en|zh] [-n MAX]";

/* A signal handler has no other way to tell anybody. */
static volatile sig_atomic_t n_interrupts;

typedef struct talk {
    tdm__common common;
    const char *model, *record, *prompt, *partner, *consent, *language;
    size_t n_max;
    tdm__consent_answer answer; /* --consent */
    tdm__local_service local;
    tdm__assistant *assistant;
    json_t *messages;
    tdm__assistant_view view;
} talk;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    n_interrupts++;
}

static tdm_status add_message(talk *k, const char *role, const char *text, size_t len, tdm_error *err)
{
    json_t *content = json_stringn(text, len);
    if (!content)
        TDM_FAIL(err, TDM_ERR_INVAL, "the %s's text is not UTF-8, or there is no memory for it", role);
    json_t *message = json_pack("{s:s, s:o}", "role", role, "content", content);
    if (!message || json_array_append_new(k->messages, message) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a message");
    return TDM_OK;
}

static const char *get(const json_t *o, const char *key)
{
    const char *z = json_string_value(json_object_get(o, key));
    return z ? z : "";
}

static void print_offer(const talk *k, const json_t *offer)
{
    const json_t *partner = json_object_get(offer, "partner"), *filing = json_object_get(offer, "filing");
    const json_t *leaves = json_object_get(offer, "leaves"), *model = json_object_get(offer, "model");
    const size_t n_earlier = json_array_size(json_object_get(leaves, "earlier_turns"));
    fprintf(stderr, "\n  to       %s, %s, %s%s\n", get(json_object_get(partner, "name"), k->language),
            get(partner, "legal_entity"), get(partner, "region"),
            json_is_true(json_object_get(partner, "emulated")) ? " (EMULATED)" : "");
    fprintf(stderr, "  model    %s\n  filing   %s%s\n", get(model, "name"),
            json_is_object(filing) ? get(filing, "id") : "none is asked for in this market",
            json_is_true(json_object_get(filing, "hypothetical")) ? " (hypothetical)" : "");
    fprintf(stderr, "  leaves   %lld bytes, SHA-256 %s\n  %s\n",
            (long long)json_integer_value(json_object_get(leaves, "bytes")), get(leaves, "sha256"),
            get(leaves, "body"));
    fprintf(stderr, "  no identifier of you or this device; %zu earlier turns stay here\n\n", n_earlier);
}

/* One character's worth of an answer; anything that is no yes sends nothing. */
static tdm__consent_answer ask_owner(void)
{
    char *line = NULL;
    size_t cap = 0;
    fputs("send it? y: this once, a: always, n: no, never: not ever [n] ", stderr);
    ssize_t n = getline(&line, &cap, stdin);
    tdm__consent_answer answer = TDM__ANSWER_NONE;
    if (n > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        answer = strcmp(line, "y") == 0       ? TDM__ANSWER_ONCE
                 : strcmp(line, "a") == 0     ? TDM__ANSWER_ALWAYS
                 : strcmp(line, "never") == 0 ? TDM__ANSWER_NEVER
                                              : TDM__ANSWER_NONE;
    }
    free(line);
    return answer;
}

/* The owner's word about the offer in *t, and what follows from it. */
static tdm_status follow_offer(talk *k, tdm__assistant_turn *t, tdm_error *err)
{
    tdm__consent_answer answer = k->answer;
    if (!k->common.json)
        print_offer(k, t->offer);
    if (answer == TDM__ANSWER_NONE && !k->prompt)
        answer = ask_owner();
    if (answer == TDM__ANSWER_NONE)
        return TDM_OK;
    char id[64];
    snprintf(id, sizeof id, "%s", get(t->offer, "id"));
    tdm__assistant_turn_fini(t);
    const tdm__assistant_ask ask = {.offer_id = id, .consent = answer, .language = k->language};
    return tdm__assistant_turn_run(t, k->assistant, &ask, &k->view, err);
}

static int exit_of(const json_t *done)
{
    const char *state = get(done, "state");
    if (strcmp(state, "answered") == 0)
        return TDM__EXIT_DONE;
    return strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0 ? TDM__EXIT_FAILED : TDM__EXIT_REFUSED;
}

/* One question. It and its answer are kept for the next ones when there was an answer. */
static tdm_status ask_one(talk *k, const char *text, size_t len, int *code, tdm_error *err)
{
    tdm__assistant_turn t = {0};
    TDM_TRY(add_message(k, "user", text, len, err));
    const tdm__assistant_ask ask = {.messages = k->messages,
                                    .named_partner = k->partner,
                                    .language = k->language,
                                    .max_tokens = k->n_max};
    tdm_status s = tdm__assistant_turn_run(&t, k->assistant, &ask, &k->view, err);
    if (s == TDM_OK && t.offer && strcmp(get(t.done, "state"), "offered") == 0)
        s = follow_offer(k, &t, err);
    *code = s == TDM_OK ? exit_of(t.done) : TDM__EXIT_FAILED;
    if (s == TDM_OK && *code == TDM__EXIT_DONE)
        s = add_message(k, "assistant", tdm__buf_cstr(&t.answer), t.answer.len, err);
    else
        json_array_remove(k->messages, json_array_size(k->messages) - 1);
    tdm__assistant_turn_fini(&t);
    return s;
}

static int converse(talk *k)
{
    const bool is_terminal = isatty(STDIN_FILENO) == 1;
    char *line = NULL;
    size_t cap = 0;
    int code = TDM__EXIT_DONE;
    if (is_terminal && !k->common.quiet)
        fputs("/new begins anew, /exit leaves, Ctrl-C stops an answer\n", stderr);
    for (;;) {
        if (is_terminal)
            fputs("> ", stderr);
        const ssize_t n = getline(&line, &cap, stdin);
        if (n < 0)
            break;
        line[strcspn(line, "\r\n")] = '\0';
        const size_t len = strlen(line);
        tdm_error err = {0};
        const sig_atomic_t before = n_interrupts;
        if (strcmp(line, "/exit") == 0)
            break;
        if (strcmp(line, "/new") == 0) {
            json_array_clear(k->messages);
        } else if (len > LINE_BYTES_MAX) {
            code = tdm__command_usage("assistant", "a line of %zu bytes, the limit is %d", len, LINE_BYTES_MAX);
        } else if (len > 0 && ask_one(k, line, len, &code, &err) != TDM_OK) {
            code = tdm__command_fail("assistant", &err);
        }
        if (n_interrupts > before + 1 || ferror(stdout))
            break;
    }
    free(line);
    return code;
}

static tdm_status load(talk *k, tdm_error *err)
{
    k->messages = json_array();
    if (!k->messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a conversation");
    TDM_TRY(tdm__local_service_open(&k->common, k->model, k->record, 0, &k->local, err));
    return tdm__assistant_create(k->local.service, k->local.device, &k->assistant, err);
}

static int run(talk *k)
{
    tdm_error err = {0};
    if (load(k, &err) != TDM_OK)
        return tdm__command_fail("assistant", &err);
    struct sigaction sa = {.sa_handler = on_interrupt}; /* no SA_RESTART: Ctrl-C at the prompt ends the read there */
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    k->view = (tdm__assistant_view){.out = stdout,
                                    .notes = k->common.quiet ? NULL : stderr,
                                    .json = k->common.json,
                                    .is_terminal = isatty(STDOUT_FILENO) == 1,
                                    .interrupts = &n_interrupts};
    int code = TDM__EXIT_DONE;
    if (!k->prompt)
        return converse(k);
    if (ask_one(k, k->prompt, strlen(k->prompt), &code, &err) != TDM_OK)
        code = tdm__command_fail("assistant", &err);
    return code;
}

int tdm__cmd_assistant(int argc, char **argv)
{
    talk k = {.model = TDM__MODEL_DEFAULT, .record = "", .language = "en", .partner = ""};
    const tdm__option rows[] = {
        {"-m", "MODEL", "this device's model (" TDM__MODEL_DEFAULT ")", TDM__OPTION_TEXT, &k.model, 0, 0},
        {"--device", "F", "a device record to install", TDM__OPTION_TEXT, &k.record, 0, 0},
        {"-p", "TEXT", "one question; without it a conversation is read from stdin", TDM__OPTION_TEXT, &k.prompt, 0, 0},
        {"--partner", "P", "ask this partner", TDM__OPTION_TEXT, &k.partner, 0, 0},
        {"--consent", "ANSWER", "to an offer: once, always, never", TDM__OPTION_TEXT, &k.consent, 0, 0},
        {"--lang", "LANG", "of labels and sentences: en, zh (en)", TDM__OPTION_TEXT, &k.language, 0, 0},
        {"-n", "MAX", "tokens of an answer at most (1024)", TDM__OPTION_COUNT, &k.n_max, 1, 1 << 24},
        {0},
    };
    size_t n_args;
    int code;
    if (!tdm__options_parse("assistant", synopsis, rows, argc, argv, &k.common, NULL, 0, &n_args, &code))
        return code;
    static const char *const answers[] = {"", "once", "always", "never"};
    for (size_t i = 1; k.consent && i < sizeof answers / sizeof answers[0]; i++)
        if (strcmp(k.consent, answers[i]) == 0)
            k.answer = (tdm__consent_answer)i;
    if (k.consent && k.answer == TDM__ANSWER_NONE)
        return tdm__command_usage("assistant", "--consent is %s, once, always or never is needed", k.consent);
    if (strcmp(k.language, "en") != 0 && strcmp(k.language, "zh") != 0)
        return tdm__command_usage("assistant", "--lang is %s, en or zh is needed", k.language);
    code = run(&k);
    tdm__assistant_destroy(k.assistant);
    tdm__local_service_close(&k.local);
    json_decref(k.messages);
    return code;
}
