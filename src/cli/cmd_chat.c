/* cmd_chat.c - tandem chat: a question from the command line, or a conversation.
 *
 * Feature layer: the whole spine, through src/request, as the daemon does. stdout carries the answers and nothing
 * else; prompts, progress and times go to stderr. Ctrl-C ends the answer that is being written, and at the prompt, or
 * twice, the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/chat_turn.h"
#include "cli/command.h"
#include "cli/local_service.h"
#include "os/heap.h"
#include "os/random.h"

enum { LINE_BYTES_MAX = 1 << 20 };

static const char model_default[] = "qwen2.5-coder-0.5b";

/* A signal handler has no other way to tell anybody. */
static volatile sig_atomic_t n_interrupts;

typedef struct chat {
    tdm__common common;
    const char *model, *prompt, *system, *draft;
    double temperature;
    uint64_t seed;
    bool has_seed;
    size_t n_max;
    tdm__local_service local;
    json_t *messages;
} chat;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    n_interrupts++;
}

static tdm_status add_message(chat *c, const char *role, const char *text, size_t len, tdm_error *err)
{
    json_t *content = json_stringn(text, len);
    if (!content)
        TDM_FAIL(err, TDM_ERR_INVAL, "the %s's text is not UTF-8, or there is no memory for it", role);
    json_t *message = json_pack("{s:s, s:o}", "role", role, "content", content);
    if (!message || json_array_append_new(c->messages, message) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a message");
    return TDM_OK;
}

/* What Qwen's makers publish beside their weights (generation_config.json); at temperature 0 plain greedy. */
static tdm__sampling sampling_of(const chat *c)
{
    tdm__sampling s = tdm__sampling_default();
    if (c->temperature > 0) {
        s.temperature = (float)c->temperature;
        s.top_p = 0.8f;
        s.top_k = 20;
        s.repeat_penalty = 1.1f;
    }
    s.seed = c->seed;
    return s;
}

static const char *finish_name(tdm__finish f)
{
    static const char *const names[] = {"none", "stop", "length", "cancelled", "error"};
    return names[f];
}

static void print_times(const tdm__chat_turn *t)
{
    const tdm__job_timings *m = &t->timings;
    size_t n_read = m->n_prompt - m->n_prompt_reused;
    fprintf(stderr, "%zu tokens read (%zu known) in %.0f ms, %zu written in %.0f ms", n_read, m->n_prompt_reused,
            m->prompt_ms, m->n_generated, m->decode_ms);
    if (m->n_generated > 1 && m->decode_ms > 0)
        fprintf(stderr, " (%.1f/s)", (double)(m->n_generated - 1) * 1e3 / m->decode_ms);
    fprintf(stderr, ", %s\n", finish_name(t->finish));
}

static tdm_status print_json(const chat *c, const tdm__chat_turn *t, tdm_error *err)
{
    const tdm__job_timings *m = &t->timings;
    json_t *o = json_pack(
        "{s:s%, s:s, s:s, s:s, s:I, s:s, s:s, s:{s:I, s:I, s:I}, s:{s:I, s:f, s:I, s:f, s:f, s:I, s:I, s:I}}", "text",
        tdm__buf_cstr(&t->answer), t->answer.len, "finish", finish_name(t->finish), "decision", t->decision_id, "model",
        c->model, "seed", (json_int_t)c->seed, "screening", t->screening, "label", t->label, "usage", "prompt_tokens",
        (json_int_t)m->n_prompt, "completion_tokens", (json_int_t)m->n_generated, "total_tokens",
        (json_int_t)(m->n_prompt + m->n_generated), "timings", "prompt_tokens", (json_int_t)m->n_prompt, "prompt_ms",
        m->prompt_ms, "decode_tokens", (json_int_t)m->n_generated, "decode_ms", m->decode_ms, "queue_ms", m->queue_ms,
        "reused_tokens", (json_int_t)m->n_prompt_reused, "draft_tokens", (json_int_t)m->n_draft, "draft_accepted",
        (json_int_t)m->n_draft_accepted);
    int rc = o ? json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) : -1;
    json_decref(o);
    if (rc != 0 || putchar('\n') == EOF || fflush(stdout) != 0)
        TDM_FAIL(err, TDM_ERR_IO, "the answer could not be written");
    return TDM_OK;
}

/* One question of the conversation. What it was and what it got are kept, unless it failed. */
static tdm_status ask(chat *c, const char *text, size_t len, tdm__chat_turn *t, tdm_error *err)
{
    TDM_TRY(add_message(c, "user", text, len, err));
    tdm__chat_request q = {.messages = c->messages,
                           .max_tokens = c->n_max,
                           .sampling = sampling_of(c),
                           .no_draft = c->draft && strcmp(c->draft, "off") == 0,
                           .n_top_logprobs = -1};
    tdm_status s = tdm__chat_turn_run(t, c->local.service, &q, c->common.json ? NULL : stdout, &n_interrupts, err);
    if (s == TDM_OK && t->error.code != TDM_OK) {
        *err = t->error;
        s = t->error.code;
    }
    if (s != TDM_OK) {
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
        return s;
    }
    if (c->common.json)
        TDM_TRY(print_json(c, t, err));
    else
        putchar('\n');
    fflush(stdout);
    if (!c->common.quiet && !c->common.json)
        print_times(t);
    return add_message(c, "assistant", tdm__buf_cstr(&t->answer), t->answer.len, err);
}

static int answer_one(chat *c)
{
    tdm__chat_turn t;
    tdm_error err = {0};
    tdm__chat_turn_init(&t);
    tdm_status s = ask(c, c->prompt, strlen(c->prompt), &t, &err);
    bool was_interrupted = t.was_interrupted;
    tdm__chat_turn_fini(&t);
    if (s != TDM_OK)
        return tdm__command_fail("chat", &err);
    return was_interrupted ? TDM__EXIT_FAILED : TDM__EXIT_DONE;
}

static tdm_status start_over(chat *c, tdm_error *err)
{
    json_array_clear(c->messages);
    return c->system ? add_message(c, "system", c->system, strlen(c->system), err) : TDM_OK;
}

/* One line from stdin, without its end; false at the end of input, or when Ctrl-C came at the prompt. */
static bool read_line(bool is_terminal, char **line, size_t *cap, size_t *len)
{
    if (is_terminal)
        fputs("> ", stderr);
    ssize_t n = getline(line, cap, stdin);
    if (n < 0) {
        if (is_terminal)
            fputc('\n', stderr);
        return false;
    }
    while (n > 0 && ((*line)[n - 1] == '\n' || (*line)[n - 1] == '\r'))
        n--;
    (*line)[n] = '\0';
    *len = (size_t)n;
    return true;
}

static tdm_status take_line(chat *c, const char *line, size_t len, tdm_error *err)
{
    if (strcmp(line, "/new") == 0)
        return start_over(c, err);
    if (len > LINE_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a line of %zu bytes, the limit is %d", len, LINE_BYTES_MAX);
    if (len == 0)
        return TDM_OK;
    tdm__chat_turn t;
    tdm__chat_turn_init(&t);
    tdm_status s = ask(c, line, len, &t, err);
    tdm__chat_turn_fini(&t);
    return s;
}

static int converse(chat *c)
{
    bool is_terminal = isatty(STDIN_FILENO) == 1;
    char *line = NULL;
    size_t cap = 0, len;
    int code = TDM__EXIT_DONE;
    if (is_terminal && !c->common.quiet)
        fputs("/new begins anew, /exit leaves, Ctrl-C stops an answer\n", stderr);
    while (read_line(is_terminal, &line, &cap, &len)) {
        if (strcmp(line, "/exit") == 0)
            break;
        tdm_error err = {0};
        const sig_atomic_t before = n_interrupts;
        tdm_status s = take_line(c, line, len, &err);
        if (s != TDM_OK)
            code = tdm__command_fail("chat", &err);
        if (n_interrupts > before + 1 || ferror(stdout) || (s != TDM_OK && !is_terminal))
            break;
    }
    free(line);
    return code;
}

static tdm_status load(chat *c, tdm_error *err)
{
    if (!c->has_seed) {
        uint32_t random;
        int rc = tdm__random_fill(&random, sizeof random);
        if (rc != 0)
            return tdm__fail_os(err, rc, "cannot get random bytes for a seed");
        c->seed = random;
    }
    c->messages = json_array();
    if (!c->messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a conversation");
    TDM_TRY(start_over(c, err));
    return tdm__local_service_open(&c->common, c->model, "", 0, &c->local, err);
}

/* No SA_RESTART: Ctrl-C at the prompt ends the read there. */
static void watch_interrupts(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
}

int tdm__cmd_chat(int argc, char **argv)
{
    chat c = {.model = model_default, .temperature = 0.7, .seed = UINT64_MAX};
    const tdm__option rows[] = {
        {"-m", "MODEL", "the model that answers (qwen2.5-coder-0.5b)", TDM__OPTION_TEXT, &c.model, 0, 0},
        {"-p", "TEXT", "one question; without it a conversation is read from stdin", TDM__OPTION_TEXT, &c.prompt, 0, 0},
        {"--system", "TEXT", "what the model is told before", TDM__OPTION_TEXT, &c.system, 0, 0},
        {"--temp", "T", "temperature, 0 always takes the most probable token (0.7)", TDM__OPTION_REAL, &c.temperature,
         0, 2},
        {"--seed", "N", "the same seed gives the same answer (random)", TDM__OPTION_U64, &c.seed, 0, 0},
        {"-n", "MAX", "tokens of an answer at most (what the context holds)", TDM__OPTION_COUNT, &c.n_max, 1, 1 << 24},
        {"--draft", "HOW", "off, auto: the answer is the same (auto)", TDM__OPTION_TEXT, &c.draft, 0, 0},
        {0},
    };
    size_t n_args;
    int code;
    if (!tdm__options_parse("chat", "[-m MODEL] [-p TEXT] [--system TEXT] [--temp T] [--seed N] [-n MAX] [--draft HOW]",
                            rows, argc, argv, &c.common, NULL, 0, &n_args, &code))
        return code;
    if (c.draft && strcmp(c.draft, "off") != 0 && strcmp(c.draft, "auto") != 0)
        return tdm__command_usage("chat", "--draft is %s, allowed are off, auto", c.draft);
    c.has_seed = c.seed != UINT64_MAX;
    tdm_error err = {0};
    if (load(&c, &err) != TDM_OK) {
        code = tdm__command_fail("chat", &err);
    } else {
        watch_interrupts();
        code = c.prompt ? answer_one(&c) : converse(&c);
    }
    tdm__local_service_close(&c.local);
    json_decref(c.messages);
    return code;
}
