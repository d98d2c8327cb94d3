/* cmd_serve.c - tandem serve: the daemon, and the thread that brings its model.
 *
 * The address listens first; then a catalogue's model is fetched when it is not in the cache, and loaded. Progress is
 * in /healthz and, by sources, on stderr. Nothing goes to stdout. A name that no catalogue has is refused before
 * anything listens.
 */
#include "api/daemon.h"
#include "cli/command.h"
#include "cli/model_bring.h"

int tdm__cmd_serve(int argc, char **argv)
{
    tdm__common common = {0};
    tdm__bring bring = {.common = &common, .model = TDM__MODEL_DEFAULT, .n_queue = TDM__BRING_QUEUE};
    tdm__daemon_options o = tdm__daemon_options_default();
    const tdm__option rows[] = {
        {"-m", "MODEL", "a GGUF file, or a catalogue's name or its beginning (default qwen2.5-coder-0.5b)",
         TDM__OPTION_TEXT, &bring.model, 0, 0},
        {"--listen", "ADDR:PORT", "a loopback address (default 127.0.0.1:8420); port 0 takes a free one",
         TDM__OPTION_TEXT, &o.listen, 0, 0},
        {"--device", "FILE", "this device's record, installed once: where it was sold (none: self-hosted, market ZZ)",
         TDM__OPTION_TEXT, &o.record_path, 0, 0},
        {"--stage", "ORIGIN", "http://ADDRESS:PORT of the page that may frame this phone's (none)", TDM__OPTION_TEXT,
         &o.stage, 0, 0},
        {"--queue", "N", "requests that may wait for a slot (default 64)", TDM__OPTION_COUNT, &bring.n_queue, 0,
         TDM__BRING_QUEUE_MAX},
        {0},
    };
    size_t n_args = 0;
    int code = 0;
    if (!tdm__options_parse("serve", "[-m MODEL] [--device FILE] [--listen ADDR:PORT] [--parallel N] [--queue N]", rows,
                            argc, argv, &common, NULL, 0, &n_args, &code))
        return code;
    tdm_error err = {0};
    if (common.n_parallel > TDM__BRING_SLOTS_MAX)
        return tdm__command_usage("serve", "--parallel is %zu; at most %d answers run at once", common.n_parallel,
                                  TDM__BRING_SLOTS_MAX);
    tdm_status status = tdm__bring_choose(&bring, &err);
    if (status == TDM_OK) {
        o.model_asked = bring.name;
        o.state_dir = common.home.state;
        o.quiet = common.quiet;
        o.load = tdm__bring_load;
        o.load_user = &bring;
        status = tdm__daemon_run(&o, &err);
    }
    tdm__bring_fini(&bring);
    if (status == TDM_ERR_INVAL) /* of the address; what goes wrong in the model is told by /healthz */
        return tdm__command_usage("serve", "%s", err.msg);
    return status == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("serve", &err);
}
