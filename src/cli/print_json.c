/* print_json.c - the one way in which --json prints a document. */
#include <stdio.h>

#include "cli/command.h"

int tdm__command_print_json(const char *command, json_t *root)
{
    int code = TDM__EXIT_DONE;
    if (!root || json_dumpf(root, stdout, JSON_INDENT(2)) != 0 || printf("\n") < 0)
        code = tdm__command_fail(command, &(tdm_error){.code = TDM_ERR_NOMEM});
    json_decref(root);
    return code;
}
