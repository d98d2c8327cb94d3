/* partner_read.c - an answer's bytes: events, one document, or a page that is no answer at all.
 *
 * The first byte that is no blank tells which: gateways and captive portals lie in their content type, and vendors send
 * blank lines before a document while they think. Each event is parsed by itself within its bound; a document is
 * collected within the answer's. What is neither is NOT_API, unless HTTP's status says more.
 */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "partner/partner_internal.h"

void tdm__partner_reading_init(tdm__partner_reading *r)
{
    tdm__sse_reader_init(&r->events, TDM__PARTNER_EVENT_BYTES_MAX);
    tdm__buf_init(&r->document, TDM__PARTNER_ANSWER_BYTES_MAX);
}

void tdm__partner_reading_fini(tdm__partner_reading *r)
{
    tdm__sse_reader_fini(&r->events);
    tdm__buf_fini(&r->document);
}

tdm_status tdm__partner_on_head(void *reading, int http_status, const char *content_type, tdm_error *err)
{
    (void)err;
    static const char events[] = "text/event-stream";
    tdm__partner_reading *r = reading;
    r->http_status = http_status;
    r->says_events = strncmp(content_type, events, sizeof events - 1) == 0;
    return TDM_OK;
}

/* ---- documents ---- */

static tdm_status fail_by_error(tdm__partner_reading *r, tdm__partner_fault fault, const char *code, tdm_error *err)
{
    const int http = r->http_status;
    return tdm__partner_fail(r->call, r->result, fault, err, "it answers with an error: status %d, code %s", http,
                             code[0] ? code : "none");
}

static tdm_status take_document(tdm__partner_reading *r, tdm__str bytes, bool is_whole, tdm_error *err)
{
    json_t *d = NULL;
    tdm_error why = {0};
    tdm__partner_fault fault;
    char code[TDM__PARTNER_CODE_MAX];
    tdm_status s = tdm__json_parse(bytes, is_whole ? "answer" : "event", TDM__PARTNER_ANSWER_BYTES_MAX, &d, &why);
    if (s == TDM_ERR_NOMEM)
        TDM_FAIL(err, s, "%s", why.msg);
    if (s != TDM_OK)
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_NOT_API, err, "%s", why.msg);
    if (!json_is_object(d))
        s = tdm__partner_fail(r->call, r->result, TDM__PARTNER_NOT_API, err, "what it sends is JSON and no object");
    else if (tdm__partner_find_error(r->call->profile, r->http_status, d, &fault, code))
        s = fail_by_error(r, fault, code, err);
    else
        s = r->dialect->take(r, d, is_whole, err);
    json_decref(d);
    return s;
}

static tdm_status event_came(void *user, tdm__str data, tdm_error *err)
{
    tdm__partner_reading *r = user;
    if (tdm__str_eq(data, TDM_STR("[DONE]"))) {
        r->is_done = true;
        return TDM_END;
    }
    return data.len > 0 ? take_document(r, data, false, err) : TDM_OK;
}

/* ---- bytes ---- */

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* Neither events nor JSON: what the status says when it says something about the partner, else a page. */
static tdm_status fail_as_foreign(tdm__partner_reading *r, const char *what, tdm_error *err)
{
    const tdm__partner_fault by_http = tdm__partner_fault_of_http(r->http_status);
    const bool http_knows = by_http == TDM__PARTNER_SERVER || by_http == TDM__PARTNER_RATE;
    return tdm__partner_fail(r->call, r->result, http_knows ? by_http : TDM__PARTNER_NOT_API, err,
                             "it answers with %s (status %d), not with its API", what, r->http_status);
}

static tdm_status find_shape(tdm__partner_reading *r, tdm__str *bytes, tdm_error *err)
{
    while (bytes->len > 0 && is_blank(bytes->ptr[0]))
        *bytes = (tdm__str){bytes->ptr + 1, bytes->len - 1};
    if (bytes->len == 0)
        return TDM_OK;
    const char c = bytes->ptr[0];
    if (c == '{') {
        r->shape = TDM__SHAPE_DOCUMENT;
        return TDM_OK;
    }
    if (c == '<')
        return fail_as_foreign(r, "an HTML page", err);
    if (!r->says_events && !memchr("deir:", c, 5))
        return fail_as_foreign(r, "plain bytes", err);
    r->shape = TDM__SHAPE_EVENTS;
    return TDM_OK;
}

tdm_status tdm__partner_on_bytes(void *reading, tdm__str bytes, tdm_error *err)
{
    tdm__partner_reading *r = reading;
    if (r->shape == TDM__SHAPE_UNKNOWN)
        TDM_TRY(find_shape(r, &bytes, err));
    if (r->shape == TDM__SHAPE_DOCUMENT) {
        tdm_status s = tdm__buf_append_str(&r->document, bytes);
        return s == TDM_OK ? s : tdm__fail(err, s, "no room for a partner's answer");
    }
    if (r->shape == TDM__SHAPE_UNKNOWN)
        return TDM_OK;
    tdm_status s = tdm__sse_reader_feed(&r->events, bytes, event_came, r, err);
    if (s == TDM_ERR_LIMIT && r->result->fault == TDM__PARTNER_FINE && !r->caller_ended)
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_TOO_LONG, err, "an event is longer than %d bytes",
                                 TDM__PARTNER_EVENT_BYTES_MAX);
    return s;
}

/* ---- the end ---- */

/* What the finish comes to. A name that nobody knows is no good end. */
static tdm_status judge_finish(tdm__partner_reading *r, tdm_error *err)
{
    const int finish = tdm__partner_finish_of(r->call->profile, r->finish);
    const char *name = finish == TDM__PARTNER_FINISH_STOP       ? "stop"
                       : finish == TDM__PARTNER_FINISH_LENGTH   ? "length"
                       : finish == TDM__PARTNER_FINISH_FILTERED ? "content_filter"
                                                        : r->finish;
    tdm__partner_plain(name, r->result->finish, sizeof r->result->finish);
    if (finish == TDM__PARTNER_FINISH_FILTERED || (r->has_refusal && finish == TDM__PARTNER_FINISH_STOP))
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_REFUSED, err, "its own rules ended the answer");
    if (finish != TDM__PARTNER_FINISH_STOP && finish != TDM__PARTNER_FINISH_LENGTH)
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_CUT, err,
                                 "the answer ends with finish_reason '%s', which is no end", r->finish);
    return TDM_OK;
}

tdm_status tdm__partner_read_end(tdm__partner_reading *r, tdm_error *err)
{
    tdm_status s = TDM_OK;
    if (r->shape == TDM__SHAPE_EVENTS && !r->is_done)
        s = tdm__sse_reader_end(&r->events, event_came, r, err);
    else if (r->shape == TDM__SHAPE_DOCUMENT)
        s = take_document(r, tdm__buf_str(&r->document), true, err);
    if (s < 0)
        return s;
    if (r->finish[0])
        return judge_finish(r, err);
    const tdm__partner_fault by_http = tdm__partner_fault_of_http(r->http_status);
    if (by_http != TDM__PARTNER_FINE)
        return fail_by_error(r, by_http, "", err);
    return tdm__partner_fail(r->call, r->result, TDM__PARTNER_CUT, err, "the answer ended before its end mark");
}
