/* packed_stale.c - what the folder of packed weights keeps of files that are gone.
 *
 * Looked at only when something is packed, which takes seconds anyway and is when room is needed. Packed files are
 * listed first and notes read afterwards: whoever makes a file notes its source before, so a file on the list that is
 * in use has a note by then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/packed.h"
#include "model/packed_file.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"

enum { PACKED_MAX = 256, NOTES_MAX = 1024, NAME_CAP = 96, PATH_CAP = 4096, START_LIFE_S = 3600 };

typedef struct packed_name {
    char name[NAME_CAP]; /* HASH-V.panels, with a tail while it is made */
    bool is_of_use;
} packed_name;

typedef struct note {
    char name[NAME_CAP];
    char hash[TDM__SHA256_TEXT];
    uint8_t path_digest[TDM__SHA256_BYTES];
    struct timespec written;
} note;

typedef struct stale_run {
    const char *dir;
    packed_name packed[PACKED_MAX]; /* what is beyond waits for another time */
    note notes[NOTES_MAX];
    size_t n_packed, n_notes;
    bool has_all_notes;
} stale_run;

static bool ends_with(const char *name, const char *ending)
{
    const size_t n = strlen(name), k = strlen(ending);
    return n >= k && strcmp(name + n - k, ending) == 0;
}

/* Begins with a hash. */
static bool is_ours(const char *name)
{
    return strlen(name) < NAME_CAP && strspn(name, "0123456789abcdef") == TDM__SHA256_TEXT - 1;
}

static void list_packed(stale_run *r, DIR *d)
{
    for (struct dirent *e; r->n_packed < PACKED_MAX && (e = readdir(d)) != NULL;)
        if (is_ours(e->d_name) && strstr(e->d_name, ".panels"))
            snprintf(r->packed[r->n_packed++].name, NAME_CAP, "%s", e->d_name);
}

/* A path that cannot be looked at (a folder without rights) is not gone. */
static bool is_gone(const char *path)
{
    struct stat st;
    return path[0] == '\0' || (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR));
}

/* One note; it is removed when its path is gone. */
static void take_note(stale_run *r, int dir, const char *name)
{
    char path[PATH_CAP], *text = NULL;
    size_t len = 0;
    tdm__str hash, of;
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    const bool was_read = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                          tdm__file_read_regular(path, TDM__PACKED_NOTE_BYTES_MAX, &text, &len) == 0;
    if (was_read && tdm__packed_note_split((tdm__str){text, len}, &hash, &of) && !is_gone(of.ptr)) {
        note *n = &r->notes[r->n_notes++];
        snprintf(n->name, sizeof n->name, "%s", name);
        snprintf(n->hash, sizeof n->hash, "%.*s", (int)hash.len, hash.ptr);
        tdm__sha256(of.ptr, of.len, n->path_digest);
        n->written = st.st_mtim;
    } else {
        unlinkat(dir, name, 0);
    }
    tdm__free(text);
}

static void read_notes(stale_run *r, DIR *d)
{
    struct dirent *e;
    while (r->n_notes < NOTES_MAX && (e = readdir(d)) != NULL)
        if (is_ours(e->d_name) && ends_with(e->d_name, ".source"))
            take_note(r, dirfd(d), e->d_name);
    r->has_all_notes = r->n_notes < NOTES_MAX;
}

static bool is_newer(const note *a, const note *b)
{
    return a->written.tv_sec != b->written.tv_sec ? a->written.tv_sec > b->written.tv_sec
                                                  : a->written.tv_nsec > b->written.tv_nsec;
}

/* Another file lies at this path since. */
static bool has_newer_note(const stale_run *r, const note *n)
{
    for (size_t i = 0; i < r->n_notes; i++)
        if (memcmp(r->notes[i].path_digest, n->path_digest, sizeof n->path_digest) == 0 && is_newer(&r->notes[i], n))
            return true;
    return false;
}

/* Of this layout, and whole or perhaps still being made. */
static bool is_current(const char *name, int dir)
{
    struct stat st;
    char kept[32];
    const char *rest = name + TDM__SHA256_TEXT - 1;
    const int n = snprintf(kept, sizeof kept, "-%d.panels", TDM__PACKED_VERSION);
    if (strncmp(rest, kept, (size_t)n) != 0)
        return false;
    return rest[n] == '\0' || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
           st.st_mtime >= tdm__clock_unix_s() - START_LIFE_S;
}

static void keep_those_of(stale_run *r, const note *n, int dir)
{
    for (size_t i = 0; i < r->n_packed; i++)
        if (strncmp(r->packed[i].name, n->hash, TDM__SHA256_TEXT - 1) == 0 && is_current(r->packed[i].name, dir))
            r->packed[i].is_of_use = true;
}

static void remove_useless(stale_run *r, int dir)
{
    for (size_t i = 0; i < r->n_notes; i++) {
        if (has_newer_note(r, &r->notes[i]))
            unlinkat(dir, r->notes[i].name, 0);
        else
            keep_those_of(r, &r->notes[i], dir);
    }
    for (size_t i = 0; i < r->n_packed; i++)
        if (!r->packed[i].is_of_use)
            unlinkat(dir, r->packed[i].name, 0);
}

void tdm__packed_remove_stale(const char *dir)
{
    DIR *d = opendir(dir);
    stale_run *r = d ? tdm__calloc(1, sizeof *r) : NULL;
    if (r) {
        r->dir = dir;
        list_packed(r, d);
        rewinddir(d);
        read_notes(r, d);
        if (r->has_all_notes)
            remove_useless(r, dirfd(d));
    }
    tdm__free(r);
    if (d)
        closedir(d);
}
