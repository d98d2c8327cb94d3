/* emulate_internal.h - the emulator, its stand-ins, and one answer of theirs.
 *
 * vendors.c is the table of partners and of what their errors look like. stand_in.c is the HTTP side of a stand-in.
 * emulated_answer.c is a question from its body to the last byte; emulated_json.c and emulated_frames.c have its
 * shapes. request_log.c proves who was asked. emulate.c puts them up and takes them down. All but the inbox of an
 * answer belongs to the thread of the loop.
 */
#ifndef TDM_EMULATE_EMULATE_INTERNAL_H
#define TDM_EMULATE_EMULATE_INTERNAL_H

#include "base/buf.h"
#include "base/sha256.h"
#include "emulate/emulate.h"
#include "net/http_server.h"

typedef enum tdm__emulated_fault {
    TDM__EMULATED_FINE = 0,
    TDM__EMULATED_DOWN,        /* takes the request and closes without a byte */
    TDM__EMULATED_SLOW,        /* first text after 3 s, then some each 0.7 s */
    TDM__EMULATED_CUT,         /* the connection ends after the first text */
    TDM__EMULATED_HTML,        /* a portal's page with status 200 */
    TDM__EMULATED_RATE,
    TDM__EMULATED_QUOTA,
    TDM__EMULATED_FILTER,
    TDM__EMULATED_TERRITORY,
    TDM__EMULATED_HANG,        /* takes the request and never answers */
    TDM__EMULATED_SPLIT_UTF8,  /* every character of several bytes lies in two pieces */
    TDM__EMULATED_GIANT_EVENT, /* one event of 2 MiB */
    TDM__EMULATED_SERVER,
    TDM__EMULATED_FAULTS,
} tdm__emulated_fault;

/* "down"; "none" for FINE. */
const char *tdm__emulated_fault_name(tdm__emulated_fault f);
tdm_status tdm__emulated_fault_find(const char *name, tdm__emulated_fault *out, tdm_error *err);

typedef struct tdm__vendor_error {
    int status;
    const char *body; /* a JSON object */
} tdm__vendor_error;

typedef struct tdm__vendor {
    const char *id, *name;
    uint16_t port;
    const char *chat_path; /* beside /v1/chat/completions */
    tdm__vendor_error rate, quota, filter;
} tdm__vendor;

extern const tdm__vendor tdm__vendors[];
extern const size_t tdm__n_vendors;
const tdm__vendor *tdm__vendor_find(const char *id); /* NULL when there is none */

/* The error that a fault is answered with; body NULL for a fault that is something else. */
tdm__vendor_error tdm__vendor_error_of(const tdm__vendor *v, tdm__emulated_fault f);

typedef struct tdm__emulator tdm__emulator;
typedef struct tdm__emulated_answer tdm__emulated_answer;

typedef struct tdm__stand_in {
    tdm__emulator *emulator;
    const tdm__vendor *vendor;
    tdm__http_address address;
    tdm__http_server *server;
    tdm__emulated_fault fault;
    uint64_t n_requests; /* of the partner's interface, whatever came of them */
} tdm__stand_in;

struct tdm__emulator {
    tdm__stand_in stand_ins[TDM__EMULATED_MAX];
    size_t n_stand_ins;
    const char *faults_dir; /* NULL: none */
    tdm__loop *loop;
    tdm__device *device;
    tdm__service *service;
    tdm__emulated_answer *answers; /* list */
    int log_fd;                    /* -1: none */
};

/* ---- request_log.c ---- */

/* One request as the log has it. */
typedef struct tdm__request_line {
    const char *path; /* static */
    size_t n_bytes;   /* of its body */
    char sha256[TDM__SHA256_TEXT];
} tdm__request_line;

tdm__request_line tdm__request_line_of(const char *path, tdm__str body);
tdm_status tdm__request_log_open(const char *path, int *fd, tdm_error *err);
/* status 0: no answer was given. */
void tdm__request_log_put(const tdm__stand_in *s, const tdm__request_line *line, int status);

/* ---- stand_in.c ---- */

extern const tdm__http_handler tdm__stand_in_handler; /* user: the stand-in */
/* A whole answer with the mark in its header, logged when line is given. */
void tdm__stand_in_answer(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line, int status,
                          const char *type, tdm__str body);

/* ---- emulated_answer.c ---- */

/* Takes the question in body over, under the stand-in's present fault. */
void tdm__emulated_answer_start(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line, tdm__str body);
void tdm__emulated_answer_gone(tdm__emulated_answer *a);
/* After the service is gone: all that are left. */
void tdm__emulated_answers_free(tdm__emulator *e);

/* ---- emulated_json.c ---- */

typedef struct tdm__emulated_question {
    json_t *messages; /* {role, content: string} only; owned */
    char model[128];
    bool stream, include_usage;
    size_t max_tokens;
} tdm__emulated_question;

/* ERR_INVAL names the member. */
tdm_status tdm__emulated_question_read(tdm__str body, tdm__emulated_question *out, tdm_error *err);

/* One chunk of a stream, or a whole answer with finish; NULL: no memory, or text is no UTF-8. finish NULL: not yet. */
json_t *tdm__emulated_chunk(const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text, const char *finish);
json_t *tdm__emulated_whole(const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text, const char *finish,
                            const tdm__job_timings *t);
/* The last chunk: usage beside empty choices. */
json_t *tdm__emulated_usage(const tdm__emulated_question *q, int64_t at_unix_s, const tdm__job_timings *t);

/* ---- emulated_frames.c ---- */

/* Adds the value as an event; it is given up. */
tdm_status tdm__emulated_frame(tdm__buf *out, json_t *value);
tdm_status tdm__emulated_frame_text(tdm__buf *out, const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text);
tdm_status tdm__emulated_frame_giant(tdm__buf *out, const tdm__emulated_question *q, int64_t at_unix_s);
/* What every text begins with. */
tdm_status tdm__emulated_put_mark(const tdm__vendor *v, tdm__emulated_fault fault, tdm__buf *out);
/* Writes s so that every character of several bytes comes in two pieces. */
tdm_status tdm__emulated_write_split(tdm__http_conn *c, tdm__str s);

#endif
