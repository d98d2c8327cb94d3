/* post_once.c - one call to a partner, as a JSON document on stdin describes it; what came of it on stdout.
 *
 *   {"profile": the document of a partner profile, "messages":[..], "model":"..", "market":"..", "dns_server":"..",
 *    "decision":"..", "max_tokens":n, "cancel_after_ms":n, "ca_pem":".."}
 *
 * The profile is what `tandem policy make` signs; here nobody signs it, and a test's own authority may stand beside it.
 * Texts come piece by piece, so that a test sees whether a character was ever cut.
 */
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/clock.h"
#include "partner/partner.h"

typedef struct once {
    json_t *pieces;
    atomic_bool cancel;
    long cancel_after_ms;
    uint64_t cancelled_ns;
} once;

static tdm_status on_text(void *user, tdm__str text, tdm_error *err)
{
    (void)err;
    once *o = user;
    json_t *piece = json_stringn(text.ptr, text.len); /* NULL unless it is whole UTF-8 */
    return json_array_append_new(o->pieces, piece) == 0 ? TDM_OK : TDM_ERR_FORMAT;
}

static void *cancel_later(void *user)
{
    once *o = user;
    const struct timespec wait = {o->cancel_after_ms / 1000, o->cancel_after_ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    o->cancelled_ns = tdm__clock_ns();
    atomic_store(&o->cancel, true);
    return NULL;
}

static const char *text_of(const json_t *d, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(d, key));
    return s ? s : otherwise;
}

static void print_result(const once *o, tdm_status s, const tdm__partner_result *r, const tdm_error *err,
                         uint64_t begin_ns, uint64_t end_ns)
{
    const double after_cancel_ms = o->cancelled_ns ? (double)(end_ns - o->cancelled_ns) / 1e6 : -1;
    static const char shape[] = "{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:i, s:I, s:I, s:f, s:f, s:O}";
    json_t *out = json_pack(shape, "status", tdm_status_name(s), "fault", tdm__partner_fault_name(r->fault), "sentence",
                            s < 0 ? err->msg : "", "finish", r->finish, "model", r->model, "emulated",
                            (int)r->is_emulated, "peer", r->transfer.peer, "certificate",
                            r->transfer.certificate_sha256, "bytes_sent", (json_int_t)r->transfer.bytes_sent,
                            "bytes_received", (json_int_t)r->transfer.bytes_received, "retry_after",
                            r->transfer.retry_after_s, "tokens_in", (json_int_t)r->tokens_in, "tokens_out",
                            (json_int_t)r->tokens_out, "ms", (double)(end_ns - begin_ns) / 1e6, "after_cancel_ms",
                            after_cancel_ms, "pieces", o->pieces);
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
}

static int run(const json_t *d, const tdm__partner_profile *signed_profile)
{
    tdm__partner_profile profile = *signed_profile;
    profile.endpoint.ca_pem = text_of(d, "ca_pem", NULL);
    once o = {.pieces = json_array()};
    o.cancel_after_ms = (long)json_integer_value(json_object_get(d, "cancel_after_ms"));
    const tdm__partner_call call = {.profile = &profile,
                                    .decision_id = text_of(d, "decision", "0123456789abcdef0123456789abcdef"),
                                    .market = text_of(d, "market", "US"),
                                    .dns_server = text_of(d, "dns_server", ""),
                                    .model = text_of(d, "model", profile.model),
                                    .messages = json_object_get(d, "messages"),
                                    .max_tokens = (size_t)json_integer_value(json_object_get(d, "max_tokens")),
                                    .cancel = &o.cancel,
                                    .on_text = on_text,
                                    .user = &o};
    pthread_t canceller;
    if (o.cancel_after_ms > 0 && pthread_create(&canceller, NULL, cancel_later, &o) != 0)
        return 2;
    tdm__partner_result result;
    tdm_error err = {0};
    const uint64_t begin_ns = tdm__clock_ns();
    tdm_status s = tdm__partner_chat(&call, &result, &err);
    const uint64_t end_ns = tdm__clock_ns();
    if (o.cancel_after_ms > 0)
        pthread_join(canceller, NULL);
    print_result(&o, s, &result, &err, begin_ns, end_ns);
    json_decref(o.pieces);
    return 0;
}

int main(void)
{
    json_error_t at;
    json_t *d = json_loadf(stdin, 0, &at);
    char *text = json_dumps(json_object_get(d, "profile"), JSON_COMPACT);
    tdm__partner_profile *profile = NULL;
    tdm_error err = {0};
    signal(SIGPIPE, SIG_IGN);
    int code = 2;
    if (!text || tdm__partner_profile_create(tdm__str_from(text), &profile, &err) != TDM_OK)
        fprintf(stderr, "post_once: %s\n", text ? err.msg : "no JSON with a profile on stdin");
    else
        code = run(d, profile);
    tdm__partner_profile_destroy(profile);
    free(text);
    json_decref(d);
    return code;
}
