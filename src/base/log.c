/* log.c - one formatted line to whoever listens. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

void tdm__log_say(const tdm__log *log, tdm__log_level level, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (log && log->fn)
        log->fn(log->user, level, line);
    else
        fprintf(stderr, "%s\n", line);
}
