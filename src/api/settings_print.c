/* settings_print.c - settings as the file has them. A text is written as JSON writes it, which YAML reads alike. */
#include <inttypes.h>
#include <string.h>

#include "api/json_out.h"
#include "api/settings.h"
#include "base/error.h"

static tdm_status put_names(tdm__buf *out, const char *names)
{
    TDM_TRY(tdm__buf_append_z(out, "["));
    for (const char *p = names; *p;) {
        const size_t len = strcspn(p, " ");
        TDM_TRY(tdm__buf_append_z(out, p == names ? "" : ", "));
        TDM_TRY(tdm__json_put_string(out, (tdm__str){p, len}));
        p += len + (p[len] == ' ');
    }
    return tdm__buf_append_z(out, "]");
}

/* The largest unit that says it whole. */
static tdm_status put_time(tdm__buf *out, uint64_t ms)
{
    if (ms % 1000 != 0 || ms == 0)
        return tdm__buf_printf(out, "%" PRIu64 "ms", ms);
    if (ms % 60000 != 0)
        return tdm__buf_printf(out, "%" PRIu64 "s", ms / 1000);
    return tdm__buf_printf(out, "%" PRIu64 "min", ms / 60000);
}

static tdm_status put_size(tdm__buf *out, uint64_t bytes)
{
    if (bytes % 1024 != 0 || bytes == 0)
        return tdm__buf_printf(out, "%" PRIu64 "B", bytes);
    if (bytes % (1024 * 1024) != 0)
        return tdm__buf_printf(out, "%" PRIu64 "KiB", bytes / 1024);
    return tdm__buf_printf(out, "%" PRIu64 "MiB", bytes / (1024 * 1024));
}

tdm_status tdm__setting_put(tdm__buf *out, const tdm__setting *row, const tdm__setting_value *v)
{
    switch (row->kind) {
    case TDM__SETTING_TEXT: return tdm__json_put_string(out, tdm__str_from(v->text));
    case TDM__SETTING_CHOICE: return tdm__buf_append_z(out, v->text);
    case TDM__SETTING_NAMES: return put_names(out, v->text);
    case TDM__SETTING_TIME: return put_time(out, v->number);
    case TDM__SETTING_SIZE: return put_size(out, v->number);
    case TDM__SETTING_FLAG: return tdm__buf_append_z(out, v->number ? "true" : "false");
    case TDM__SETTING_COUNT: break;
    }
    return tdm__buf_printf(out, "%" PRIu64, v->number);
}

tdm_status tdm__settings_put(tdm__buf *out, const tdm__settings *s)
{
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        TDM_TRY(tdm__buf_printf(out, "# %s%s\n%s: ", row->help, row->is_reloadable ? " (a reload changes it)" : "",
                                row->key));
        TDM_TRY(tdm__setting_put(out, row, &s->values[i]));
        TDM_TRY(tdm__buf_append_z(out, "\n"));
    }
    return TDM_OK;
}
