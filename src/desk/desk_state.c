/* desk_state.c - what the stage shows of the authority: phones, markets, cases, stand-ins. */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "desk/authority.h"
#include "os/file.h"
#include "os/heap.h"

enum { FAULT_BYTES_MAX = 64 };

/* Calls fn for each name in DIR/folder that ends so, in order of names; a folder that is missing is empty. */
static void each_name(const tdm__authority *a, const char *folder, const char *ending,
                      void (*fn)(const tdm__authority *a, const char *name, json_t *into), json_t *into)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    struct dirent **names = NULL;
    tdm__authority_path(a, path, "%s", folder);
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const size_t len = strlen(names[i]->d_name), end = strlen(ending);
        if (len > end && strcmp(names[i]->d_name + len - end, ending) == 0) {
            names[i]->d_name[len - end] = '\0';
            if (tdm__authority_is_name(names[i]->d_name))
                fn(a, names[i]->d_name, into);
        }
        tdm__free(names[i]);
    }
    tdm__free(names);
}

static void put_phone(const tdm__authority *a, const char *name, json_t *into)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    json_t *phone = NULL;
    snprintf(path, sizeof path, "phones/%s.json", name);
    if (tdm__authority_read_json(a, path, &phone, NULL) == TDM_OK)
        json_array_append_new(into, phone);
}

static void put_emulator(const tdm__authority *a, const char *name, json_t *into)
{
    char path[TDM__AUTHORITY_PATH_MAX], *fault = NULL;
    size_t len = 0;
    json_t *emulator = NULL;
    snprintf(path, sizeof path, "emulators/%s.json", name);
    if (tdm__authority_read_json(a, path, &emulator, NULL) != TDM_OK)
        return;
    tdm__authority_path(a, path, "emulators/%s.fault", name);
    if (tdm__file_read(path, FAULT_BYTES_MAX, &fault, &len) != 0)
        len = 0;
    while (len > 0 && fault[len - 1] == '\n')
        len--;
    json_object_set_new(emulator, "fault", len > 0 ? json_stringn(fault, len) : json_string("none"));
    tdm__free(fault);
    json_array_append_new(into, emulator);
}

/* Of a back end what the maker's desk shows. */
static json_t *backend_json(const json_t *b)
{
    const json_t *canary = json_object_get(b, "canary");
    const double percent = canary ? json_number_value(canary) : 100;
    json_t *o = json_object();
    if (!o)
        return NULL;
    json_object_set(o, "partner", json_object_get(b, "backend"));
    json_object_set(o, "role", json_object_get(b, "role"));
    json_object_set(o, "model", json_object_get(b, "model"));
    if (json_object_get(b, "model_name"))
        json_object_set(o, "model_name", json_object_get(b, "model_name"));
    json_object_set_new(o, "killed", json_boolean(json_is_true(json_object_get(b, "kill"))));
    json_object_set_new(o, "canary_bp", json_integer((json_int_t)(percent * 100 + 0.5)));
    return o;
}

static json_t *features_json(const json_t *policy)
{
    json_t *all = json_object(), *feature;
    const char *name;
    json_object_foreach(json_object_get(policy, "features"), name, feature)
    {
        json_t *backends = json_array(), *b;
        size_t i;
        json_array_foreach(json_object_get(feature, "backends"), i, b)
            json_array_append_new(backends, backend_json(b));
        json_object_set_new(all, name,
                            json_pack("{s:o, s:b}", "backends", backends, "killed",
                                      json_is_true(json_object_get(feature, "kill"))));
    }
    return all;
}

static json_t *partners_json(const json_t *policy)
{
    json_t *all = json_array(), *p;
    const char *id;
    json_object_foreach(json_object_get(policy, "partners"), id, p)
    {
        json_array_append_new(all, json_pack("{s:s, s:O?, s:b}", "id", id, "name", json_object_get(p, "name"),
                                             "emulated", json_is_true(json_object_get(p, "emulated"))));
    }
    return all;
}

static void put_market(const tdm__authority *a, const char *market, json_t *into)
{
    json_t *policy = NULL;
    if (tdm__authority_read_policy(a, market, &policy, NULL) != TDM_OK)
        return;
    json_array_append_new(into, json_pack("{s:s, s:O?, s:O?, s:O?, s:o, s:o}", "id", market, "name",
                                          json_object_get(policy, "name"), "sold_in",
                                          json_object_get(policy, "sold_in"), "shape",
                                          json_object_get(policy, "shape"), "features", features_json(policy),
                                          "partners", partners_json(policy)));
    json_decref(policy);
}

static tdm_status put_cases(const tdm__authority *a, int64_t now_unix_s, json_t *into, tdm_error *err)
{
    char dir[TDM__AUTHORITY_PATH_MAX];
    tdm__case_folder folder;
    tdm__authority_path(a, dir, "cases");
    tdm_status s = tdm__case_folder_read(dir, a->keys, now_unix_s, &folder, err);
    for (size_t i = 0; i < folder.n; i++) {
        json_t *shown = tdm__filing_case_json(folder.cases[i], now_unix_s);
        json_array_append_new(into, shown);
    }
    tdm__case_folder_fini(&folder);
    return s;
}

/* The whole of a case as a phone takes it. */
static void put_case_file(const tdm__authority *a, const char *name, json_t *into)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    json_t *file = NULL;
    snprintf(path, sizeof path, "cases/%s.json", name);
    if (tdm__authority_read_json(a, path, &file, NULL) == TDM_OK)
        json_object_set_new(into, name, file);
}

json_t *tdm__authority_state(tdm__authority *a, int64_t now_unix_s, tdm_error *err)
{
    json_t *phones = json_array(), *markets = json_array(), *cases = json_array(), *emulators = json_array();
    json_t *files = json_object();
    each_name(a, "phones", ".json", put_phone, phones);
    each_name(a, "in/markets", "", put_market, markets);
    each_name(a, "emulators", ".json", put_emulator, emulators);
    each_name(a, "cases", ".json", put_case_file, files);
    tdm_error note = {0};
    if (put_cases(a, now_unix_s, cases, &note) != TDM_OK)
        fprintf(stderr, "a case is not believed: %s\n", note.msg);
    json_t *state = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:I}", "demo", 1, "phones", phones, "markets", markets,
                              "cases", cases, "case_files", files, "emulators", emulators, "bundle_version",
                              (json_int_t)a->version);
    if (!state)
        tdm__fail(err, TDM_ERR_NOMEM, "no memory for the desk's state");
    return state;
}
