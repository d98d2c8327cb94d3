/* error.c - status names and the formatting of error sentences. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tdm_status_name(tdm_status s)
{
    switch (s) {
#define TDM_STATUS_NAME(name, value, text) \
    case TDM_##name: return #name;
        TDM_STATUS_MAP(TDM_STATUS_NAME)
#undef TDM_STATUS_NAME
    }
    return "UNKNOWN";
}

const char *tdm_status_text(tdm_status s)
{
    switch (s) {
#define TDM_STATUS_TEXT(name, value, text) \
    case TDM_##name: return text;
        TDM_STATUS_MAP(TDM_STATUS_TEXT)
#undef TDM_STATUS_TEXT
    }
    return "unknown status";
}

tdm_status tdm__fail(tdm_error *err, tdm_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n < 0)
        err->msg[0] = '\0';
    if (n >= (int)sizeof err->msg) {
        size_t cut = sizeof err->msg - 1;
        while (cut > 0 && ((unsigned char)err->msg[cut - 1] & 0xC0) == 0x80)
            cut--;
        if (cut > 0 && ((unsigned char)err->msg[cut - 1] & 0xC0) == 0xC0)
            cut--;
        err->msg[cut] = '\0';
    }
    err->code = code;
    return code;
}
