/* weights_tree.c - one bounded walk, relative to open folders so that nothing can be slipped under it. */
#include "net/weights_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes dir_fd. Recursion is bounded by depth_left. */
static int walk(int dir_fd, int depth_left, bool removes, uint64_t *largest)
{
    DIR *d = fdopendir(dir_fd);
    if (!d) {
        int rc = errno;
        close(dir_fd);
        return rc;
    }
    int rc = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bool is_dir = S_ISDIR(st.st_mode);
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > *largest)
            *largest = (uint64_t)st.st_size;
        if (is_dir && depth_left > 0) {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (sub >= 0)
                (void)walk(sub, depth_left - 1, removes, largest);
        }
        if (removes && unlinkat(dirfd(d), e->d_name, is_dir ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
            rc = errno;
    }
    closedir(d);
    return rc;
}

static int walk_path(const char *path, bool removes, uint64_t *largest)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    int rc = walk(fd, TDM__TREE_DEPTH_MAX, removes, largest);
    if (removes && rc == 0 && rmdir(path) != 0 && errno != ENOENT)
        rc = errno;
    return rc;
}

uint64_t tdm__tree_largest(const char *path)
{
    uint64_t largest = 0;
    (void)walk_path(path, false, &largest);
    return largest;
}

int tdm__tree_remove(const char *path)
{
    uint64_t largest = 0;
    return walk_path(path, true, &largest);
}
