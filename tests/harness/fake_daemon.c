/* fake_daemon.c - the daemon of src/api over the fake service, for tests that need no model.
 *
 * usage: fake_daemon ADDR:PORT [NAME=VALUE]...   slots, queue, word_ms, prompt_ms; state=DIR (else one of its own,
 *        removed at the end); config=FILE; any setting of the daemon by its key, such as drain_time=300ms;
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

static tdm_status load(void *user, tdm__service *s, const tdm__log *log, const atomic_bool *stop, tdm_error *err)
{
    (void)user;
    (void)log;
    while (load_gate && !atomic_load(stop) && access(load_gate, F_OK) != 0) {
        tdm__service_set_downloading(s, 38);
        const struct timespec step = {.tv_nsec = 10000000};
        nanosleep(&step, NULL);
    }
    return tdm__service_load(s, "fake.gguf", "fake-echo-1", NULL, err);
}

/* The setting of that key; NULL: there is none. */
static const char **flag_of(tdm__settings_flags *flags, tdm__str key)
{
    for (size_t i = 0; i < TDM__N_SETTINGS; i++)
        if (tdm__str_eq(key, tdm__str_from(tdm__settings_table[i].key)))
            return &flags->texts[i];
    return NULL;
}

/* One NAME=VALUE of the command line. */
static bool take(const char *arg, tdm__fake_options *fake, tdm__daemon_options *o)
{
    const char *eq = strchr(arg, '=');
    const tdm__str name = {arg, eq ? (size_t)(eq - arg) : 0};
    const int n = eq ? (int)strtol(eq + 1, NULL, 10) : 0;
    const char **flag = flag_of(&o->flags, name);
    if (tdm__str_eq(name, TDM_STR("slots")))
        fake->n_slots = (size_t)n;
    else if (tdm__str_eq(name, TDM_STR("queue")))
        fake->n_queue = (size_t)n;
    else if (tdm__str_eq(name, TDM_STR("word_ms")))
        fake->word_ms = n;
    else if (tdm__str_eq(name, TDM_STR("prompt_ms")))
        fake->prompt_ms = n;
    else if (tdm__str_eq(name, TDM_STR("load_gate")))
        load_gate = eq + 1;
    else if (tdm__str_eq(name, TDM_STR("state")))
        o->state_dir = eq + 1;
    else if (tdm__str_eq(name, TDM_STR("config")))
        o->config_path = eq + 1;
    else if (flag)
        *flag = eq + 1;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static tdm__settings settings;
    tdm__fake_options fake = {.n_slots = 2, .n_queue = 2, .word_ms = 5, .prompt_ms = 5};
    tdm__daemon_options o = {.settings = &settings, .model_asked = "fake-echo-1", .load = load};
    tdm_error err = {0};
    char state[TDM__TEMP_FOLDER_TEXT];
    tdm__temp_folder_make(state);
    o.state_dir = state;
    if (argc > 1)
        o.flags.texts[TDM__SET_LISTEN] = argv[1];
    for (int i = 2; i < argc; i++)
        if (!take(argv[i], &fake, &o))
            return 2;
    tdm__fake_service_set(&fake);
    tdm_status ended = tdm__settings_load(o.config_path, &o.flags, &settings, &err);
    if (ended == TDM_OK)
        ended = tdm__daemon_run(&o, &err);
    tdm__temp_folder_remove(state);
    if (ended < 0) {
        fprintf(stderr, "fake_daemon: %s\n", err.msg);
        return 1;
    }
    return 0;
}
