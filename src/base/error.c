/* error.c - status names and the formatting of error sentences. */
#include "base/error.h"

#include <errno.h>
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

/* Cuts msg at the last whole character when the formatted text was longer than it (n as vsnprintf gave it). */
static void cut_at_character(char *msg, size_t cap, int n)
{
    if (n < 0)
        msg[0] = '\0';
    if (n < 0 || (size_t)n < cap)
        return;
    size_t cut = cap - 1, lead = cut;
    while (lead > 0 && ((unsigned char)msg[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0 || (unsigned char)msg[lead - 1] < 0xC0)
        return;
    unsigned char first = (unsigned char)msg[lead - 1];
    size_t whole = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (cut - (lead - 1) < whole)
        msg[lead - 1] = '\0';
}

/* A sentence may quote a file's or a server's bytes: none of them may drive a terminal or begin a line of a log. */
static void replace_controls(char *msg)
{
    for (unsigned char *p = (unsigned char *)msg; *p; p++)
        if (*p < 0x20 || *p == 0x7F || (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)) {
            if (*p == 0xC2)
                *p++ = '?'; /* C1, in two bytes */
            *p = '?';
        }
}

tdm_status tdm__fail(tdm_error *err, tdm_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    cut_at_character(err->msg, sizeof err->msg, n);
    replace_controls(err->msg);
    err->code = code;
    return code;
}

tdm_status tdm__fail_os(tdm_error *err, int os_error, const char *fmt, ...)
{
    tdm_status code = os_error == ENOENT ? TDM_ERR_NOT_FOUND : os_error == ENOMEM ? TDM_ERR_NOMEM : TDM_ERR_IO;
    if (!err)
        return code;
    char what[300], reason[80];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    cut_at_character(what, sizeof what, n);
    if (strerror_r(os_error, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "system error %d", os_error);
    return tdm__fail(err, code, "%s: %s", what, reason);
}
