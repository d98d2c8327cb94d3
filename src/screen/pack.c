/* pack.c - the terms of signed packs: read strictly, folded, sorted, without what another term makes superfluous.
 *
 * A term that begins with another can never be the first to be found, so it is left out. Of two that are equal the
 * first pack's gives the id.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "screen/screen_internal.h"

enum { PACK_BYTES_MAX = 32 << 20, ID_BYTES_MAX = 64 };

static tdm_status take_term(tdm__screen *s, const json_t *entry, const char *what, size_t *n_bytes, tdm_error *err)
{
    static const char *const known[] = {"id", "term", NULL};
    const char *id, *term;
    TDM_TRY(tdm__json_check_keys(entry, what, known, err));
    TDM_TRY(tdm__json_get_str(entry, "id", what, &id, err));
    TDM_TRY(tdm__json_get_str(entry, "term", what, &term, err));
    const size_t len = strlen(term), id_len = strlen(id);
    if (id_len == 0 || id_len > ID_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: term %zu has an id of %zu bytes, 1 to %d are taken", what, s->n_terms + 1,
                 id_len, ID_BYTES_MAX);
    if (len == 0 || len > TDM__SCREEN_TERM_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the term %s has %zu bytes, 1 to %d are taken", what, id, len,
                 TDM__SCREEN_TERM_BYTES_MAX);
    *n_bytes += len;
    if (s->n_terms == TDM__SCREEN_TERMS_MAX || *n_bytes > TDM__SCREEN_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: more than %d terms or %d bytes of them in all packs", what,
                 TDM__SCREEN_TERMS_MAX, TDM__SCREEN_BYTES_MAX);
    char *text = tdm__malloc(len + 1 + id_len + 1);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a term of %s", what);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)tdm__screen_fold(term[i]);
    text[len] = '\0';
    memcpy(text + len + 1, id, id_len + 1);
    s->terms[s->n_terms] = (tdm__screen_term){text, (uint32_t)len, (uint32_t)s->n_terms};
    s->n_terms++;
    return TDM_OK;
}

static tdm_status take_pack(tdm__screen *s, const json_t *pack, size_t *n_bytes, tdm_error *err)
{
    static const char what[] = "screening pack";
    static const char *const known[] = {"_type", "name", "version", "demo", "about", "terms", NULL};
    const char *type, *name;
    int64_t version;
    const json_t *terms;
    TDM_TRY(tdm__json_check_keys(pack, what, known, err));
    TDM_TRY(tdm__json_get_str(pack, "_type", what, &type, err));
    if (strcmp(type, "pack") != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: _type is %.40s, pack is needed", what, type);
    TDM_TRY(tdm__json_get_str(pack, "name", what, &name, err));
    TDM_TRY(tdm__json_get_int(pack, "version", what, 1, INT64_MAX, &version, err));
    TDM_TRY(tdm__json_get_array(pack, "terms", what, TDM__SCREEN_TERMS_MAX, &terms, err));
    size_t n = s->n_terms + json_array_size(terms);
    tdm__screen_term *more = tdm__realloc(s->terms, (n > 0 ? n : 1) * sizeof *more);
    if (!more)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu terms", n);
    s->terms = more;
    size_t i;
    json_t *entry;
    json_array_foreach(terms, i, entry) TDM_TRY(take_term(s, entry, what, n_bytes, err));
    return TDM_OK;
}

static int by_text(const void *a, const void *b)
{
    const tdm__screen_term *x = a, *y = b;
    int order = memcmp(x->text, y->text, tdm__min_size(x->len, y->len));
    if (order != 0)
        return order;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* In sorted order all that begins with a term follows it at once. */
static void drop_superfluous(tdm__screen *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_terms; i++) {
        const tdm__screen_term *t = &s->terms[i], *kept = n > 0 ? &s->terms[n - 1] : NULL;
        if (kept && t->len >= kept->len && memcmp(t->text, kept->text, kept->len) == 0)
            tdm__free(t->text);
        else
            s->terms[n++] = *t;
    }
    s->n_terms = n;
}

tdm_status tdm__screen_read_packs(tdm__screen *s, const tdm__str *packs, size_t n_packs, tdm_error *err)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < n_packs; i++) {
        json_t *pack = NULL;
        tdm_status status = tdm__json_parse(packs[i], "screening pack", PACK_BYTES_MAX, &pack, err);
        if (status == TDM_OK)
            status = take_pack(s, pack, &n_bytes, err);
        json_decref(pack);
        if (status != TDM_OK)
            return status;
    }
    if (s->n_terms > 0)
        qsort(s->terms, s->n_terms, sizeof *s->terms, by_text);
    drop_superfluous(s);
    return TDM_OK;
}
