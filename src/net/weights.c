/* weights.c - the order of a fetch: what is there, lock, sources in turn, verification, publication.
 *
 * A failure is either the source's (unreachable, wrong bytes: the next one is tried) or ours (disk, cancel: the fetch
 * ends and keeps what can be resumed). Bytes of several attempts may be one file, since all sources claim the same
 * sha256; when such a file does not match, nobody knows whose bytes were wrong, so the source gets a fresh try.
 */
#include "net/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/error.h"
#include "net/transfer.h"
#include "net/weights_job.h"

enum {
    CONNECT_TIMEOUT_S = 5,
    STALL_TIMEOUT_S = 30,
    RESUMES_MAX = 20, /* of one source, each after at least RESUME_BYTES_MIN more bytes */
    RESUME_BYTES_MIN = 64 * 1024,
};

static tdm_status write_url(void *user, uint64_t offset, const void *bytes, size_t n, tdm_error *err)
{
    return tdm__weights_job_write(user, offset, bytes, n, err);
}

static void tick_url(void *user)
{
    tdm__weights_job *j = user;
    tdm__weights_job_report(j, TDM__WEIGHTS_FETCHING, j->have, NULL);
}

/* A cut connection is taken up again as long as each try brings something. */
static tdm_status fetch_url(tdm__weights_job *j, tdm_error *err)
{
    for (int tries = 0;; tries++) {
        uint64_t before = j->have;
        tdm__transfer t = {
            .url = j->source->url,
            .bytes_total = j->r->entry->bytes,
            .offset = before,
            .connect_timeout_s = j->r->connect_timeout_s ? j->r->connect_timeout_s : CONNECT_TIMEOUT_S,
            .stall_timeout_s = j->r->stall_timeout_s ? j->r->stall_timeout_s : STALL_TIMEOUT_S,
            .cancel = j->r->cancel,
            .write = write_url,
            .tick = tick_url,
            .user = j,
        };
        tdm_status s = tdm__transfer_get(&t, err);
        bool again = (s == TDM_ERR_UPSTREAM || s == TDM_ERR_TIMEOUT) && tries < RESUMES_MAX &&
                     j->have >= before + RESUME_BYTES_MIN;
        if (!again)
            return s;
    }
}

/* What the source still has to write; packages need room for themselves, twice while pip moves them. */
static uint64_t disk_need(const tdm__weights_job *j)
{
    uint64_t need = j->r->entry->bytes - j->have, largest = 0;
    for (size_t i = 0; i < j->source->n_parts; i++)
        if (j->source->parts[i].bytes > largest)
            largest = j->source->parts[i].bytes;
    return need > 0 ? need + 2 * largest : 0;
}

static tdm_status try_once(tdm__weights_job *j, tdm_error *err)
{
    const tdm__weights_request *r = j->r;
    TDM_TRY(tdm__weights_job_check_disk(j, disk_need(j), err));
    if (j->have < r->entry->bytes) {
        tdm__weights_job_report(j, TDM__WEIGHTS_SOURCE, j->have, NULL);
        TDM_TRY(j->source->kind == TDM__WEIGHTS_PARTS ? tdm__weights_parts_fetch(j, err) : fetch_url(j, err));
    }
    tdm__weights_hash hash = {r->entry, j->source, r->cancel, r->progress, r->user};
    return tdm__weights_verify_fd(j->data_fd, &hash, err);
}

static tdm_status try_source(tdm__weights_job *j, tdm_error *err)
{
    bool mixed;
    tdm_status s;
    do {
        j->mixed = j->have > 0;
        s = try_once(j, err);
        mixed = j->mixed;
        if (s == TDM_ERR_INTEGRITY) {
            tdm_error why;
            if (tdm__weights_job_truncate(j, 0, &why) != TDM_OK)
                return tdm__fail(err, why.code, "%s", why.msg);
            if (mixed)
                tdm__weights_job_report(j, TDM__WEIGHTS_REJECTED, 0,
                                        "bytes of two attempts do not make the file, once more from its beginning");
        }
    } while (s == TDM_ERR_INTEGRITY && mixed);
    return s;
}

static bool is_the_sources(tdm_status s)
{
    return s == TDM_ERR_UPSTREAM || s == TDM_ERR_TIMEOUT || s == TDM_ERR_INTEGRITY || s == TDM_ERR_INVAL;
}

static tdm_status try_all(tdm__weights_job *j, tdm_error *err)
{
    const tdm__catalogue_entry *e = j->r->entry;
    tdm_error last = {0}, wrong = {0};
    for (size_t i = 0; i < e->n_sources; i++) {
        j->source = &e->sources[i];
        last = (tdm_error){0};
        tdm_status s = try_source(j, &last);
        if (s == TDM_OK)
            return TDM_OK;
        if (!is_the_sources(s))
            return tdm__fail(err, s, "%s", last.msg);
        if (s == TDM_ERR_INTEGRITY)
            wrong = last;
        tdm__weights_job_report(j, TDM__WEIGHTS_REJECTED, 0, last.msg);
    }
    if (wrong.code != TDM_OK)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "no source gave the right bytes: %s", wrong.msg);
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "none of %zu sources gave %s; the last (%.60s): %s", e->n_sources, e->name,
             j->source->title, last.msg);
}

/* END: the file is not there, or was not the right one. */
static tdm_status check_present(tdm__weights_job *j, tdm_error *err)
{
    const tdm__weights_request *r = j->r;
    uint64_t bytes;
    if (tdm__weights_look(r->cache_dir, r->entry, &bytes) != TDM__WEIGHTS_PRESENT)
        return TDM_END;
    if (!r->verify_present)
        return TDM_OK;
    tdm_error why;
    tdm_status s = tdm__weights_verify(j->final_path, r->entry, r->cancel, r->progress, r->user, &why);
    if (s == TDM_OK)
        return TDM_OK;
    if (s != TDM_ERR_INTEGRITY)
        return tdm__fail(err, s, "%s", why.msg);
    tdm__weights_job_report(j, TDM__WEIGHTS_REJECTED, 0, why.msg);
    if (unlink(j->final_path) != 0)
        return tdm__fail_os(err, errno, "%s does not match and cannot be removed", j->final_path);
    return TDM_END;
}

tdm_status tdm__weights_fetch(const tdm__weights_request *r, char *path_out, size_t path_cap, tdm_error *err)
{
    tdm__weights_job j;
    TDM_TRY(tdm__weights_job_init(&j, r, err));
    tdm_status s = check_present(&j, err);
    if (s == TDM_END) {
        uint64_t bytes;
        s = tdm__weights_job_open(&j, err);
        if (s == TDM_OK && tdm__weights_look(r->cache_dir, r->entry, &bytes) == TDM__WEIGHTS_PRESENT)
            j.have = 0; /* another process was faster: it has verified the file, and ours is not needed */
        else if (s == TDM_OK && (s = try_all(&j, err)) == TDM_OK)
            s = tdm__weights_job_publish(&j, err);
        tdm__weights_job_close(&j);
    }
    return s == TDM_OK ? tdm__weights_path(r->cache_dir, r->entry->name, path_out, path_cap, err) : s;
}
