/* map.h - a whole file as read-only memory, and what becomes of it when somebody changes the file meanwhile.
 *
 * A file that is deleted or replaced by rename stays readable. One that is overwritten or cut in place does not stay
 * what it was: tdm__map_is_intact says so, and the guard turns reads behind a file's new end into zeros, where the
 * system would end the process with SIGBUS. Functions return 0 or an errno value.
 */
#ifndef TDM_OS_MAP_H
#define TDM_OS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tdm__map {
    const unsigned char *ptr; /* NULL for an empty file */
    size_t len;
    int fd;              /* kept open to see changes; valid when ptr is not NULL */
    int64_t modified_ns; /* the file's time stamp when it was mapped */
    bool is_guarded;     /* the guard covers it, where one is installed: 64 maps of a process */
} tdm__map;

int tdm__map_open(const char *path, tdm__map *out);
void tdm__map_close(tdm__map *m);

/* Whether the file still has the length and the time stamp that it had at open. Any thread. */
bool tdm__map_is_intact(const tdm__map *m);

/* What tells this file from others without reading it: device, inode, length, time stamp. */
typedef struct tdm__map_identity {
    uint64_t device, inode, len;
    int64_t modified_ns;
} tdm__map_identity;

tdm__map_identity tdm__map_identify(const tdm__map *m);

/* Whether the file is this user's and nobody else may write it. */
bool tdm__map_is_private(const tdm__map *m);

/* Has the system read what it has not got of the file in memory, and waits for it. What is there costs one call. */
void tdm__map_warm(const tdm__map *m);

/* Gives the pages that lie within [ptr, ptr + len) of a shared mapping of a file back to the system; what is read there
 * again comes from the file, what was written there is kept. */
void tdm__map_release(const void *ptr, size_t len);

/* Installs the guard for this process: its SIGBUS handler gives pages of zeros for mapped files that have become
 * shorter, and leaves every other SIGBUS to the system's default. For programs, not for libraries: a signal's handler
 * belongs to the process. Call once, before other threads start. */
int tdm__map_guard_install(void);

#endif
