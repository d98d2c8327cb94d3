/* partner_key.c - a key by reference: an environment variable, or a file that only its owner may read. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "partner/partner_internal.h"

enum { KEY_BYTES_MAX = 4096 };

static const char scheme[] = "Authorization: Bearer ";

void tdm__partner_key_wipe(char line[TDM__KEY_LINE_BYTES]) { sodium_memzero(line, TDM__KEY_LINE_BYTES); }

static tdm_status check_file(int fd, const char *path, tdm_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tdm__fail_os(err, errno, "the key's file %.200s cannot be looked at", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the key's file %.200s has mode %04o; it must be a plain file of mode 0600", path,
                 (unsigned)(st.st_mode & 07777));
    return TDM_OK;
}

/* At most KEY_BYTES_MAX bytes to out; *n how many. */
static tdm_status read_file(const char *path, char *out, size_t *n, tdm_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return tdm__fail_os(err, errno, "the key's file %.200s cannot be opened", path);
    tdm_status s = check_file(fd, path, err);
    ssize_t got = 1;
    for (*n = 0; s == TDM_OK && got > 0 && *n <= KEY_BYTES_MAX; *n += (size_t)got) {
        got = read(fd, out + *n, KEY_BYTES_MAX + 1 - *n);
        if (got < 0) {
            s = tdm__fail_os(err, errno, "the key's file %.200s cannot be read", path);
            got = 0;
        }
    }
    close(fd);
    return s;
}

static tdm_status read_variable(const char *name, char *out, size_t *n, tdm_error *err)
{
    const char *value = getenv(name);
    if (!value || !value[0])
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the environment has no %.100s, which the profile names for its key", name);
    *n = strnlen(value, KEY_BYTES_MAX + 1);
    memcpy(out, value, *n);
    return TDM_OK;
}

/* One line end after the key is what editors leave; else it is one word of printable characters. */
static tdm_status check_key(const char *key_ref, const char *key, size_t *n, tdm_error *err)
{
    if (*n > KEY_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the key in %.200s is longer than %d bytes", key_ref, KEY_BYTES_MAX);
    while (*n > 0 && (key[*n - 1] == '\n' || key[*n - 1] == '\r'))
        (*n)--;
    if (*n == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the key in %.200s is empty", key_ref);
    for (size_t i = 0; i < *n; i++)
        if (key[i] <= 0x20 || key[i] > 0x7E)
            TDM_FAIL(err, TDM_ERR_INVAL, "the key in %.200s has a blank or a character that no key has", key_ref);
    return TDM_OK;
}

tdm_status tdm__partner_key_line(const char *key_ref, char out[TDM__KEY_LINE_BYTES], tdm_error *err)
{
    _Static_assert(TDM__KEY_LINE_BYTES > sizeof scheme + KEY_BYTES_MAX + 1, "the line has room for the longest key");
    char *key = out + sizeof scheme - 1;
    size_t n = 0;
    tdm_status s;
    if (strncmp(key_ref, "env:", 4) == 0)
        s = read_variable(key_ref + 4, key, &n, err);
    else if (strncmp(key_ref, "file:/", 6) == 0)
        s = read_file(key_ref + 5, key, &n, err);
    else /* whatever stands there may be the key itself */
        s = tdm__fail(err, TDM_ERR_INVAL, "the profile's key reference is neither env:NAME nor file:/PATH");
    if (s == TDM_OK)
        s = check_key(key_ref, key, &n, err);
    if (s != TDM_OK) {
        tdm__partner_key_wipe(out);
        return s;
    }
    memcpy(out, scheme, sizeof scheme - 1);
    key[n] = '\0';
    return TDM_OK;
}
