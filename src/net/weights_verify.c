/* weights_verify.c - size and sha256 of a file against its catalogue entry. libcrypto hashes: it uses the processor's
 * instructions for it, 1.5 GB/s where they exist. Read, not mapped: a file cut meanwhile must not fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "net/weights_job.h"
#include "os/clock.h"
#include "os/heap.h"

enum { HASH_BLOCK = 1024 * 1024, HASH_REPORT_MS = 150 };

static tdm_status hash_fd(int fd, const tdm__weights_hash *h, EVP_MD_CTX *ctx, unsigned char *block, tdm_error *err)
{
    uint64_t done = 0, reported_ns = 0;
    for (;;) {
        ssize_t n = pread(fd, block, HASH_BLOCK, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tdm__fail_os(err, errno, "%s cannot be read", h->entry->name);
        if (n == 0)
            return TDM_OK;
        if (EVP_DigestUpdate(ctx, block, (size_t)n) != 1)
            TDM_FAIL(err, TDM_ERR_NOMEM, "libcrypto cannot hash");
        done += (uint64_t)n;
        if (h->cancel && atomic_load(h->cancel))
            TDM_FAIL(err, TDM_ERR_CANCELLED, "cancelled while %s was verified", h->entry->name);
        uint64_t now = tdm__clock_ns();
        if (h->progress && now - reported_ns >= HASH_REPORT_MS * 1000000ull) {
            reported_ns = now;
            h->progress(h->user, &(tdm__weights_progress){.state = TDM__WEIGHTS_VERIFYING,
                                                          .entry = h->entry,
                                                          .source = h->source,
                                                          .bytes_done = done,
                                                          .bytes_total = h->entry->bytes});
        }
    }
}

tdm_status tdm__weights_verify_fd(int fd, const tdm__weights_hash *h, tdm_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tdm__fail_os(err, errno, "%s cannot be read", h->entry->name);
    if ((uint64_t)st.st_size != h->entry->bytes)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s has %" PRId64 " bytes, %" PRIu64 " are right", h->entry->name,
                 (int64_t)st.st_size, h->entry->bytes);
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned n = 0;
    unsigned char *block = tdm__malloc(HASH_BLOCK);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    tdm_status s = TDM_OK;
    if (!block || !ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        s = tdm__fail(err, TDM_ERR_NOMEM, "no memory to hash %s", h->entry->name);
    if (s == TDM_OK)
        s = hash_fd(fd, h, ctx, block, err);
    if (s == TDM_OK && EVP_DigestFinal_ex(ctx, digest, &n) != 1)
        s = tdm__fail(err, TDM_ERR_NOMEM, "libcrypto cannot hash");
    EVP_MD_CTX_free(ctx);
    tdm__free(block);
    TDM_TRY(s);
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    if (strcmp(hex, h->entry->sha256) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s has sha256 %s, %s is right", h->entry->name, hex, h->entry->sha256);
    return TDM_OK;
}

tdm_status tdm__weights_verify(const char *path, const tdm__catalogue_entry *entry, const atomic_bool *cancel,
                               tdm__weights_progress_fn progress, void *user, tdm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tdm__fail_os(err, errno, "%s cannot be read", path);
    tdm_status s = tdm__weights_verify_fd(fd, &(tdm__weights_hash){entry, NULL, cancel, progress, user}, err);
    close(fd);
    return s;
}
