/* packing.c - the plan, and a team that walks its panels. */
#include "model/packing.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/sha256_stream.h"
#include "model/packed_file.h"
#include "os/cpu.h"
#include "os/heap.h"
#include "os/team.h"

enum { PANELS_ALIGN = 64, ITEMS_MAX = 1 << 18 };

static tdm_status make_room(tdm__packing *p, tdm_error *err)
{
    if (p->n < p->cap)
        return TDM_OK;
    size_t cap = p->cap > 0 ? 2 * p->cap : 256;
    tdm__packing_item *items = cap <= ITEMS_MAX ? tdm__realloc(p->items, cap * sizeof *items) : NULL;
    if (!items)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a plan of %zu matrices", cap);
    p->items = items;
    p->cap = cap;
    return TDM_OK;
}

tdm_status tdm__packing_add(tdm__packing *p, const tdm__gguf_tensor *t, size_t n_rows, size_t n_cols, tdm__weight *w,
                            tdm_error *err)
{
    size_t panel_bytes = tdm__packed_panel_bytes(t->type, n_cols), bytes, end;
    if (!tdm__mul_size(tdm__panels_of(n_rows), panel_bytes, &bytes) ||
        !tdm__add_size(p->bytes, bytes, &end))
        TDM_FAIL(err, TDM_ERR_LIMIT, "tensor %.*s of %zu rows of %zu columns is too large", (int)t->name.len,
                 t->name.ptr, n_rows, n_cols);
    TDM_TRY(make_room(p, err));
    p->items[p->n++] = (tdm__packing_item){.tensor = t, .weight = w, .offset = p->bytes};
    *w = (tdm__weight){.type = t->type, .n_rows = n_rows, .n_cols = n_cols, .panel_bytes = panel_bytes};
    p->bytes = end;
    return TDM_OK;
}

typedef struct pack_run {
    const tdm__packing *p;
    const tdm__gguf *g;
    tdm__team *team;
    const tdm__packing_item *item; /* the matrix of the moment */
    uint8_t *out;                  /* its panels */
} pack_run;

static void pack_member(void *ctx, int i, int n)
{
    const pack_run *run = ctx;
    const tdm__gguf_tensor *t = run->item->tensor;
    const tdm__weight *w = run->item->weight;
    size_t begin, end, row_bytes = (size_t)(t->n_bytes / w->n_rows);
    tdm__team_range(tdm__panels_of(w->n_rows), i, n, &begin, &end);
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel * TDM__PANEL_ROWS;
        tdm__pack_panel(w->type, t->data + first * row_bytes, row_bytes,
                        tdm__min_size(TDM__PANEL_ROWS, w->n_rows - first), w->n_cols,
                        run->out + panel * w->panel_bytes);
    }
}

/* Matrix by matrix, giving back what was read, so that two copies are never in memory. */
static void pack_all(pack_run *run, uint8_t *panels, bool is_file)
{
    for (size_t k = 0; k < run->p->n; k++) {
        run->item = &run->p->items[k];
        run->out = panels + run->item->offset;
        tdm__team_run(run->team, pack_member, run);
        if (tdm__gguf_map(run->g))
            tdm__map_release(run->item->tensor->data, (size_t)run->item->tensor->n_bytes);
        if (is_file)
            tdm__map_release(run->out, tdm__packed_bytes(run->item->weight->type, run->item->weight->n_rows,
                                                         run->item->weight->n_cols));
    }
}

static void fill_file(void *user, uint8_t *panels) { pack_all(user, panels, true); }

static void set_panels(tdm__packing *p, const uint8_t *panels)
{
    for (size_t i = 0; i < p->n; i++)
        p->items[i].weight->panels = panels + p->items[i].offset;
}

/* Types, shapes and offsets, in order. */
static void digest_plan(const tdm__packing *p, uint8_t out[TDM__SHA256_BYTES])
{
    tdm__sha256_stream s;
    tdm__sha256_begin(&s);
    for (size_t i = 0; i < p->n; i++) {
        const tdm__weight *w = p->items[i].weight;
        const uint64_t fields[] = {(uint64_t)w->type, w->n_rows, w->n_cols, p->items[i].offset};
        tdm__sha256_push(&s, fields, sizeof fields);
    }
    tdm__sha256_get(&s, out);
}

static tdm_status open_file(tdm__packing *p, const char *dir, const tdm__packed_key *key, tdm_error *err)
{
    TDM_TRY(tdm__packed_file_open(dir, key, &p->map, err));
    set_panels(p, p->map.ptr + TDM__PACKED_HEAD_BYTES);
    return TDM_OK;
}

/* From dir, or into it. */
static tdm_status use_file(tdm__packing *p, pack_run *run, const char *dir, tdm_error *err)
{
    tdm__packed_key key = {.panel_bytes = p->bytes};
    const tdm__map *map = tdm__gguf_map(run->g);
    digest_plan(p, key.plan);
    const bool is_noted = tdm__packed_source_find(dir, map, key.source) == TDM_OK;
    if (!is_noted)
        tdm__packed_digest(map->ptr, map->len, key.source);
    memcpy(p->source, key.source, sizeof p->source);
    p->has_source = true;
    p->has_read_source = !is_noted;
    if (open_file(p, dir, &key, NULL) == TDM_OK)
        p->way = TDM__PACKING_FOUND;
    if (!is_noted)
        tdm__packed_source_note(dir, map, tdm__gguf_path(run->g), key.source);
    if (p->way != TDM__PACKING_FOUND) {
        tdm__packed_remove_stale(dir);
        TDM_TRY(tdm__packed_file_make(dir, &key, fill_file, run, err));
        TDM_TRY(open_file(p, dir, &key, err));
        p->way = TDM__PACKING_MADE;
    }
    return TDM_OK;
}

static tdm_status use_memory(tdm__packing *p, pack_run *run, tdm_error *err)
{
    p->memory = tdm__aligned_alloc(PANELS_ALIGN, p->bytes);
    if (!p->memory)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu bytes of packed weights", p->bytes);
    pack_all(run, p->memory, false);
    set_panels(p, p->memory);
    p->way = TDM__PACKING_IN_MEMORY;
    return TDM_OK;
}

tdm_status tdm__packing_run(tdm__packing *p, const tdm__gguf *g, const char *dir, tdm_error *err)
{
    tdm_error why = {0};
    pack_run run = {.p = p, .g = g, .team = tdm__team_create(tdm__cpu_count())};
    if (!run.team)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no threads to pack weights with");
    const bool wants_file = dir && *dir && tdm__gguf_map(g);
    tdm_status s = wants_file ? use_file(p, &run, dir, &why) : TDM_ERR_NOT_FOUND;
    if (s != TDM_OK) {
        snprintf(p->note, sizeof p->note, "%.255s", why.msg);
        s = use_memory(p, &run, err);
    }
    tdm__team_destroy(run.team);
    return s;
}

void tdm__packing_fini(tdm__packing *p)
{
    tdm__map_close(&p->map);
    tdm__free(p->items);
    tdm__free(p->memory);
    *p = (tdm__packing){0};
}
