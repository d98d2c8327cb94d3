/* file.h - reading small files, writing them whole or not at all (mapped files: map.h).
 *
 * Functions return 0 or an errno value: this folder lies below the error sentences, its callers know what the file
 * was for. Paths are NUL-terminated.
 */
#ifndef TDM_OS_FILE_H
#define TDM_OS_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Reads at most len_max bytes of a file into a malloc'd, NUL-terminated block owned by the caller; EFBIG if longer. */
int tdm__file_read(const char *path, size_t len_max, char **out, size_t *len);

/* The same for what must be a regular file, at once: EINVAL for a pipe, where the other would wait for a writer, for a
 * device, a socket, a folder. */
int tdm__file_read_regular(const char *path, size_t len_max, char **out, size_t *len);

/* That for secrets: EPERM, with the file's permission bits in *mode, when group or others have any right to it.
 * With another EPERM *mode is 0. EACCES when neither this process's user nor root owns it. */
int tdm__file_read_private(const char *path, size_t len_max, char **out, size_t *len, unsigned *mode);

/* Writes path by a temporary neighbour, fsync and rename, with the given mode. On failure nothing is left behind and
 * what stood at path before still does; only when the folder's own sync fails (EIO) the new file is there already. */
int tdm__file_write_atomic(const char *path, const void *bytes, size_t len, unsigned mode);

/* The same without fsync, for what can be made again and carries a check: after a power cut the file may be torn. */
int tdm__file_write_disposable(const char *path, const void *bytes, size_t len, unsigned mode);

/* Makes a name that was put into path's folder durable. A folder that may be written but not read cannot be synced:
 * that is no failure. */
int tdm__file_sync_name(const char *path);

/* mkdir -p with the given mode for what is missing. */
int tdm__dir_make(const char *path, unsigned mode);

/* Bytes an unprivileged user may still write on the file system that holds path. */
int tdm__disk_free(const char *path, uint64_t *bytes);

#endif
