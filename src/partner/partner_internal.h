/* partner_internal.h - an answer while it is read, and what a dialect must know: two functions.
 *
 * partner.c makes the call. partner_read.c tells events, documents and foreign pages apart and keeps every bound.
 * partner_errors.c maps what vendors call their errors. openai.c is the one dialect so far. partner_key.c reads keys.
 */
#ifndef TDM_PARTNER_PARTNER_INTERNAL_H
#define TDM_PARTNER_PARTNER_INTERNAL_H

#include "base/buf.h"
#include "net/sse_reader.h"
#include "partner/partner.h"

enum {
    TDM__PARTNER_EVENT_BYTES_MAX = 1 << 20,
    TDM__PARTNER_ANSWER_BYTES_MAX = 16 << 20,
    TDM__PARTNER_CODE_MAX = 64,
};

typedef enum tdm__partner_shape {
    TDM__SHAPE_UNKNOWN = 0, /* only blanks so far */
    TDM__SHAPE_EVENTS,
    TDM__SHAPE_DOCUMENT,
} tdm__partner_shape;

typedef struct tdm__partner_dialect tdm__partner_dialect;

typedef struct tdm__partner_reading {
    const tdm__partner_call *call;
    const tdm__partner_dialect *dialect;
    tdm__partner_result *result;
    tdm__partner_shape shape;
    int http_status;     /* 0: no head yet */
    bool says_events;    /* its content type does */
    bool is_done;        /* [DONE] has come */
    bool has_refusal;    /* the model's own words that it will not */
    bool caller_ended;   /* on_text gave a negative status */
    char finish[TDM__PARTNER_CODE_MAX]; /* as the partner calls it, "": not yet */
    tdm__sse_reader events;
    tdm__buf document;
} tdm__partner_reading;

struct tdm__partner_dialect {
    const char *name;
    /* The request's body; *out is the caller's reference. */
    tdm_status (*body)(const tdm__partner_call *c, json_t **out, tdm_error *err);
    /* One event's document, or the whole answer; it has no error in it. */
    tdm_status (*take)(tdm__partner_reading *r, const json_t *document, bool is_whole, tdm_error *err);
};

extern const tdm__partner_dialect tdm__partner_openai;

/* Notes the fault, writes the sentence after the partner's id, and gives the status that goes with it. */
__attribute__((format(printf, 5, 6))) tdm_status tdm__partner_fail(const tdm__partner_call *c,
                                                                   tdm__partner_result *result,
                                                                   tdm__partner_fault fault, tdm_error *err,
                                                                   const char *fmt, ...);

/* partner_read.c: the two callbacks of the transfer, and the end of a transfer that went well. */
void tdm__partner_reading_init(tdm__partner_reading *r);
void tdm__partner_reading_fini(tdm__partner_reading *r);
tdm_status tdm__partner_on_head(void *reading, int http_status, const char *content_type, tdm_error *err);
tdm_status tdm__partner_on_bytes(void *reading, tdm__str bytes, tdm_error *err);
tdm_status tdm__partner_read_end(tdm__partner_reading *r, tdm_error *err);

/* partner_errors.c: whether a document reports an error; then *fault is what it comes to and code has what the partner
 * calls it (plain characters only), never its message, which may repeat the question. */
bool tdm__partner_find_error(const tdm__partner_profile *p, int http_status, const json_t *document,
                             tdm__partner_fault *fault, char code[TDM__PARTNER_CODE_MAX]);
tdm__partner_fault tdm__partner_fault_of_http(int http_status);
/* 0: a name that nobody knows. */
int tdm__partner_finish_of(const tdm__partner_profile *p, const char *name);
/* The begin of a foreign name: letters, digits and . _ - : / as they are, '?' for others. */
void tdm__partner_plain(const char *text, char *out, size_t cap);

/* partner_key.c: "env:NAME" or "file:/PATH" to a header line; wipe it with tdm__partner_key_wipe. ERR_NOT_FOUND,
 * ERR_INVAL (a file others may read, a key with blanks); sentences have the reference, never the key. */
enum { TDM__KEY_LINE_BYTES = 4096 + 32 };
tdm_status tdm__partner_key_line(const char *key_ref, char out[TDM__KEY_LINE_BYTES], tdm_error *err);
void tdm__partner_key_wipe(char line[TDM__KEY_LINE_BYTES]);

#endif
