/* cmd_models.c - tandem models: the catalogue, and what of it is on this disk.
 *
 * Looking costs a stat a model; --verify reads every byte and compares the sha256 (exit code 4 when one differs). The
 * JSON form is described in docs/formats/models.md.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "net/weights.h"

typedef struct row {
    const tdm__catalogue_entry *entry;
    uint64_t bytes; /* on disk */
    const char *state;
    char path[TDM__WEIGHTS_PATH_MAX];
    tdm_error why; /* of a mismatch */
} row;

static const char *presence_name(tdm__weights_presence p)
{
    switch (p) {
    case TDM__WEIGHTS_ABSENT:
        return "absent";
    case TDM__WEIGHTS_PARTIAL:
        return "partial";
    case TDM__WEIGHTS_WRONG_SIZE:
        return "wrong_size";
    case TDM__WEIGHTS_PRESENT:
        return "present";
    }
    return "absent";
}

/* Fills the row; ERR_INTEGRITY only with verify. */
static tdm_status look(const tdm__common *common, const tdm__catalogue_entry *e, bool verify, row *r)
{
    *r = (row){.entry = e};
    TDM_TRY(tdm__weights_path(common->home.cache, e->name, r->path, sizeof r->path, &r->why));
    tdm__weights_presence p = tdm__weights_look(common->home.cache, e, &r->bytes);
    r->state = presence_name(p);
    if (!verify || (p != TDM__WEIGHTS_PRESENT && p != TDM__WEIGHTS_WRONG_SIZE))
        return TDM_OK;
    tdm_status s = tdm__weights_verify(r->path, e, NULL, NULL, NULL, &r->why);
    if (s == TDM_OK)
        r->state = "verified";
    else if (s == TDM_ERR_INTEGRITY && p == TDM__WEIGHTS_PRESENT)
        r->state = "mismatch";
    return s;
}

static void print_row(const row *r)
{
    char state[48];
    if (r->entry->bytes > r->bytes && r->bytes > 0)
        snprintf(state, sizeof state, "%s (%d%%)", r->state, (int)((double)r->bytes * 100 / (double)r->entry->bytes));
    else
        snprintf(state, sizeof state, "%s", r->state);
    printf("%-40s %8.1f MB  %-14s %s\n", r->entry->name, (double)r->entry->bytes / 1e6, state, r->entry->licence);
}

static json_t *json_sources(const tdm__catalogue_entry *e)
{
    json_t *sources = json_array();
    for (size_t i = 0; sources && i < e->n_sources; i++) {
        const tdm__weights_source *s = &e->sources[i];
        bool is_url = s->kind == TDM__WEIGHTS_URL;
        json_t *one =
            json_pack("{s:s, s:s, s:b}", "title", s->title, "kind", is_url ? "url" : "parts", "tested", s->tested);
        if (one && is_url)
            json_object_set_new(one, "url", json_string(s->url));
        json_array_append_new(sources, one);
    }
    return sources;
}

static int add_json(json_t *models, const row *r)
{
    const tdm__catalogue_entry *e = r->entry;
    json_t *one =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:s, s:o}", "name", e->name, "family", e->family, "vendor",
                  e->vendor, "licence", e->licence, "bytes", (json_int_t)e->bytes, "sha256", e->sha256, "state",
                  r->state, "bytes_on_disk", (json_int_t)r->bytes, "path", r->path, "sources", json_sources(e));
    return json_array_append_new(models, one);
}

static int list(const tdm__common *common, const tdm__catalogue *c, bool verify)
{
    json_t *models = common->json ? json_array() : NULL;
    int code = TDM__EXIT_DONE, failed = 0;
    for (size_t i = 0; i < tdm__catalogue_count(c); i++) {
        row r;
        if (look(common, tdm__catalogue_at(c, i), verify, &r) != TDM_OK) {
            int one = tdm__command_fail("models", &r.why);
            code = one > code ? one : code;
        }
        if (common->json)
            failed |= add_json(models, &r);
        else
            print_row(&r);
    }
    if (!common->json)
        return code;
    json_t *root = json_pack("{s:o}", "models", models);
    if (failed || !root || json_dumpf(root, stdout, JSON_INDENT(2)) != 0 || printf("\n") < 0)
        code = tdm__command_fail("models", &(tdm_error){.code = TDM_ERR_NOMEM});
    json_decref(root);
    return code;
}

int tdm__cmd_models(int argc, char **argv)
{
    const char *catalogue_path = NULL;
    bool verify = false;
    const tdm__option rows[] = {
        {"--verify", NULL, "read every file and compare its sha256", TDM__OPTION_FLAG, &verify, 0, 0},
        {"--catalogue", "FILE", "a catalogue of your own (docs/formats/models.md)", TDM__OPTION_TEXT, &catalogue_path,
         0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("models", "[--verify] [--json]", rows, argc, argv, &common, args, 0, &n_args, &code))
        return code;
    tdm__catalogue *c = NULL;
    tdm_error err = {0};
    if (tdm__catalogue_open(catalogue_path, &c, &err) != TDM_OK)
        return tdm__command_fail("models", &err);
    code = list(&common, c, verify);
    tdm__catalogue_close(c);
    return code;
}
