/* test_journal.c - what is promised is there: after a crash at every byte, on a full disk, under kill -9; and what was
 * changed by a fault or a hand is seen. Commitments are checked against libsodium's HMAC; it uses OpenSSL's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/journal.h"
#include "audit/journal_internal.h"
#include "base/hex.h"
#include "os/file.h"

static const char canary[] = "the-user's-own-words-7f3a";

/* Linked with --wrap=fdatasync: counted, failed, or held. The disk itself is left in peace: no test here cuts the
 * power, and a killed process's writes stay without it. */
static int n_syncs, sync_error;
static pthread_mutex_t sync_gate = PTHREAD_MUTEX_INITIALIZER;
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    pthread_mutex_lock(&sync_gate);
    pthread_mutex_unlock(&sync_gate);
    __atomic_add_fetch(&n_syncs, 1, __ATOMIC_RELAXED);
    (void)fd;
    errno = __atomic_load_n(&sync_error, __ATOMIC_RELAXED);
    return errno == 0 ? 0 : -1;
}

typedef struct folder {
    char path[64];
} folder;

static folder folder_make(void)
{
    folder f = {"/tmp/tandem-journal-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    return f;
}

static const char *part(const folder *f, const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", f->path, name);
    return path;
}

static void folder_remove(const folder *f)
{
    unlink(part(f, "journal"));
    unlink(part(f, "keys"));
    unlink(part(f, "lock"));
    assert_int_equal(rmdir(f->path), 0);
}

static void id_put(char id[33], unsigned n) { snprintf(id, 33, "%032x", n); }

static tdm__leaf opened(unsigned n)
{
    tdm__leaf l = {.kind = TDM__LEAF_OPENED, .at_unix_s = 1739260800 + n};
    l.decision = TDM_STR("{\"decision\":\"x\",\"market\":\"CN\"}");
    l.committed = tdm__str_from(canary);
    id_put(l.decision_id, n);
    return l;
}

static tdm__leaf closed(unsigned n)
{
    tdm__leaf l = {.kind = TDM__LEAF_CLOSED, .at_unix_s = 1739260801 + n, .outcome = TDM__OUTCOME_ANSWERED};
    l.peer = TDM_STR("127.0.0.1 00ff");
    l.bytes_out = 0x0102030405060708;
    l.committed = tdm__str_from(canary);
    id_put(l.decision_id, n);
    return l;
}

typedef struct seen {
    size_t n, n_opened, n_closed, n_lost;
    tdm__leaf_read last;
    tdm__leaf_read first;
    char decision[64];
} seen;

static tdm_status see(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    seen *s = user;
    (void)err;
    assert_int_equal(leaf->index, s->n);
    if (s->n++ == 0) {
        s->first = *leaf;
        snprintf(s->decision, sizeof s->decision, "%.*s", (int)leaf->decision.len, leaf->decision.ptr);
    }
    s->n_opened += leaf->kind == TDM__LEAF_OPENED;
    s->n_closed += leaf->kind == TDM__LEAF_CLOSED;
    s->n_lost += leaf->outcome == TDM__OUTCOME_LOST;
    s->last = *leaf;
    return TDM_OK;
}

static tdm_status look(const folder *f, seen *s, tdm_error *err)
{
    *s = (seen){0};
    return tdm__journal_read(f->path, see, s, err);
}

static tdm__journal *open_at(const folder *f)
{
    tdm__journal *j = NULL;
    tdm_error err = {0};
    if (tdm__journal_open(f->path, &j, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return j;
}

static void append(tdm__journal *j, tdm__leaf leaf)
{
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_OK);
}

typedef struct bytes {
    char *ptr;
    size_t len;
} bytes;

static bytes read_part(const folder *f, const char *name)
{
    bytes b;
    assert_int_equal(tdm__file_read(part(f, name), 1 << 24, &b.ptr, &b.len), 0);
    return b;
}

static void write_part(const folder *f, const char *name, const void *ptr, size_t len)
{
    FILE *file = fopen(part(f, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(ptr, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* A journal of two answers: opened 1, closed 1, opened 2, closed 2. */
static folder two_answers(void)
{
    folder f = folder_make();
    tdm__journal *j = open_at(&f);
    append(j, opened(1));
    append(j, closed(1));
    append(j, opened(2));
    append(j, closed(2));
    tdm__journal_close(j);
    return f;
}

static void leaves_come_back_as_they_were_written(void **state)
{
    (void)state;
    folder f = two_answers();
    seen s;
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, 4);
    assert_string_equal(s.decision, "{\"decision\":\"x\",\"market\":\"CN\"}");
    assert_string_equal(s.first.decision_id, "00000000000000000000000000000001");
    assert_int_equal(s.first.at_unix_s, 1739260801);
    assert_int_equal(s.last.outcome, TDM__OUTCOME_ANSWERED);
    assert_int_equal(s.last.bytes_out, 0x0102030405060708);
    assert_int_equal(s.last.peer.len, strlen("127.0.0.1 00ff"));
    tdm__journal *j = open_at(&f); /* the chain goes on behind what is there */
    append(j, opened(3));
    append(j, closed(3));
    tdm__journal_close(j);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, 6);
    assert_int_equal(s.n_lost, 0);
    folder_remove(&f);
}

static void no_text_of_a_user_is_in_the_files(void **state)
{
    (void)state;
    folder f = two_answers();
    static const char *const names[] = {"journal", "keys"};
    for (size_t i = 0; i < 2; i++) {
        bytes b = read_part(&f, names[i]);
        for (size_t k = 0; k + 8 <= b.len; k++)
            assert_memory_not_equal(b.ptr + k, canary, 8);
        free(b.ptr);
    }
    folder_remove(&f);
}

static void a_commitment_is_an_hmac_under_a_key_of_its_own(void **state)
{
    (void)state;
    folder f = two_answers();
    seen s;
    unsigned char expected[crypto_auth_hmacsha256_BYTES];
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    bytes keys = read_part(&f, "keys");
    assert_int_equal(keys.len, 4 * 32);
    crypto_auth_hmacsha256(expected, (const unsigned char *)canary, strlen(canary), (unsigned char *)keys.ptr);
    assert_memory_equal(expected, s.first.commitment, 32);
    assert_memory_not_equal(s.first.commitment, s.last.commitment, 32); /* of the same text */
    bool is_it = false;
    assert_int_equal(tdm__journal_check_content(f.path, &s.first, tdm__str_from(canary), &is_it, NULL), TDM_OK);
    assert_true(is_it);
    assert_int_equal(tdm__journal_check_content(f.path, &s.first, TDM_STR("other words"), &is_it, NULL), TDM_OK);
    assert_false(is_it);
    free(keys.ptr);
    folder_remove(&f);
}

static void an_erased_key_forgets_the_content_and_the_journal_still_verifies(void **state)
{
    (void)state;
    folder f = two_answers();
    seen s;
    size_t n = 0;
    bool is_it;
    char id[33];
    tdm__journal *j = open_at(&f);
    id_put(id, 1);
    assert_int_equal(tdm__journal_erase(j, id, &n, NULL), TDM_OK);
    assert_int_equal(n, 2);
    assert_int_equal(tdm__journal_erase(j, id, &n, NULL), TDM_OK); /* twice does no harm */
    id_put(id, 9);
    assert_int_equal(tdm__journal_erase(j, id, &n, NULL), TDM_ERR_NOT_FOUND);
    append(j, opened(3));
    append(j, closed(3));
    tdm__journal_close(j);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, 6);
    assert_int_equal(tdm__journal_check_content(f.path, &s.first, tdm__str_from(canary), &is_it, NULL),
                     TDM_ERR_NOT_FOUND);
    assert_int_equal(tdm__journal_check_content(f.path, &s.last, tdm__str_from(canary), &is_it, NULL), TDM_OK);
    assert_true(is_it);
    folder_remove(&f);
}

/* Where each leaf of a file begins; [n] is its end. */
static size_t starts_of(const bytes *b, size_t starts[8])
{
    size_t n = 0, at = TDM__JOURNAL_MAGIC_BYTES, len;
    while (at < b->len && tdm__leaf_length((tdm__str){b->ptr + at, b->len - at}, &len)) {
        starts[n++] = at;
        at += len;
    }
    starts[n] = at;
    return n;
}

/* Opens what a crash left; every whole leaf is there, whatever was open is closed as lost, and all verifies. */
static void check_crashed(const char *ptr, size_t len, size_t n_whole)
{
    folder f = folder_make();
    seen s;
    tdm_error err = {0};
    write_part(&f, "journal", ptr, len);
    if (look(&f, &s, &err) != TDM_OK)
        fail_msg("a tail of %zu bytes is not read: %s", len, err.msg);
    assert_int_equal(s.n, n_whole);
    tdm__journal_close(open_at(&f));
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    size_t n_lost = n_whole % 2;
    assert_int_equal(s.n, n_whole + n_lost);
    assert_int_equal(s.n_lost, n_lost);
    assert_int_equal(s.n_opened, s.n_closed);
    bytes keys = read_part(&f, "keys");
    assert_int_equal(keys.len, s.n * 32);
    free(keys.ptr);
    folder_remove(&f);
}

static void a_crash_at_every_byte_keeps_all_whole_leaves(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    size_t starts[8], n = starts_of(&b, starts);
    assert_int_equal(n, 4);
    for (size_t len = 0; len <= b.len; len++) {
        size_t n_whole = 0;
        while (n_whole < n && starts[n_whole + 1] <= len)
            n_whole++;
        check_crashed(b.ptr, len, n_whole);
    }
    free(b.ptr);
    folder_remove(&f);
}

/* The file was made longer, its last bytes never came. */
static void zeros_at_the_end_are_a_torn_tail(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    size_t starts[8];
    (void)starts_of(&b, starts);
    for (size_t from = starts[3]; from + 32 <= b.len; from++) {
        char *torn = malloc(b.len + 4096);
        assert_non_null(torn);
        memcpy(torn, b.ptr, from);
        memset(torn + from, 0, b.len + 4096 - from);
        check_crashed(torn, b.len, 3);
        if (from % 16 == 0)
            check_crashed(torn, b.len + 4096, 3);
        free(torn);
    }
    free(b.ptr);
    folder_remove(&f);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    seen s;
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        tdm_error err = {0};
        b.ptr[bit / 8] = (char)(b.ptr[bit / 8] ^ 1 << bit % 8);
        write_part(&f, "journal", b.ptr, b.len);
        if (look(&f, &s, &err) != TDM_ERR_INTEGRITY)
            fail_msg("bit %zu of byte %zu may be flipped", bit % 8, bit / 8);
        b.ptr[bit / 8] = (char)(b.ptr[bit / 8] ^ 1 << bit % 8);
    }
    free(b.ptr);
    folder_remove(&f);
}

static void a_changed_journal_is_not_opened_and_stays_as_it_is(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    size_t starts[8];
    (void)starts_of(&b, starts);
    b.ptr[starts[2] + 100] ^= 1;
    write_part(&f, "journal", b.ptr, b.len);
    tdm__journal *j = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__journal_open(f.path, &j, &err), TDM_ERR_INTEGRITY);
    assert_null(j);
    assert_non_null(strstr(err.msg, "leaf 2"));
    bytes after = read_part(&f, "journal");
    assert_int_equal(after.len, b.len);
    assert_memory_equal(after.ptr, b.ptr, b.len);
    free(after.ptr);
    free(b.ptr);
    folder_remove(&f);
}

static void a_leaf_that_is_dropped_or_swapped_is_named(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    size_t starts[8];
    seen s;
    tdm_error err = {0};
    (void)starts_of(&b, starts);
    char *other = malloc(b.len);
    assert_non_null(other);
    memcpy(other, b.ptr, starts[1]); /* leaf 1 dropped */
    memcpy(other + starts[1], b.ptr + starts[2], b.len - starts[2]);
    write_part(&f, "journal", other, b.len - (starts[2] - starts[1]));
    assert_int_equal(look(&f, &s, &err), TDM_ERR_INTEGRITY);
    assert_non_null(strstr(err.msg, "leaf 1"));
    size_t first = starts[1] - starts[0], second = starts[2] - starts[1];
    memcpy(other, b.ptr, b.len); /* 0 and 1 swapped */
    memcpy(other + starts[0], b.ptr + starts[1], second);
    memcpy(other + starts[0] + second, b.ptr + starts[0], first);
    write_part(&f, "journal", other, b.len);
    assert_int_equal(look(&f, &s, &err), TDM_ERR_INTEGRITY);
    assert_non_null(strstr(err.msg, "leaf 0"));
    free(other);
    free(b.ptr);
    folder_remove(&f);
}

/* Puts a leaf into a file of its own after change was made to it, with a digest that fits. */
static tdm_status look_at_changed(size_t insert, unsigned version, seen *s)
{
    folder f = folder_make();
    tdm__leaf_chain chain = {0};
    tdm__buf b;
    tdm__buf_init(&b, 4096);
    assert_int_equal(tdm__buf_append(&b, tdm__journal_magic, TDM__JOURNAL_MAGIC_BYTES), TDM_OK);
    tdm__leaf_read leaf = {.kind = TDM__LEAF_OPENED, .decision = TDM_STR("{}")};
    id_put(leaf.decision_id, 7);
    assert_int_equal(tdm__leaf_encode(&leaf, &chain, &b, NULL), TDM_OK);
    size_t len = b.len - TDM__JOURNAL_MAGIC_BYTES - 32;
    static const uint8_t later_field[9] = {99, 0, 3, 0, 0, 0, 'n', 'e', 'w'};
    tdm__buf_truncate(&b, b.len - 32);
    if (insert)
        assert_int_equal(tdm__buf_append(&b, later_field, sizeof later_field), TDM_OK);
    uint8_t *at = (uint8_t *)b.ptr + TDM__JOURNAL_MAGIC_BYTES, digest[32];
    len += insert ? sizeof later_field : 0;
    at[0] = (uint8_t)(len + 32);
    at[4] = (uint8_t)~at[0];
    at[8] = (uint8_t)version;
    tdm__sha256(at, len, digest);
    assert_int_equal(tdm__buf_append(&b, digest, 32), TDM_OK);
    write_part(&f, "journal", b.ptr, b.len);
    tdm_status status = look(&f, s, NULL);
    tdm__buf_fini(&b);
    unlink(part(&f, "journal"));
    assert_int_equal(rmdir(f.path), 0);
    return status;
}

static void a_later_writer_s_fields_are_passed_over_and_its_versions_are_not(void **state)
{
    (void)state;
    seen s;
    assert_int_equal(look_at_changed(0, 1, &s), TDM_OK);
    assert_int_equal(look_at_changed(1, 1, &s), TDM_OK);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.decision, "{}");
    assert_int_equal(look_at_changed(0, 2, &s), TDM_ERR_UNSUPPORTED);
}

static void one_process_writes(void **state)
{
    (void)state;
    folder f = folder_make();
    tdm__journal *j = open_at(&f), *other = NULL;
    assert_int_equal(tdm__journal_open(f.path, &other, NULL), TDM_ERR_BUSY);
    assert_null(other);
    tdm__journal_close(j);
    tdm__journal_close(open_at(&f));
    folder_remove(&f);
}

static void a_full_disk_is_an_error_and_nothing_of_the_leaf_stays(void **state)
{
    (void)state;
    folder f = two_answers();
    bytes b = read_part(&f, "journal");
    tdm__journal *j = open_at(&f);
    struct rlimit before, low;
    seen s;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    for (rlim_t room = 0; room < 200; room += 40) {
        low.rlim_cur = (rlim_t)b.len + room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        tdm__leaf leaf = opened(3);
        assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_IO);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(look(&f, &s, NULL), TDM_OK);
        assert_int_equal(s.n, 4);
    }
    append(j, opened(3)); /* there is room again */
    append(j, closed(3));
    tdm__journal_close(j);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, 6);
    free(b.ptr);
    folder_remove(&f);
}

static void after_a_failed_sync_nothing_is_taken_until_it_is_opened_anew(void **state)
{
    (void)state;
    folder f = folder_make();
    tdm__journal *j = open_at(&f);
    seen s;
    tdm__leaf leaf = opened(1);
    append(j, opened(5));
    append(j, closed(5));
    __atomic_store_n(&sync_error, EIO, __ATOMIC_RELAXED);
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_IO);
    __atomic_store_n(&sync_error, 0, __ATOMIC_RELAXED);
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_IO);
    tdm__journal_close(j);
    j = open_at(&f);
    append(j, opened(2));
    append(j, closed(2));
    tdm__journal_close(j);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n_opened, s.n_closed);
    folder_remove(&f);
}

enum { N_WRITERS = 16, N_EACH = 20 };

typedef struct writer {
    tdm__journal *j;
    unsigned first;
    pthread_t thread;
} writer;

static void *write_some(void *arg)
{
    writer *w = arg;
    for (unsigned i = 0; i < N_EACH; i++) {
        tdm__leaf a = opened(w->first + i), b = closed(w->first + i);
        if (tdm__journal_append_wait(w->j, &a, NULL) != TDM_OK || tdm__journal_append_wait(w->j, &b, NULL) != TDM_OK)
            return arg;
    }
    return NULL;
}

static void many_writers_share_a_sync(void **state)
{
    (void)state;
    folder f = folder_make();
    tdm__journal *j = open_at(&f);
    writer writers[N_WRITERS];
    seen s;
    pthread_mutex_lock(&sync_gate); /* until all have something to wait for */
    n_syncs = 0;
    for (unsigned i = 0; i < N_WRITERS; i++) {
        writers[i] = (writer){.j = j, .first = 1000 * (i + 1)};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]), 0);
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    pthread_mutex_unlock(&sync_gate);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(writers[i].thread, &failed), 0);
        assert_null(failed);
    }
    tdm__journal_close(j);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, 2 * N_WRITERS * N_EACH);
    assert_true(n_syncs < 2 * (int)s.n); /* one a leaf and file would be twice as many as leaves */
    folder_remove(&f);
}

static void count_done(void *user, tdm_status status)
{
    if (status == TDM_OK)
        __atomic_add_fetch((size_t *)user, 1, __ATOMIC_RELAXED);
}

static void too_many_waiting_leaves_are_busy_and_all_that_were_taken_are_written(void **state)
{
    (void)state;
    folder f = folder_make();
    tdm__journal *j = open_at(&f);
    seen s;
    size_t n_taken = 0, n_done = 0;
    tdm_status status;
    pthread_mutex_lock(&sync_gate);
    do {
        tdm__leaf leaf = opened((unsigned)n_taken + 1);
        status = tdm__journal_append(j, &leaf, count_done, &n_done, NULL);
        n_taken += status == TDM_OK;
    } while (status == TDM_OK && n_taken < 2 * TDM__JOURNAL_WAITING_MAX);
    assert_int_equal(status, TDM_ERR_BUSY);
    pthread_mutex_unlock(&sync_gate);
    tdm__journal_close(j);
    assert_int_equal(n_done, n_taken);
    assert_int_equal(look(&f, &s, NULL), TDM_OK);
    assert_int_equal(s.n, n_taken);
    folder_remove(&f);
}

static void what_cannot_be_a_leaf_is_refused(void **state)
{
    (void)state;
    folder f = folder_make();
    tdm__journal *j = open_at(&f);
    tdm__leaf leaf = opened(1);
    leaf.decision_id[31] = 'G';
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_INVAL);
    leaf = opened(1);
    memset(leaf.decision_id, 'a', sizeof leaf.decision_id); /* without an end */
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_INVAL);
    leaf = opened(1);
    char *big = calloc(1, TDM__LEAF_BYTES_MAX);
    assert_non_null(big);
    leaf.decision = (tdm__str){big, TDM__LEAF_BYTES_MAX};
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_LIMIT);
    leaf = opened(1);
    leaf.kind = (tdm__leaf_kind)3;
    assert_int_equal(tdm__journal_append_wait(j, &leaf, NULL), TDM_ERR_INVAL);
    free(big);
    tdm__journal_close(j);
    folder_remove(&f);
}

/* The child tells by one byte a leaf what was promised to it. */
static void child_writes(const folder *f, int fd, unsigned first)
{
    tdm__journal *j = NULL;
    if (tdm__journal_open(f->path, &j, NULL) != TDM_OK)
        _exit(1);
    for (unsigned i = 0; i < 100000; i++) {
        tdm__leaf a = opened(first + i), b = closed(first + i);
        if (tdm__journal_append_wait(j, &a, NULL) != TDM_OK || write(fd, "o", 1) != 1 ||
            tdm__journal_append_wait(j, &b, NULL) != TDM_OK || write(fd, "c", 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static void kill_9_loses_nothing_that_was_promised(void **state)
{
    (void)state;
    folder f = folder_make();
    seen s;
    size_t n_promised_opened = 0, n_promised_closed = 0;
    for (unsigned round = 0; round < 25; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_writes(&f, fds[1], round * 1000000 + 1);
        close(fds[1]);
        nanosleep(&(struct timespec){.tv_nsec = 1000000 + (long)(round * 7919 % 23) * 700000}, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        char c;
        while (read(fds[0], &c, 1) == 1) {
            n_promised_opened += c == 'o';
            n_promised_closed += c == 'c';
        }
        close(fds[0]);
        tdm__journal_close(open_at(&f));
        assert_int_equal(look(&f, &s, NULL), TDM_OK);
        assert_int_equal(s.n_opened, s.n_closed);
        assert_true(s.n_opened >= n_promised_opened && s.n_opened <= n_promised_opened + round + 1);
        assert_true(s.n_closed - s.n_lost >= n_promised_closed);
    }
    assert_true(n_promised_closed > 0);
    folder_remove(&f);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_come_back_as_they_were_written),
        cmocka_unit_test(no_text_of_a_user_is_in_the_files),
        cmocka_unit_test(a_commitment_is_an_hmac_under_a_key_of_its_own),
        cmocka_unit_test(an_erased_key_forgets_the_content_and_the_journal_still_verifies),
        cmocka_unit_test(a_crash_at_every_byte_keeps_all_whole_leaves),
        cmocka_unit_test(zeros_at_the_end_are_a_torn_tail),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(a_changed_journal_is_not_opened_and_stays_as_it_is),
        cmocka_unit_test(a_leaf_that_is_dropped_or_swapped_is_named),
        cmocka_unit_test(a_later_writer_s_fields_are_passed_over_and_its_versions_are_not),
        cmocka_unit_test(one_process_writes),
        cmocka_unit_test(a_full_disk_is_an_error_and_nothing_of_the_leaf_stays),
        cmocka_unit_test(after_a_failed_sync_nothing_is_taken_until_it_is_opened_anew),
        cmocka_unit_test(many_writers_share_a_sync),
        cmocka_unit_test(too_many_waiting_leaves_are_busy_and_all_that_were_taken_are_written),
        cmocka_unit_test(what_cannot_be_a_leaf_is_refused),
        cmocka_unit_test(kill_9_loses_nothing_that_was_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
