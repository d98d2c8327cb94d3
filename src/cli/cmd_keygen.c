/* cmd_keygen.c - tandem keygen: a new Ed25519 pair as NAME.key (for its owner alone) and NAME.pub. The answer is the
 * key's id, by which signed documents name it (docs/formats/signing.md).
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/key.h"

/* Makes the folder that the files will lie in. */
static tdm_status make_folder(const char *path_base, tdm_error *err)
{
    const char *slash = strrchr(path_base, '/');
    if (!slash || slash == path_base)
        return TDM_OK;
    char *dir = tdm__strndup(path_base, (size_t)(slash - path_base));
    if (!dir)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a path");
    int rc = tdm__dir_make(dir, 0700);
    tdm_status s = rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the folder %.200s cannot be made", dir);
    tdm__free(dir);
    return s;
}

static int print_key(const tdm__public_key *k, const char *path_base, bool json)
{
    if (!json)
        return printf("%s\n", k->id) < 0 ? TDM__EXIT_FAILED : TDM__EXIT_DONE;
    json_t *o = json_pack("{s:s, s:s+, s:s+}", "keyid", k->id, "public", path_base, ".pub", "secret", path_base,
                          ".key");
    int code = TDM__EXIT_DONE;
    if (!o || json_dumpf(o, stdout, JSON_COMPACT) != 0 || printf("\n") < 0)
        code = tdm__command_fail("keygen", &(tdm_error){.code = TDM_ERR_NOMEM});
    json_decref(o);
    return code;
}

int tdm__cmd_keygen(int argc, char **argv)
{
    const char *out = NULL;
    const tdm__option rows[] = {
        {"--out", "DIR/NAME", "writes DIR/NAME.key and DIR/NAME.pub; replaces neither", TDM__OPTION_TEXT, &out, 0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("keygen", "--out DIR/NAME [--json]", rows, argc, argv, &common, args, 0, &n_args, &code))
        return code;
    if (!out || out[0] == '\0' || out[strlen(out) - 1] == '/')
        return tdm__command_usage("keygen", "--out DIR/NAME is needed");
    tdm__secret_key key;
    tdm_error err = {0};
    tdm_status s = tdm__key_generate(&key, &err);
    if (s == TDM_OK)
        s = make_folder(out, &err);
    if (s == TDM_OK)
        s = tdm__key_save(&key, out, &err);
    code = s == TDM_OK ? print_key(&key.public_key, out, common.json) : tdm__command_fail("keygen", &err);
    tdm__key_wipe(&key);
    return code;
}
