/* prefix_name.c - one way to write a name, reading it by writing it again, and one way to clear it. */
#include "engine/prefix_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"

static const char suffix[] = ".page";

void tdm__prefix_name_put(char name[TDM__PREFIX_NAME_BYTES], const tdm__prefix_key *key, size_t index)
{
    char hex[TDM__SHA256_TEXT];
    tdm__hex_put(key->bytes, sizeof key->bytes, hex);
    snprintf(name, TDM__PREFIX_NAME_BYTES, "%s-%05zu%s", hex, index, suffix);
}

bool tdm__prefix_name_get(const char *name, tdm__prefix_key *key, size_t *index, const char **rest)
{
    char again[TDM__PREFIX_NAME_BYTES], *end;
    if (strlen(name) < TDM__SHA256_TEXT || name[TDM__SHA256_TEXT - 1] != '-' || name[TDM__SHA256_TEXT] < '0' ||
        name[TDM__SHA256_TEXT] > '9' ||
        !tdm__hex_get((tdm__str){name, TDM__SHA256_TEXT - 1}, key->bytes, sizeof key->bytes))
        return false;
    errno = 0;
    *index = strtoul(name + TDM__SHA256_TEXT, &end, 10);
    if (errno != 0)
        return false;
    tdm__prefix_name_put(again, key, *index);
    const size_t len = strlen(again);
    *rest = name + len;
    return strncmp(name, again, len) == 0;
}

int tdm__prefix_name_clear(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    const int rc = errno;
    return unlinkat(dir, name, AT_REMOVEDIR) == 0 ? 0 : rc;
}
