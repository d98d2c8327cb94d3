/* cmd_app.c - tandem app: the keys by which a running tandem serve tells applications apart.
 *
 * A new key is printed once, on stdout, and lies in STATE/apps/NAME.key. A daemon that runs reads the folder when it is
 * told to: kill -HUP, or POST /v1/reload with the owner's key.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "api/app_keys.h"
#include "base/error.h"
#include "cli/command.h"

static const char synopsis[] = "add NAME | list | remove NAME [--json]";

static void hint(const tdm__common *common)
{
    if (!common->quiet)
        fprintf(stderr, "a daemon that runs sees it after kill -HUP, or POST /v1/reload\n");
}

static tdm_status add(const tdm__common *common, const char *name, tdm_error *err)
{
    char key[TDM__APP_KEY_TEXT];
    TDM_TRY(tdm__app_key_add(common->home.state, name, key, err));
    if (common->json)
        printf("{\"app\":\"%s\",\"key\":\"%s\"}\n", name, key);
    else
        printf("%s\n", key);
    OPENSSL_cleanse(key, sizeof key);
    hint(common);
    return TDM_OK;
}

static tdm_status list(const tdm__common *common, tdm_error *err)
{
    tdm__app_names names = {0};
    tdm__app_keys keys = {0};
    tdm_status s = tdm__app_keys_read(common->home.state, &names, &keys, err);
    if (s == TDM_ERR_NOT_FOUND) /* nobody has been added, and no daemon has run */
        s = TDM_OK;
    if (s == TDM_OK && common->json) {
        printf("{\"apps\":[");
        for (size_t i = 0; i < keys.n; i++)
            printf("%s\"%s\"", i > 0 ? "," : "", keys.items[i].name);
        printf("]}\n");
    } else if (s == TDM_OK) {
        for (size_t i = 0; i < keys.n; i++)
            printf("%s\n", keys.items[i].name);
    }
    tdm__app_keys_close(&keys);
    tdm__app_names_close(&names);
    return s;
}

static tdm_status remove_app(const tdm__common *common, const char *name, tdm_error *err)
{
    TDM_TRY(tdm__app_key_remove(common->home.state, name, err));
    hint(common);
    return TDM_OK;
}

int tdm__cmd_app(int argc, char **argv)
{
    const tdm__option rows[] = {{0}};
    tdm__common common;
    const char *args[2];
    size_t n_args;
    int code;
    tdm_error err = {0};
    if (!tdm__options_parse("app", synopsis, rows, argc, argv, &common, args, 2, &n_args, &code))
        return code;
    const char *verb = n_args > 0 ? args[0] : "";
    const bool is_list = strcmp(verb, "list") == 0, is_add = strcmp(verb, "add") == 0;
    if (!is_list && !is_add && strcmp(verb, "remove") != 0)
        return tdm__command_usage("app", "add NAME, list or remove NAME is needed");
    if (n_args != (is_list ? 1 : 2))
        return tdm__command_usage("app", "%s %s", verb, is_list ? "takes no name" : "needs one name");
    if (!is_list && !tdm__app_name_is_fine(args[1]))
        return tdm__command_usage("app", "'%.80s' is no name of an application: 1 to 64 of a-z, 0-9 and '-'", args[1]);
    const tdm_status s = is_list  ? list(&common, &err)
                         : is_add ? add(&common, args[1], &err)
                                  : remove_app(&common, args[1], &err);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("app", &err);
}
