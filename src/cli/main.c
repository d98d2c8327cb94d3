/* main.c - the tandem command: a table of subcommands.
 *
 * stdout carries only the answer. A reader that went away (a closed pipe) and a full disk are seen when it is
 * flushed at the end: an answer that did not arrive is exit code 1.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "os/map.h"
#include "base/nearest.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} command;

static const command commands[] = {
    {"pull", tdm__cmd_pull, "fetch the weights of a model"},
    {"models", tdm__cmd_models, "the models that can be fetched, and which are here"},
    {"info", tdm__cmd_info, "what a model file says about itself"},
    {"tokenize", tdm__cmd_tokenize, "text to token ids and back"},
    {"chat", tdm__cmd_chat, "ask a model, once or in a conversation"},
    {"assistant", tdm__cmd_assistant, "this device's model first, a partner after consent"},
    {"proofread", tdm__cmd_verb, "a text with its slips put right"},
    {"rewrite", tdm__cmd_verb, "a text in another tone, or as you say"},
    {"summarize", tdm__cmd_verb, "an article, a chat, a mail, notifications in short"},
    {"reply", tdm__cmd_verb, "answers that could be given to a message"},
    {"prioritise", tdm__cmd_verb, "messages by their urgency"},
    {"consent", tdm__cmd_consent, "which partners the owner has agreed to"},
    {"serve", tdm__cmd_serve, "the daemon: the API and the chat page"},
    {"app", tdm__cmd_app, "applications that tandem serve tells apart: a key each"},
    {"device", tdm__cmd_device, "device records: make one, look at one"},
    {"keygen", tdm__cmd_keygen, "a new pair of keys for signing"},
    {"policy", tdm__cmd_policy, "the signed repository: make, sign, verify, install, show"},
    {"filing", tdm__cmd_filing, "approval cases: file, review, decide, look"},
    {"route", tdm__cmd_route, "what would be decided and why; decisions replayed"},
    {"emulate", tdm__cmd_emulate, "partners' stand-ins on this machine, for who has no key"},
    {"desk", tdm__cmd_desk, "the demonstration's stage, regulator's desk and maker's desk"},
    {"bench", tdm__cmd_bench, "how fast a model reads and writes here"},
    {"perplexity", tdm__cmd_perplexity, "how surprised a model is by a text"},
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_commands(FILE *f)
{
    fprintf(f, "usage: tandem COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(f, "  %-12s %s\n", commands[i].name, commands[i].help);
    fprintf(f, "\ntandem COMMAND --help lists a command's options; tandem --version names this build.\n");
}

static int run_command(const char *name, int argc, char **argv)
{
    tdm__nearest near = {.wanted = name, .wanted_len = strlen(name)};
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc, argv);
        tdm__nearest_offer(&near, commands[i].name);
    }
    if (near.best)
        fprintf(stderr, "tandem: %s is no command, %s is the nearest (tandem --help lists them)\n", name, near.best);
    else
        fprintf(stderr, "tandem: %s is no command (tandem --help lists them)\n", name);
    return TDM__EXIT_USAGE;
}

/* A standard stream that the caller has closed must not become the first file that is opened: a model read as the
 * question, an answer written into the weights. Its number is taken by a stream that fails in the needed direction. */
static bool hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (!hold_standard_streams())
        return TDM__EXIT_FAILED; /* with nowhere to say so */
    tdm__map_guard_install(); /* a model file that is cut while it is read: zeros, and an error where it is used */
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of its connections to the file that it names */
    signal(SIGPIPE, SIG_IGN); /* a peer that leaves is an error of that write, not the end of the process */
    int code = TDM__EXIT_DONE;
    if (argc < 2) {
        print_commands(stderr);
        code = TDM__EXIT_USAGE;
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_commands(stdout);
    } else if (strcmp(argv[1], "--version") == 0) {
        printf("tandem %s\n", TANDEM_VERSION);
    } else {
        code = run_command(argv[1], argc - 1, argv + 1);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == TDM__EXIT_DONE) {
        fprintf(stderr, "tandem: the answer could not be written to standard output\n");
        code = TDM__EXIT_FAILED;
    }
    return code;
}
