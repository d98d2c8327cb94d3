/* verb_names.c - the names of verbs, styles, kinds and sources: one table each, the same for HTTP, the command and C.
 */
#include "feature/verb.h"

typedef struct name_table {
    const char *const *names; /* [n], NULL at 0: no such thing has a name */
    size_t n;
} name_table;

#define TABLE(array) ((name_table){(array), sizeof(array) / sizeof *(array)})

static const char *const verbs[] = {NULL, "proofread", "rewrite", "summarize", "reply", "prioritise"};
static const char *const styles[] = {NULL, "friendly", "professional", "concise", "elaborate", "shorter", "custom"};
static const char *const kinds[] = {NULL, "paragraph", "points", "line"};
static const char *const sources[] = {NULL, "article", "chat", "mail", "notifications"};

static const char *name_of(name_table t, size_t i)
{
    return i < t.n ? t.names[i] : NULL;
}

static size_t index_of(name_table t, tdm__str name)
{
    for (size_t i = 1; i < t.n; i++)
        if (tdm__str_eq(name, tdm__str_from(t.names[i])))
            return i;
    return 0;
}

const char *tdm__verb_name(tdm__verb v)
{
    return name_of(TABLE(verbs), (size_t)v);
}
tdm__verb tdm__verb_from(tdm__str name)
{
    return (tdm__verb)index_of(TABLE(verbs), name);
}
const char *tdm__style_name(tdm__style s)
{
    return name_of(TABLE(styles), (size_t)s);
}
tdm__style tdm__style_from(tdm__str name)
{
    return (tdm__style)index_of(TABLE(styles), name);
}
const char *tdm__kind_name(tdm__summary_kind k)
{
    return name_of(TABLE(kinds), (size_t)k);
}
tdm__summary_kind tdm__kind_from(tdm__str name)
{
    return (tdm__summary_kind)index_of(TABLE(kinds), name);
}
const char *tdm__source_name(tdm__source s)
{
    return name_of(TABLE(sources), (size_t)s);
}
tdm__source tdm__source_from(tdm__str name)
{
    return (tdm__source)index_of(TABLE(sources), name);
}
