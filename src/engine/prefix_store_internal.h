/* prefix_store_internal.h - what prefix_store.c and prefix_find.c share. */
#ifndef TDM_ENGINE_PREFIX_STORE_INTERNAL_H
#define TDM_ENGINE_PREFIX_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/prefix_folder.h"
#include "engine/prefix_store.h"

/* What a slot lends: keys of pages next .. n - 1, of these the first n_public are public. */
typedef struct tdm__prefix_offer {
    const tdm__kv *kv;
    tdm__prefix_key *keys; /* [n_pages_max] */
    size_t next, n, n_public;
    int64_t used_ns;
} tdm__prefix_offer;

struct tdm__prefix_store {
    tdm__prefix_folder folder; /* what it counts is the writer's */
    tdm__prefix_key root;
    tdm__prefix_scope scope;
    size_t page_bytes, n_slots, n_pages_max;
    const tdm__log *log;
    uint8_t *page; /* the writer's, [page_bytes] */
    tdm__prefix_key *keys; /* of all offers */
    pthread_t writer;
    bool has_writer;
    bool has_complained; /* the writer's */
    pthread_mutex_t mutex;
    pthread_cond_t work, idle;
    tdm__prefix_offer *offers;     /* [n_slots], under mutex */
    bool is_writing;   /* under mutex: page number n_taken */
    uint64_t n_taken;  /* under mutex */
    uint64_t epoch;    /* under mutex: how often all was erased */
    bool stop;         /* under mutex */
    uint64_t stop_ns;  /* under mutex: nothing is begun after that */
    atomic_uint_fast64_t n_restored, n_written, n_dropped;
};

#endif
