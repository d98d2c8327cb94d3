/* fuzz_journal.c - a journal of arbitrary bytes, and a leaf of arbitrary fields under a digest that fits. Whatever is
 * accepted must lie within the bytes that were given. */
#define _GNU_SOURCE /* memfd_create */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/journal_internal.h"
#include "fuzz.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static tdm_status see(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    (void)err;
    check(leaf->index == (*(uint64_t *)user)++);
    check(leaf->kind == TDM__LEAF_OPENED || leaf->kind == TDM__LEAF_CLOSED);
    check(strlen(leaf->decision_id) == 32 && leaf->outcome <= TDM__OUTCOME_LOST);
    check(leaf->decision.len < TDM__LEAF_BYTES_MAX && leaf->peer.len < TDM__LEAF_BYTES_MAX);
    return TDM_OK;
}

static void walk_file(const uint8_t *data, size_t len)
{
    tdm__journal_end end;
    tdm_error err = {0};
    uint64_t n = 0;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    check(fd >= 0 && tdm__journal_pwrite(fd, data, len, 0) == 0);
    tdm_status s = tdm__journal_walk(fd, see, &n, &end, &err);
    check(s == TDM_OK ? end.offset <= len && end.chain.index == n : err.msg[0] != '\0');
    close(fd);
}

/* A good leaf whose fields are replaced by the data. */
static void read_fields(const uint8_t *data, size_t len)
{
    enum { HEAD = 80, DIGEST = 32 };
    const size_t n = HEAD + len + DIGEST;
    tdm__leaf_chain chain = {0};
    tdm__leaf_read leaf = {.kind = len % 2 ? TDM__LEAF_OPENED : TDM__LEAF_CLOSED};
    tdm__buf b;
    size_t used;
    if (n > TDM__LEAF_BYTES_MAX)
        return;
    memset(leaf.decision_id, 'a', 32);
    tdm__buf_init(&b, TDM__LEAF_BYTES_MAX);
    check(tdm__leaf_encode(&leaf, &chain, &b, NULL) == TDM_OK && b.len >= HEAD);
    tdm__buf_truncate(&b, HEAD);
    uint32_t length = (uint32_t)n, inverted = ~length;
    uint8_t digest[DIGEST];
    memcpy(b.ptr, &length, 4); /* little-endian, as every machine that fuzzes */
    memcpy(b.ptr + 4, &inverted, 4);
    check(tdm__buf_append(&b, data, len) == TDM_OK);
    tdm__sha256(b.ptr, b.len, digest);
    check(tdm__buf_append(&b, digest, sizeof digest) == TDM_OK);
    chain = (tdm__leaf_chain){0};
    if (tdm__leaf_next(&chain, tdm__buf_str(&b), &leaf, &used, NULL) == TDM_OK) {
        check(used == n && chain.index == 1);
        check(leaf.decision.len <= len && leaf.peer.len <= len);
    }
    tdm__buf_fini(&b);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    walk_file(data, len);
    read_fields(data, len);
    return 0;
}
