/* map_new.h - a new file that is filled in memory and appears at its path whole, or not at all.
 *
 * Its blocks are reserved at the begin, so a full disk is an error there and no signal later. Functions return 0 or an
 * errno value. Two processes that make the same file do not meet before the rename; the last one's stays.
 */
#ifndef TDM_OS_MAP_NEW_H
#define TDM_OS_MAP_NEW_H

#include <stddef.h>

typedef struct tdm__map_new {
    unsigned char *ptr; /* [len] zeros, to be written by any thread */
    size_t len;
    int fd;
    char *temporary; /* its path until it is whole */
} tdm__map_new;

/* In the folder of path, which exists; mode 0600. */
int tdm__map_new_begin(const char *path, size_t len, tdm__map_new *out);

/* Writes everything out, and puts the file at path. On failure as abort. *m is gone either way. */
int tdm__map_new_commit(tdm__map_new *m, const char *path);
void tdm__map_new_abort(tdm__map_new *m);

#endif
