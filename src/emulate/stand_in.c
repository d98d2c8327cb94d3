/* stand_in.c - a stand-in's HTTP side: who may ask, what is at which path, and the faults that need no text.
 *
 * Only the own Host is taken, and an Origin must be our own page's, so that no web page that the user opens can reach
 * the model or switch faults. A fault touches the partner's interface; page, state and faults themselves always answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "emulate/emulate_internal.h"
#include "os/file.h"
#include "os/heap.h"

enum { PAGE_BYTES_MAX = 4096, CONTROL_BYTES_MAX = 1024, FAULT_PATH_MAX = 700, FAULT_NAME_MAX = 64 };

static const char type_json[] = "application/json";
static const char common_chat_path[] = "/v1/chat/completions";

void tdm__stand_in_answer(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line, int status,
                          const char *type, tdm__str body)
{
    static const tdm__http_header marks[] = {
        {"x-tandem-emulated", "true"},
        {"Cache-Control", "no-store"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
        {"Retry-After", "2"},
    };
    const size_t n_marks = status == 429 || status == 503 ? 4 : 3;
    if (line)
        tdm__request_log_put(s, line, status);
    tdm__http_respond(c, status, marks, n_marks, type, body);
}

static void refuse(tdm__stand_in *s, tdm__http_conn *c, int status, const char *code, const char *sentence)
{
    char text[512];
    const int n = snprintf(text, sizeof text,
                           "{\"error\":{\"code\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,"
                           "\"message\":\"%s\"},\"tandem_emulated\":true}",
                           code, sentence);
    tdm__stand_in_answer(s, c, NULL, status, type_json, (tdm__str){text, (size_t)n});
}

/* ---- who may ask ---- */

static bool is_own(tdm__str authority, const tdm__http_address *own)
{
    char text[80];
    snprintf(text, sizeof text, "%s:%u", own->host, (unsigned)own->port);
    if (tdm__http_name_eq(authority, text))
        return true;
    snprintf(text, sizeof text, "localhost:%u", (unsigned)own->port);
    return tdm__http_name_eq(authority, text);
}

static bool is_foreign(const tdm__stand_in *s, const tdm__http_request *q)
{
    const tdm__str scheme = TDM_STR("http://");
    size_t n;
    const tdm__str origin = tdm__http_request_field(q, "origin", &n);
    if (!is_own(q->host, &s->address) || n > 1)
        return true;
    return n == 1 && !(tdm__str_starts(origin, scheme) &&
                       is_own((tdm__str){origin.ptr + scheme.len, origin.len - scheme.len}, &s->address));
}

static bool on_head(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__stand_in *s = user;
    if (!is_foreign(s, q))
        return true;
    refuse(s, c, 403, "foreign_origin", "a stand-in answers programs of this machine and its own page only");
    return false;
}

/* ---- page, state, faults ---- */

static void answer_page(tdm__stand_in *s, tdm__http_conn *c)
{
    char page[PAGE_BYTES_MAX];
    const int n = snprintf(page, sizeof page,
                           "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                           "<title>EMULATED PARTNER %s</title></head>\n<body><h1>EMULATED PARTNER</h1>\n"
                           "<p>This stands in for <b>%s</b>. It is not %s: its text is written by this machine's own "
                           "model, and nothing leaves this machine.</p>\n"
                           "<p>requests: <b id=\"requests\">%" PRIu64 "</b></p>\n<p>fault: <b id=\"fault\">%s</b></p>\n"
                           "</body></html>\n",
                           s->vendor->name, s->vendor->name, s->vendor->name, s->n_requests,
                           tdm__emulated_fault_name(s->fault));
    tdm__stand_in_answer(s, c, NULL, 200, "text/html; charset=utf-8", (tdm__str){page, (size_t)n});
}

static void answer_json(tdm__stand_in *s, tdm__http_conn *c, const tdm__request_line *line, json_t *value)
{
    char *text = value ? tdm__json_text(value, JSON_COMPACT) : NULL;
    if (text)
        tdm__stand_in_answer(s, c, line, 200, type_json, tdm__str_from(text));
    else
        refuse(s, c, 500, "no_memory", "no memory for an answer");
    tdm__free(text);
    json_decref(value);
}

static json_t *state_of(const tdm__stand_in *s)
{
    return json_pack("{s:s, s:s, s:i, s:I, s:s}", "partner", s->vendor->id, "name", s->vendor->name, "port",
                     (int)s->address.port, "requests", (json_int_t)s->n_requests, "fault",
                     tdm__emulated_fault_name(s->fault));
}

static void answer_state(tdm__stand_in *s, tdm__http_conn *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->emulator->n_stand_ins; i++)
        json_array_append_new(all, state_of(&s->emulator->stand_ins[i]));
    answer_json(s, c, NULL, json_pack("{s:o, s:b}", "partners", all, "tandem_emulated", 1));
}

static tdm__stand_in *find_stand_in(tdm__emulator *e, const char *partner)
{
    for (size_t i = 0; i < e->n_stand_ins; i++)
        if (strcmp(e->stand_ins[i].vendor->id, partner) == 0)
            return &e->stand_ins[i];
    return NULL;
}

static void set_fault(tdm__stand_in *s, tdm__http_conn *c, tdm__str body)
{
    json_t *wish = NULL;
    const char *partner, *name;
    tdm__emulated_fault fault = TDM__EMULATED_FINE;
    tdm_error err = {0};
    tdm_status status = tdm__json_parse(body, "body", CONTROL_BYTES_MAX, &wish, &err);
    if (status == TDM_OK)
        status = tdm__json_get_str(wish, "partner", "body", &partner, &err);
    if (status == TDM_OK)
        status = tdm__json_get_str(wish, "fault", "body", &name, &err);
    tdm__stand_in *which = status == TDM_OK ? find_stand_in(s->emulator, partner) : NULL;
    if (which && (status = tdm__emulated_fault_find(name, &fault, &err)) == TDM_OK) {
        which->fault = fault;
        answer_json(s, c, NULL, state_of(which));
    } else if (status == TDM_OK) {
        refuse(s, c, 404, "no_such_partner", "no stand-in for this partner runs here");
    } else {
        refuse(s, c, 400, "bad_fault", "the body must be {partner, fault} with a known fault");
    }
    json_decref(wish);
}

/* ---- the partner's interface ---- */

static void answer_models(tdm__stand_in *s, tdm__http_conn *c)
{
    const tdm__request_line line = tdm__request_line_of("/v1/models", (tdm__str){NULL, 0});
    s->n_requests++;
    answer_json(s, c, &line,
                json_pack("{s:s, s:[{s:s, s:s, s:i, s:s+}], s:b}", "object", "list", "data", "id", "emulated", "object",
                          "model", "created", 0, "owned_by", "EMULATED ", s->vendor->id, "tandem_emulated", 1));
}

static const char *chat_path_of(const tdm__stand_in *s, tdm__str path)
{
    if (tdm__str_eq(path, tdm__str_from(s->vendor->chat_path)))
        return s->vendor->chat_path;
    return tdm__str_eq(path, TDM_STR("/v1/chat/completions")) ? common_chat_path : NULL;
}

/* The demonstration's desk reaches no other process: it leaves a note, which is looked at here. */
static void read_fault_note(tdm__stand_in *s)
{
    char path[FAULT_PATH_MAX], *name = NULL;
    size_t len = 0;
    tdm__emulated_fault fault;
    if (!s->emulator->faults_dir)
        return;
    snprintf(path, sizeof path, "%s/%s.fault", s->emulator->faults_dir, s->vendor->id);
    if (tdm__file_read(path, FAULT_NAME_MAX, &name, &len) != 0)
        return;
    while (len > 0 && name[len - 1] == '\n')
        name[--len] = '\0';
    if (tdm__emulated_fault_find(name, &fault, NULL) == TDM_OK)
        s->fault = fault;
    tdm__free(name);
}

static void answer_chat(tdm__stand_in *s, tdm__http_conn *c, const char *path, tdm__str body)
{
    static const char portal[] = "<!DOCTYPE html>\n<html><head><title>Sign in to this network</title></head>"
                                 "<body><h1>EMULATED portal</h1><p>Please sign in.</p></body></html>\n";
    const tdm__request_line line = tdm__request_line_of(path, body);
    read_fault_note(s);
    const tdm__vendor_error error = tdm__vendor_error_of(s->vendor, s->fault);
    s->n_requests++;
    if (error.body) {
        tdm__stand_in_answer(s, c, &line, error.status, type_json, tdm__str_from(error.body));
    } else if (s->fault == TDM__EMULATED_HTML) {
        tdm__stand_in_answer(s, c, &line, 200, "text/html; charset=utf-8", TDM_STR(portal));
    } else if (s->fault == TDM__EMULATED_DOWN || s->fault == TDM__EMULATED_HANG) {
        tdm__request_log_put(s, &line, 0);
        if (s->fault == TDM__EMULATED_DOWN)
            tdm__http_abort(c);
    } else {
        tdm__emulated_answer_start(s, c, &line, body);
    }
}

static bool is_json(const tdm__http_request *q)
{
    const tdm__str type = tdm__http_request_field(q, "content-type", NULL), wanted = TDM_STR("application/json");
    return type.len >= wanted.len && tdm__http_name_eq((tdm__str){type.ptr, wanted.len}, type_json);
}

static void on_request(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__stand_in *s = user;
    const bool gets = q->method == TDM__HTTP_GET, posts = q->method == TDM__HTTP_POST;
    const char *chat_path = chat_path_of(s, q->path);
    if (posts && !is_json(q))
        refuse(s, c, 415, "not_json", "the body must be sent as Content-Type: application/json");
    else if (gets && tdm__str_eq(q->path, TDM_STR("/")))
        answer_page(s, c);
    else if (gets && tdm__str_eq(q->path, TDM_STR("/emulate/state")))
        answer_state(s, c);
    else if (posts && tdm__str_eq(q->path, TDM_STR("/emulate/fault")))
        set_fault(s, c, q->body);
    else if (gets && tdm__str_eq(q->path, TDM_STR("/v1/models")))
        answer_models(s, c);
    else if (posts && chat_path)
        answer_chat(s, c, chat_path, q->body);
    else
        refuse(s, c, 404, "not_found", "there is nothing at this path of the stand-in");
}

static void on_fault(void *user, tdm__http_conn *c, const tdm__http_fault *f)
{
    tdm__stand_in *s = user;
    refuse(s, c, f->status, "bad_http", f->error.msg);
}

static void on_gone(void *user, tdm__http_conn *c)
{
    (void)user;
    if (tdm__http_conn_data(c))
        tdm__emulated_answer_gone(tdm__http_conn_data(c));
}

static void on_drained(void *user) { (void)user; }

const tdm__http_handler tdm__stand_in_handler = {.on_head = on_head,
                                                 .on_request = on_request,
                                                 .on_fault = on_fault,
                                                 .on_gone = on_gone,
                                                 .on_drained = on_drained};
