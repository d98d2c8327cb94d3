/* journal_internal.h - the parts of the journal: leaves as bytes, walking a file of them, the file that grows. */
#ifndef TDM_AUDIT_JOURNAL_INTERNAL_H
#define TDM_AUDIT_JOURNAL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/journal.h"
#include "base/buf.h"
#include "base/sha256.h"

enum {
    TDM__JOURNAL_MAGIC_BYTES = 16,
    TDM__JOURNAL_KEY_BYTES = 32, /* of each leaf; all zero: erased, or there never was one */
    TDM__LEAF_ID_BYTES = 16,
};

extern const char tdm__journal_magic[TDM__JOURNAL_MAGIC_BYTES + 1];

/* Where the next leaf stands in the chain. */
typedef struct tdm__leaf_chain {
    uint64_t index;
    uint8_t previous[TDM__SHA256_BYTES]; /* the digest of the leaf before; zero before the first */
} tdm__leaf_chain;

/* Appends the leaf's bytes and moves the chain on; on failure both are as they were. ERR_LIMIT, ERR_NOMEM, ERR_INVAL
 * (the id is no id). leaf->index is not read. */
tdm_status tdm__leaf_encode(const tdm__leaf_read *leaf, tdm__leaf_chain *chain, tdm__buf *out, tdm_error *err);

/* Reads the leaf at the front of bytes, which it borrows, and moves the chain on. TDM_AGAIN: *used bytes are needed at
 * least. ERR_INTEGRITY; ERR_UNSUPPORTED for a version or kind that a newer tandem wrote. */
tdm_status tdm__leaf_next(tdm__leaf_chain *chain, tdm__str bytes, tdm__leaf_read *out, size_t *used, tdm_error *err);

/* How long the leaf at the front says it is; false when its first 8 bytes are none of ours. bytes.len >= 8. */
bool tdm__leaf_length(tdm__str bytes, size_t *length);

typedef tdm_status (*tdm__leaf_fn)(void *user, const tdm__leaf_read *leaf, tdm_error *err);

/* Where a walk ended. */
typedef struct tdm__journal_end {
    tdm__leaf_chain chain;
    uint64_t offset;  /* of the first byte behind the last good leaf; 0: not even the magic is there */
    bool is_torn;     /* bytes follow that a crash, and nothing else, leaves behind */
    int64_t at_unix_s; /* of the last leaf */
} tdm__journal_end;

/* Opens dir/name; flags as of open, O_CLOEXEC is added. The sentence names the path. */
tdm_status tdm__journal_open_part(const char *dir, const char *name, int flags, int *fd, tdm_error *err);

/* Walks a file from its beginning by pread. fn may be NULL. */
tdm_status tdm__journal_walk(int fd, tdm__leaf_fn fn, void *user, tdm__journal_end *end, tdm_error *err);

/* The files under a lock, at their end. */
typedef struct tdm__journal_file {
    int lock_fd, journal_fd, keys_fd; /* -1: not open */
    tdm__leaf_chain chain;
    uint64_t end;
    int broken; /* errno of a sync or a cut that failed: what is on the disk is not known any more */
} tdm__journal_file;

/* Locks, opens, cuts, and closes what was left open as LOST. */
tdm_status tdm__journal_file_open(const char *dir, tdm__journal_file *f, tdm_error *err);
void tdm__journal_file_close(tdm__journal_file *f);

/* Makes leaves and their keys (n x TDM__JOURNAL_KEY_BYTES) durable, all or none. */
tdm_status tdm__journal_file_append(tdm__journal_file *f, tdm__str leaves, const uint8_t *keys, size_t n,
                                    const tdm__leaf_chain *chain, tdm_error *err);

tdm_status tdm__journal_file_erase(tdm__journal_file *f, const char *decision_id, size_t *n, tdm_error *err);

/* 0 or an errno value; all bytes or an error. */
int tdm__journal_pwrite(int fd, const void *bytes, size_t n, uint64_t at);

/* HMAC-SHA-256; false when it cannot be computed. */
bool tdm__journal_commit(const uint8_t key[TDM__JOURNAL_KEY_BYTES], tdm__str content, uint8_t out[TDM__SHA256_BYTES]);

#endif
