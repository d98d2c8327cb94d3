/* temp_folder.c - under /tmp; removal walks the tree depth first and follows no link. */
#define _GNU_SOURCE
#include "temp_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void tdm__temp_folder_make(char path[TDM__TEMP_FOLDER_TEXT])
{
    snprintf(path, TDM__TEMP_FOLDER_TEXT, "/tmp/tandem-test-XXXXXX");
    if (!mkdtemp(path))
        abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void tdm__temp_folder_remove(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }
