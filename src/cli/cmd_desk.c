/* cmd_desk.c - tandem desk: the demonstration's regulator's and maker's desks, and the stage. */
#include <stdio.h>

#include "cli/command.h"
#include "desk/desk.h"

int tdm__cmd_desk(int argc, char **argv)
{
    tdm__common common = {0};
    tdm__desk_options o = {.listen = "127.0.0.1:8400"};
    const tdm__option rows[] = {
        {"--authority", "DIR", "the demo authority: its keys, policies and cases (./dev run makes one)",
         TDM__OPTION_TEXT, &o.authority_dir, 0, 0},
        {"--listen", "ADDR:PORT", "a loopback address (default 127.0.0.1:8400); port 0 takes a free one",
         TDM__OPTION_TEXT, &o.listen, 0, 0},
        {0},
    };
    size_t n_args = 0;
    int code = 0;
    tdm_error err = {0};
    if (!tdm__options_parse("desk", "--authority DIR [--listen ADDR:PORT]", rows, argc, argv, &common, NULL, 0, &n_args,
                            &code))
        return code;
    if (!o.authority_dir)
        return tdm__command_usage("desk", "--authority DIR is missing: the folder of a demo authority");
    o.quiet = common.quiet;
    tdm_status s = tdm__desk_run(&o, &err);
    if (s == TDM_ERR_INVAL)
        return tdm__command_usage("desk", "%s", err.msg);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("desk", &err);
}
