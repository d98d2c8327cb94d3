/* command.h - the table of subcommands, and what they share: options, exit codes, one-line errors.
 *
 * stdout carries only the answer, all else goes to stderr. Each command is one file cmd_NAME.c with one function.
 */
#ifndef TDM_CLI_COMMAND_H
#define TDM_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/prefix_store.h"
#include "model/kv.h"
#include "os/cpu.h"
#include "tandem/status.h"

#define TDM__MODEL_DEFAULT "qwen2.5-coder-0.5b" /* of a command that is given none */

typedef enum tdm__exit {
    TDM__EXIT_DONE = 0,
    TDM__EXIT_FAILED = 1,
    TDM__EXIT_USAGE = 2,
    TDM__EXIT_REFUSED = 3,   /* by policy */
    TDM__EXIT_INTEGRITY = 4, /* a checksum or a signature does not match */
} tdm__exit;

/* Where this user's files lie: --home DIR (TANDEM_HOME) or the XDG folders; packed weights in CACHE/packed
 * (TANDEM_PACKED). */
typedef struct tdm__home {
    char state[512];
    char cache[512];
    char config[512];
    char packed[4096];
    char prefix[1024]; /* what prompts begin with: CACHE/prefix */
} tdm__home;

typedef enum tdm__option_kind {
    TDM__OPTION_FLAG,  /* bool *    */
    TDM__OPTION_TEXT,  /* const char ** */
    TDM__OPTION_COUNT, /* size_t *  within min .. max */
    TDM__OPTION_U64,   /* uint64_t * */
    TDM__OPTION_REAL,  /* double *  within min .. max */
    TDM__OPTION_TEXTS, /* tdm__texts *: the one kind of which each that comes is kept */
} tdm__option_kind;

enum { TDM__TEXTS_MAX = 64 };

typedef struct tdm__texts {
    const char *items[TDM__TEXTS_MAX]; /* in the order of the call */
    size_t n;
} tdm__texts;

/* One row an option: the table is the parser and the help. out keeps what it held when the option does not come; the
 * last of several wins, but for TEXTS. Texts are borrowed from argv. */
typedef struct tdm__option {
    const char *name;  /* "--temp" or "-p" */
    const char *value; /* what the help calls the value, NULL for flags */
    const char *help;
    tdm__option_kind kind;
    void *out;
    double min, max; /* COUNT, REAL */
} tdm__option;

/* Options that every command takes. */
typedef struct tdm__common {
    tdm__home home;
    bool json, quiet;
    size_t n_threads; /* 0: all */
    tdm__isa isa_max; /* this machine's, or what --isa lowers it to */
    size_t n_ctx;     /* -c; 0: the default */
    size_t n_parallel; /* --parallel; 0: the command's default */
    tdm__prefix_scope prefix_scope; /* --prefix */
    uint64_t prefix_bytes_max;      /* 0: the default */
    tdm__kv_type kv_type; /* --kv */
} tdm__common;

/* How much is kept of what prompts begin with, in the home's folder for that: for an engine. Borrows from c. */
tdm__prefix_options tdm__common_prefix(const tdm__common *c);

/* "all", "public" or "off". */
bool tdm__prefix_scope_parse(const char *text, tdm__prefix_scope *out);

/* dir (may be NULL: TANDEM_HOME, then XDG) to the folders; makes none of them. */
tdm_status tdm__home_resolve(const char *dir, tdm__home *out, tdm_error *err);

/* Parses argv[1..] by the command's rows (terminated by name NULL) and the common ones; what is no option lands in
 * args (at most args_max, *n_args). On false the exit code is *code: --help printed, or a usage error was. */
bool tdm__options_parse(const char *command, const char *synopsis, const tdm__option *rows, int argc, char **argv,
                        tdm__common *common, const char **args, size_t args_max, size_t *n_args, int *code);

/* More threads than the process may use become as many as it may, and a line says so unless --quiet. Parsing does it;
 * whoever sets n_threads later does it again. log may be NULL: stderr. */
void tdm__options_limit_threads(tdm__common *common, const tdm__log *log);

/* Prints "tandem COMMAND: sentence" and gives the exit code that belongs to the status. */
int tdm__command_fail(const char *command, const tdm_error *err);

/* Prints the document on stdout and gives the reference back; NULL is a lack of memory. */
int tdm__command_print_json(const char *command, json_t *root);

/* Writes text that a model or a partner made. It cannot steer a terminal: control characters become '?' there. */
void tdm__command_put_text(FILE *out, const char *text, size_t len, bool is_terminal);

/* Prints one line about a wrong call and gives TDM__EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int tdm__command_usage(const char *command, const char *fmt, ...);

/* MODEL (path, catalogue name or unique prefix) to the path of a file that exists. */
tdm_status tdm__command_model_path(const tdm__common *common, const char *model, char *path, size_t path_cap,
                                   tdm_error *err);

/* Whom a command believes. */
typedef struct tdm__command_keys {
    struct tdm__keyring *keyring; /* NULL: no keyring was given and no policy is installed in this home */
    bool is_demo;
} tdm__command_keys;

/* The keyring in the file at path (keys.json), or with path NULL that of the installed policy. A policy that is there
 * and does not open is an error. Close it also after an error. */
tdm_status tdm__command_keys_open(const tdm__common *common, const char *path, tdm__command_keys *out, tdm_error *err);
void tdm__command_keys_close(tdm__command_keys *k);

/* The time in --at (RFC 3339), or the clock's with NULL. */
tdm_status tdm__command_time(const char *at, int64_t *unix_s, tdm_error *err);

int tdm__cmd_pull(int argc, char **argv);
int tdm__cmd_models(int argc, char **argv);
int tdm__cmd_info(int argc, char **argv);
int tdm__cmd_tokenize(int argc, char **argv);
int tdm__cmd_bench(int argc, char **argv);
int tdm__cmd_perplexity(int argc, char **argv);
int tdm__cmd_chat(int argc, char **argv);
int tdm__cmd_assistant(int argc, char **argv);
int tdm__cmd_consent(int argc, char **argv);
int tdm__cmd_serve(int argc, char **argv);
int tdm__cmd_app(int argc, char **argv);
int tdm__cmd_verb(int argc, char **argv); /* argv[0] is the verb's name */
int tdm__cmd_keygen(int argc, char **argv);
int tdm__cmd_desk(int argc, char **argv);
int tdm__cmd_device(int argc, char **argv);
int tdm__cmd_filing(int argc, char **argv);
int tdm__cmd_emulate(int argc, char **argv);
int tdm__cmd_policy(int argc, char **argv);
int tdm__cmd_route(int argc, char **argv);

#endif
