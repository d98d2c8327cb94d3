/* fake_daemon.c - the daemon of src/api over the fake service, for tests that need no model.
 *
 * usage: fake_daemon ADDR:PORT [NAME=VALUE]...   slots, queue, word_ms, prompt_ms, drain_ms, timeout_ms;
 *        load_gate=PATH: the model is on its way, at 38%, until PATH exists. A test opens the gate when it has seen
 *        what it came for, so no test depends on how fast a machine starts a browser.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/daemon.h"
#include "fake_service.h"
#include "temp_folder.h"

static const char *load_gate; /* NULL: the model is there at once */

static tdm_status load(void *user, tdm__service *s, const atomic_bool *stop, tdm_error *err)
{
    (void)user;
    while (load_gate && !atomic_load(stop) && access(load_gate, F_OK) != 0) {
        tdm__service_set_downloading(s, 38);
        const struct timespec step = {.tv_nsec = 10000000};
        nanosleep(&step, NULL);
    }
    return tdm__service_load(s, "fake.gguf", "fake-echo-1", NULL, err);
}

int main(int argc, char **argv)
{
    tdm__fake_options fake = {.n_slots = 2, .n_queue = 2, .word_ms = 5, .prompt_ms = 5};
    tdm__daemon_options o = tdm__daemon_options_default();
    tdm_error err = {0};
    o.load = load;
    o.model_asked = "fake-echo-1";
    char state[TDM__TEMP_FOLDER_TEXT];
    tdm__temp_folder_make(state);
    o.state_dir = state;
    if (argc > 1)
        o.listen = argv[1];
    for (int i = 2; i < argc; i++) {
        const char *eq = strchr(argv[i], '=');
        const tdm__str name = {argv[i], eq ? (size_t)(eq - argv[i]) : 0};
        const int n = eq ? (int)strtol(eq + 1, NULL, 10) : 0;
        if (tdm__str_eq(name, TDM_STR("slots")))
            fake.n_slots = (size_t)n;
        else if (tdm__str_eq(name, TDM_STR("queue")))
            fake.n_queue = (size_t)n;
        else if (tdm__str_eq(name, TDM_STR("word_ms")))
            fake.word_ms = n;
        else if (tdm__str_eq(name, TDM_STR("prompt_ms")))
            fake.prompt_ms = n;
        else if (tdm__str_eq(name, TDM_STR("load_gate")))
            load_gate = eq + 1;
        else if (tdm__str_eq(name, TDM_STR("drain_ms")))
            o.drain_ms = n;
        else if (tdm__str_eq(name, TDM_STR("timeout_ms")))
            o.http.head_timeout_ms = o.http.body_timeout_ms = o.http.write_timeout_ms = n;
        else
            return 2;
    }
    tdm__fake_service_set(&fake);
    const tdm_status ended = tdm__daemon_run(&o, &err);
    tdm__temp_folder_remove(state);
    if (ended < 0) {
        fprintf(stderr, "fake_daemon: %s\n", err.msg);
        return 1;
    }
    return 0;
}
