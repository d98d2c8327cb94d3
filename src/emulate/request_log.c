/* request_log.c - a line a request: when, who was asked, by which path, how many bytes, their hash, the status.
 *
 * Never the text, and nothing that names a device, an owner or a decision: a partner does not get them either. A line
 * is one write to a file opened for appending, so lines of several writers never mix.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "emulate/emulate_internal.h"
#include "os/clock.h"

tdm__request_line tdm__request_line_of(const char *path, tdm__str body)
{
    tdm__request_line line = {.path = path, .n_bytes = body.len};
    tdm__sha256_hex(body.len > 0 ? body.ptr : "", body.len, line.sha256);
    return line;
}

tdm_status tdm__request_log_open(const char *path, int *fd, tdm_error *err)
{
    *fd = -1;
    if (!path)
        return TDM_OK;
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (*fd < 0)
        return tdm__fail_os(err, errno, "the request log %.200s cannot be opened", path);
    return TDM_OK;
}

void tdm__request_log_put(const tdm__stand_in *s, const tdm__request_line *line, int status)
{
    char at[TDM__RFC3339_TEXT], text[512];
    if (s->emulator->log_fd < 0)
        return;
    tdm__rfc3339_put(tdm__clock_unix_s(), at);
    const int n = snprintf(text, sizeof text,
                           "{\"at\":\"%s\",\"partner\":\"%s\",\"path\":\"%s\",\"bytes\":%zu,\"sha256\":\"%s\","
                           "\"status\":%d}\n",
                           at, s->vendor->id, line->path, line->n_bytes, line->sha256, status);
    if (write(s->emulator->log_fd, text, (size_t)n) != n)
        fprintf(stderr, "tandem: a line of the request log could not be written\n");
}
