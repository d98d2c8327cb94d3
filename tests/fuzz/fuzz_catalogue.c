/* fuzz_catalogue.c - the catalogue reader over arbitrary bytes; what it accepts must be safe as names and URLs. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/catalogue.h"
#include "net/transfer.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_source(const tdm__catalogue_entry *e, const tdm__weights_source *s)
{
    if (s->kind == TDM__WEIGHTS_URL) {
        check(tdm__transfer_check_url(s->url, NULL) == TDM_OK);
        return;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_parts; i++) {
        check(s->parts[i].package[0] != '-' && !strchr(s->parts[i].package, '/') && s->parts[i].member[0] != '/');
        sum += s->parts[i].bytes;
    }
    check(s->kind == TDM__WEIGHTS_PARTS && sum == e->bytes && s->version[0] != '-');
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__catalogue *c = NULL;
    tdm_error err = {0};
    if (tdm__catalogue_parse((const char *)data, len, "fuzz.json", &c, &err) != TDM_OK) {
        check(!c && err.msg[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < tdm__catalogue_count(c); i++) {
        const tdm__catalogue_entry *e = tdm__catalogue_at(c, i), *found = NULL;
        check(!strchr(e->name, '/') && e->name[0] != '.' && e->name[0] != '-' && e->bytes > 0 &&
              strlen(e->sha256) == 64);
        check(tdm__catalogue_find(c, e->name, &found, NULL) == TDM_OK && found == e);
        for (size_t k = 0; k < e->n_sources; k++)
            check_source(e, &e->sources[k]);
    }
    tdm__catalogue_close(c);
    return 0;
}
