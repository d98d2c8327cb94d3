/* reasons.c - the table of reasons.h, looked up both ways. A switch and no array: the codes have gaps. */
#include "route/reasons.h"

#include <stddef.h>
#include <string.h>

const char *tdm__reason_name(tdm__reason r)
{
    switch (r) {
#define REASON_NAME(name, value, en, zh) \
    case TDM__REASON_##name:             \
        return #name;
        TDM_REASON_MAP(REASON_NAME)
#undef REASON_NAME
    }
    return "NONE";
}

static const char *template_en(tdm__reason r)
{
    switch (r) {
#define REASON_EN(name, value, en, zh) \
    case TDM__REASON_##name:           \
        return en;
        TDM_REASON_MAP(REASON_EN)
#undef REASON_EN
    }
    return "";
}

static const char *template_zh(tdm__reason r)
{
    switch (r) {
#define REASON_ZH(name, value, en, zh) \
    case TDM__REASON_##name:           \
        return zh;
        TDM_REASON_MAP(REASON_ZH)
#undef REASON_ZH
    }
    return "";
}

const char *tdm__reason_template(tdm__reason r, tdm__language language)
{
    return language == TDM__LANGUAGE_ZH ? template_zh(r) : template_en(r);
}

tdm__reason tdm__reason_from_name(const char *name)
{
    static const struct {
        const char *name;
        tdm__reason reason;
    } rows[] = {
#define REASON_ROW(name, value, en, zh) {#name, TDM__REASON_##name},
        TDM_REASON_MAP(REASON_ROW)
#undef REASON_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].reason;
    return TDM__REASON_NONE;
}
