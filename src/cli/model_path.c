/* model_path.c - what MODEL on a command line stands for.
 *
 * In this order: what contains a slash or ends in .gguf is a path; a catalogue name or the beginning of one is the file
 * that tandem pull has put into the cache; any other name is a file of the cache's (from a catalogue of the user's
 * own).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "cli/command.h"
#include "net/weights.h"

static bool is_path(const char *model)
{
    size_t n = strlen(model);
    return strchr(model, '/') || (n > 5 && strcmp(model + n - 5, ".gguf") == 0);
}

static tdm_status take_path(const char *model, char *path, size_t cap, tdm_error *err)
{
    struct stat st;
    if (stat(model, &st) != 0)
        return tdm__fail_os(err, errno, "the model file %.200s cannot be read", model);
    int n = snprintf(path, cap, "%s", model);
    if (n < 0 || (size_t)n >= cap)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path %.200s is longer than %zu bytes", model, cap - 1);
    return TDM_OK;
}

static tdm_status take_entry(const char *cache, const tdm__catalogue_entry *e, char *path, size_t cap, tdm_error *err)
{
    uint64_t bytes;
    TDM_TRY(tdm__weights_path(cache, e->name, path, cap, err));
    switch (tdm__weights_look(cache, e, &bytes)) {
    case TDM__WEIGHTS_PRESENT:
        return TDM_OK;
    case TDM__WEIGHTS_WRONG_SIZE:
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s has %llu bytes, %llu are right; tandem pull %s fetches it again", path,
                 (unsigned long long)bytes, (unsigned long long)e->bytes, e->name);
    case TDM__WEIGHTS_PARTIAL:
    case TDM__WEIGHTS_ABSENT:
        break;
    }
    TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the weights of %s are not here%s; tandem pull %s fetches them", e->name,
             bytes > 0 ? " as a whole yet" : "", e->name);
}

tdm_status tdm__command_model_path(const tdm__common *common, const char *model, char *path, size_t path_cap,
                                   tdm_error *err)
{
    if (model[0] == '\0')
        TDM_FAIL(err, TDM_ERR_INVAL, "MODEL is empty: a file, a catalogue name or the beginning of one is needed");
    if (is_path(model))
        return take_path(model, path, path_cap, err);
    tdm__catalogue *c = NULL;
    const tdm__catalogue_entry *e;
    struct stat st;
    TDM_TRY(tdm__catalogue_open(NULL, &c, err));
    tdm_status s = tdm__catalogue_find(c, model, &e, err);
    if (s == TDM_OK)
        s = take_entry(common->home.cache, e, path, path_cap, err);
    else if (s == TDM_ERR_NOT_FOUND && model[0] != '.' && strlen(model) <= TDM__CATALOGUE_NAME_MAX &&
             tdm__weights_path(common->home.cache, model, path, path_cap, NULL) == TDM_OK && stat(path, &st) == 0)
        s = TDM_OK;
    tdm__catalogue_close(c);
    return s;
}
