/* home.c - where a user's files lie: --home or TANDEM_HOME has all three folders, else the XDG base directories. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"

static tdm_status join(char *out, size_t cap, const char *base, const char *tail, tdm_error *err)
{
    int n = snprintf(out, cap, "%s%s", base, tail);
    if (n < 0 || (size_t)n >= cap)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the folder %.200s%s is too long, %zu bytes are the most", base, tail, cap - 1);
    return TDM_OK;
}

/* One XDG folder. The specification wants relative values ignored. */
static tdm_status xdg(char *out, size_t cap, const char *variable, const char *fallback, tdm_error *err)
{
    const char *base = getenv(variable);
    if (base && base[0] == '/')
        return join(out, cap, base, "/tandem", err);
    base = getenv("HOME");
    if (!base || base[0] != '/')
        TDM_FAIL(err, TDM_ERR_INVAL, "there is no home folder: neither --home, TANDEM_HOME, %s nor HOME names one",
                 variable);
    return join(out, cap, base, fallback, err);
}

static tdm_status resolve(const char *dir, tdm__home *out, tdm_error *err)
{
    if (dir && dir[0] == '\0')
        TDM_FAIL(err, TDM_ERR_INVAL, "--home is empty, a folder is needed");
    if (!dir)
        dir = getenv("TANDEM_HOME");
    if (dir && dir[0] != '\0') {
        TDM_TRY(join(out->state, sizeof out->state, dir, "/state", err));
        TDM_TRY(join(out->cache, sizeof out->cache, dir, "/cache", err));
        return join(out->config, sizeof out->config, dir, "/config", err);
    }
    TDM_TRY(xdg(out->state, sizeof out->state, "XDG_STATE_HOME", "/.local/state/tandem", err));
    TDM_TRY(xdg(out->cache, sizeof out->cache, "XDG_CACHE_HOME", "/.cache/tandem", err));
    return xdg(out->config, sizeof out->config, "XDG_CONFIG_HOME", "/.config/tandem", err);
}

tdm_status tdm__home_resolve(const char *dir, tdm__home *out, tdm_error *err)
{
    const char *packed = getenv("TANDEM_PACKED");
    TDM_TRY(resolve(dir, out, err));
    TDM_TRY(join(out->prefix, sizeof out->prefix, out->cache, "/prefix", err));
    if (!packed || packed[0] == '\0')
        return join(out->packed, sizeof out->packed, out->cache, "/packed", err);
    /* what is cut is still too long for packed_file.h, which tells so */
    snprintf(out->packed, sizeof out->packed, "%s", packed);
    return TDM_OK;
}

tdm__prefix_options tdm__common_prefix(const tdm__common *c)
{
    return (tdm__prefix_options){.dir = c->home.prefix, .scope = c->prefix_scope, .bytes_max = c->prefix_bytes_max};
}

bool tdm__prefix_scope_parse(const char *text, tdm__prefix_scope *out)
{
    static const char *const names[] = {
        [TDM__PREFIX_ALL] = "all", [TDM__PREFIX_PUBLIC] = "public", [TDM__PREFIX_OFF] = "off"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (tdm__prefix_scope)i;
            return true;
        }
    return false;
}
