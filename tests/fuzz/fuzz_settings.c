/* fuzz_settings.c - the daemon's configuration over arbitrary bytes: what is refused has one line that says so, what is
 * accepted is within the table's bounds and comes back the same when it is printed and read.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/settings.h"
#include "fuzz.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_bounds(const tdm__settings *s)
{
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        const tdm__setting_value *v = &s->values[i];
        const bool is_number = row->kind == TDM__SETTING_COUNT || row->kind == TDM__SETTING_TIME ||
                               row->kind == TDM__SETTING_SIZE;
        must(!is_number || (v->number >= row->min && v->number <= row->max));
        must(memchr(v->text, '\0', sizeof v->text) != NULL);
    }
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    static const tdm__settings_flags none;
    static tdm__settings first, second; /* 24 KiB each */
    tdm_error err = {0};
    const tdm_status s = tdm__settings_read(&(tdm__str){(const char *)data, len}, "fuzz.yaml", &none, &first, &err);
    if (s != TDM_OK) {
        must(err.code == s && err.msg[0] && !strchr(err.msg, '\n'));
        return 0;
    }
    check_bounds(&first);
    tdm__buf text;
    tdm__buf_init(&text, 256 * 1024);
    must(tdm__settings_put(&text, &first) == TDM_OK);
    must(tdm__settings_read(&(tdm__str){text.ptr, text.len}, "fuzz.yaml", &none, &second, &err) == TDM_OK);
    for (size_t i = 0; i < TDM__N_SETTINGS; i++)
        must(first.values[i].number == second.values[i].number &&
             strcmp(first.values[i].text, second.values[i].text) == 0);
    tdm__buf_fini(&text);
    return 0;
}
