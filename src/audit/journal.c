/* journal.c - the queue before the journal's file, and the one thread behind it.
 *
 * Whoever appends hashes what it commits to itself, so that no text waits here; the thread numbers, chains, writes and
 * syncs. Leaves that come while it syncs share the next sync (group commit), so the disk's latency is paid once for all
 * answers that wait for it.
 */
#include "audit/journal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "audit/journal_internal.h"
#include "base/error.h"
#include "base/hex.h"
#include "os/heap.h"
#include "os/random.h"
#include "os/thread.h"

enum { BATCH_LEAVES_MAX = 256, BATCH_BYTES_MAX = 1 << 20 };

typedef struct waiting {
    struct waiting *next;
    tdm__leaf_read leaf; /* its texts are text[] below */
    uint8_t key[TDM__JOURNAL_KEY_BYTES];
    size_t bytes;
    void (*done)(void *user, tdm_status status);
    void *user;
    char text[];
} waiting;

struct tdm__journal {
    tdm__journal_file file; /* the thread's; erase uses only its descriptors */
    tdm__buf batch;         /* the thread's */
    uint8_t *keys;          /* the thread's: [BATCH_LEAVES_MAX x TDM__JOURNAL_KEY_BYTES] */
    pthread_t thread;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    waiting *first, **last;
    size_t n, bytes;
    bool is_closing;
};

const char *tdm__outcome_name(tdm__outcome o)
{
    static const char *const names[] = {"none", "answered", "stopped_by_screen", "cancelled", "failed", "off", "lost"};
    return (size_t)o < sizeof names / sizeof names[0] ? names[o] : "none";
}

/* Encodes leaves from the list's front until a batch is full or the list ends; how many. Each was measured when it was
 * queued, so only memory can be short: then the batch ends before it. */
static size_t fill_batch(tdm__journal *j, const waiting *w, tdm__leaf_chain *chain)
{
    size_t n = 0;
    tdm__buf_clear(&j->batch);
    for (; w && n < BATCH_LEAVES_MAX; w = w->next, n++) {
        if (tdm__leaf_encode(&w->leaf, chain, &j->batch, NULL) < 0)
            break;
        memcpy(j->keys + n * TDM__JOURNAL_KEY_BYTES, w->key, TDM__JOURNAL_KEY_BYTES);
    }
    return n;
}

/* Makes the list's front durable; tells its owners; the rest of the list. */
static waiting *write_batch(tdm__journal *j, waiting *list)
{
    tdm__leaf_chain chain = j->file.chain;
    tdm_status status = TDM_ERR_NOMEM;
    size_t n = fill_batch(j, list, &chain), bytes = 0;
    if (n > 0)
        status = tdm__journal_file_append(&j->file, tdm__buf_str(&j->batch), j->keys, n, &chain, NULL);
    else
        n = 1;
    for (size_t i = 0; i < n; i++) {
        waiting *w = list;
        list = w->next;
        bytes += w->bytes;
        if (w->done)
            w->done(w->user, status);
        tdm__free(w);
    }
    pthread_mutex_lock(&j->mutex);
    j->n -= n;
    j->bytes -= bytes;
    pthread_mutex_unlock(&j->mutex);
    return list;
}

/* All that waits; NULL when the journal closes and nothing does. */
static waiting *take_list(tdm__journal *j)
{
    pthread_mutex_lock(&j->mutex);
    while (!j->first && !j->is_closing)
        pthread_cond_wait(&j->changed, &j->mutex);
    waiting *list = j->first;
    j->first = NULL;
    j->last = &j->first;
    pthread_mutex_unlock(&j->mutex);
    return list;
}

static void *write_leaves(void *arg)
{
    tdm__journal *j = arg;
    for (waiting *list; (list = take_list(j)) != NULL;)
        while (list)
            list = write_batch(j, list);
    return NULL;
}

static void journal_free(tdm__journal *j)
{
    tdm__journal_file_close(&j->file);
    tdm__buf_fini(&j->batch);
    tdm__free(j->keys);
    pthread_mutex_destroy(&j->mutex);
    pthread_cond_destroy(&j->changed);
    tdm__free(j);
}

tdm_status tdm__journal_open(const char *dir, tdm__journal **out, tdm_error *err)
{
    tdm_status s = TDM_ERR_NOMEM;
    tdm__journal *j = tdm__calloc(1, sizeof *j);
    if (!j)
        TDM_FAIL(err, s, "no memory for the journal");
    j->file = (tdm__journal_file){.lock_fd = -1, .journal_fd = -1, .keys_fd = -1};
    j->last = &j->first;
    pthread_mutex_init(&j->mutex, NULL); /* neither fails with default attributes */
    pthread_cond_init(&j->changed, NULL);
    tdm__buf_init(&j->batch, BATCH_BYTES_MAX);
    j->keys = tdm__malloc((size_t)BATCH_LEAVES_MAX * TDM__JOURNAL_KEY_BYTES);
    if (!j->keys) {
        (void)tdm__fail(err, s, "no memory for the journal");
        goto fail;
    }
    s = tdm__journal_file_open(dir, &j->file, err);
    if (s < 0)
        goto fail;
    int rc = tdm__thread_start(&j->thread, write_leaves, j);
    if (rc != 0) {
        s = tdm__fail_os(err, rc, "the journal's thread does not start");
        goto fail;
    }
    *out = j;
    return TDM_OK;
fail:
    journal_free(j);
    return s;
}

void tdm__journal_close(tdm__journal *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->mutex);
    j->is_closing = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->mutex);
    pthread_join(j->thread, NULL);
    journal_free(j);
}

static tdm__str copy_text(char **at, tdm__str text)
{
    char *start = *at;
    if (text.len > 0)
        memcpy(start, text.ptr, text.len);
    *at += text.len;
    return (tdm__str){start, text.len};
}

/* A leaf of our own from the caller's: its texts copied, its commitment made. */
static tdm_status waiting_create(const tdm__leaf *leaf, waiting **out, tdm_error *err)
{
    enum { LEAF_OVERHEAD = 512 }; /* what a leaf has beside its texts, generously */
    tdm__str decision = leaf->kind == TDM__LEAF_OPENED ? leaf->decision : (tdm__str){0};
    tdm__str peer = leaf->kind == TDM__LEAF_CLOSED ? leaf->peer : (tdm__str){0};
    uint8_t id[TDM__LEAF_ID_BYTES];
    tdm__str id_text = {leaf->decision_id, strnlen(leaf->decision_id, sizeof leaf->decision_id)};
    if (!tdm__hex_get(id_text, id, sizeof id))
        TDM_FAIL(err, TDM_ERR_INVAL, "a leaf's decision id is not 32 lower-case hexadecimal digits");
    if (decision.len > TDM__LEAF_BYTES_MAX - LEAF_OVERHEAD || peer.len > TDM__LEAF_BYTES_MAX - LEAF_OVERHEAD)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a leaf of %zu bytes does not fit, %d are the most", decision.len + peer.len,
                 TDM__LEAF_BYTES_MAX - LEAF_OVERHEAD);
    waiting *w = tdm__calloc(1, sizeof *w + decision.len + peer.len);
    if (!w)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a leaf");
    char *at = w->text;
    w->bytes = sizeof *w + decision.len + peer.len;
    w->leaf = (tdm__leaf_read){.kind = leaf->kind, .at_unix_s = leaf->at_unix_s, .bytes_out = leaf->bytes_out};
    w->leaf.has_commitment = true;
    w->leaf.outcome = leaf->outcome;
    w->leaf.decision = copy_text(&at, decision);
    w->leaf.peer = copy_text(&at, peer);
    memcpy(w->leaf.decision_id, leaf->decision_id, sizeof w->leaf.decision_id);
    int rc = tdm__random_fill(w->key, sizeof w->key);
    if (rc != 0 || !tdm__journal_commit(w->key, leaf->committed, w->leaf.commitment)) {
        tdm__free(w);
        return tdm__fail_os(err, rc != 0 ? rc : EIO, "a leaf gets no commitment");
    }
    *out = w;
    return TDM_OK;
}

tdm_status tdm__journal_append(tdm__journal *j, const tdm__leaf *leaf, void (*done)(void *user, tdm_status status),
                               void *user, tdm_error *err)
{
    waiting *w = NULL;
    if (leaf->kind != TDM__LEAF_OPENED && leaf->kind != TDM__LEAF_CLOSED)
        TDM_FAIL(err, TDM_ERR_INVAL, "a leaf is neither opened nor closed");
    TDM_TRY(waiting_create(leaf, &w, err));
    w->done = done;
    w->user = user;
    pthread_mutex_lock(&j->mutex);
    bool has_room = j->n < TDM__JOURNAL_WAITING_MAX && j->bytes + w->bytes <= TDM__JOURNAL_WAITING_BYTES;
    if (has_room) {
        *j->last = w;
        j->last = &w->next;
        j->n++;
        j->bytes += w->bytes;
        pthread_cond_signal(&j->changed);
    }
    pthread_mutex_unlock(&j->mutex);
    if (has_room)
        return TDM_OK;
    tdm__free(w);
    TDM_FAIL(err, TDM_ERR_BUSY, "%d leaves wait for the journal's disk already", TDM__JOURNAL_WAITING_MAX);
}

typedef struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_done;
    tdm_status status;
} waiter;

static void wake(void *user, tdm_status status)
{
    waiter *w = user;
    pthread_mutex_lock(&w->mutex);
    w->status = status;
    w->is_done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

tdm_status tdm__journal_append_wait(tdm__journal *j, const tdm__leaf *leaf, tdm_error *err)
{
    waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    TDM_TRY(tdm__journal_append(j, leaf, wake, &w, err));
    pthread_mutex_lock(&w.mutex);
    while (!w.is_done)
        pthread_cond_wait(&w.changed, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_mutex_destroy(&w.mutex);
    pthread_cond_destroy(&w.changed);
    if (w.status < 0)
        TDM_FAIL(err, w.status, "the journal cannot be written: nothing may be answered");
    return TDM_OK;
}

tdm_status tdm__journal_erase(tdm__journal *j, const char *decision_id, size_t *n, tdm_error *err)
{
    return tdm__journal_file_erase(&j->file, decision_id, n, err);
}
