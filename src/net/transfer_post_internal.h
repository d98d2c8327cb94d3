/* transfer_post_internal.h - one post while it runs, shared by its walk and its options. */
#ifndef TDM_NET_TRANSFER_POST_INTERNAL_H
#define TDM_NET_TRANSFER_POST_INTERNAL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "net/transfer_post.h"

enum { TDM__HOST_MAX = 254 };

typedef struct tdm__post {
    const tdm__transfer_message *t;
    tdm__transfer_result *result;
    tdm_error *err;
    CURL *curl;
    struct curl_slist *headers, *resolved;
    char host[TDM__HOST_MAX]; /* without a dot at its end: SNI and Host have none */
    char detail[CURL_ERROR_SIZE];
    uint64_t begin_ns;
    uint64_t connected_ns;    /* 0: not yet */
    uint64_t sent_ns;         /* when bytes of the body last left */
    uint64_t heard_ns;        /* when bytes of the answer last came; 0: none yet */
    size_t n_head_bytes;
    bool head_given;
    bool has_enough;          /* a callback wants no more: a good end */
    tdm_status status;        /* what ended it from within a callback */
} tdm__post;

/* Whether host is a numeric address. */
bool tdm__host_is_address(const char *host);

/* Sets all of libcurl's options; p->host, p->headers and p->resolved are there. False: no memory. */
bool tdm__post_set_options(tdm__post *p);

/* Headers of the caller and ours, in p->headers. ERR_INVAL for one that is no header or is not the caller's. */
tdm_status tdm__post_set_headers(tdm__post *p);

/* Peer, certificate, counts, Retry-After into p->result, as far as it came. */
void tdm__post_note_result(tdm__post *p);

#endif
