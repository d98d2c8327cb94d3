/* notify.c - one socket a message: messages are few, and nothing is held open for them. */
#include "net/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WATCHDOG_MS_MAX = 3600 * 1000 };

void tdm__notify(const char *lines)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* a name that is no file */
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    const socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to, to_len) < 0) {
        /* nobody to tell */
    }
    close(fd);
}

int tdm__notify_watchdog_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");
    char *end;
    if (!us || (pid && strtol(pid, &end, 10) != (long)getpid()))
        return 0;
    const long long half_ms = strtoll(us, &end, 10) / 2000;
    return end == us || *end != '\0' || half_ms < 1 || half_ms > WATCHDOG_MS_MAX ? 0 : (int)half_ms;
}
