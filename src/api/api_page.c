/* api_page.c - the phone's page: embedded, and told once which stage may frame it and talk to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/console.h"
#include "base/error.h"
#include "os/heap.h"

enum { PAGE_BYTES_MAX = 1 << 20, POLICY_BYTES_MAX = 8192 };

static const char stage_place[] = "{{STAGE}}", ancestors_place[] = "frame-ancestors 'none'";

/* text with the one place filled, malloc'd; text alone where the place is not. */
static tdm_status fill(tdm__str text, const char *place, const char *with, size_t bytes_max, char **out, size_t *len,
                       tdm_error *err)
{
    tdm__buf b;
    const size_t place_len = strlen(place);
    tdm__buf_init(&b, bytes_max);
    size_t at = 0;
    while (at + place_len <= text.len && memcmp(text.ptr + at, place, place_len) != 0)
        at++;
    const bool found = at + place_len <= text.len;
    const size_t before = found ? at : text.len, after = found ? at + place_len : text.len;
    tdm_status s = tdm__buf_append(&b, text.ptr, before);
    if (s == TDM_OK && found)
        s = tdm__buf_append_z(&b, with);
    if (s == TDM_OK)
        s = tdm__buf_append(&b, text.ptr + after, text.len - after);
    if (s != TDM_OK) {
        tdm__buf_fini(&b);
        TDM_FAIL(err, s, "the page does not fit into %zu bytes", bytes_max);
    }
    *out = b.ptr; /* the buffer's memory is malloc's; it is the page's from here on */
    *len = b.len;
    return TDM_OK;
}

tdm_status tdm__api_page_open(tdm__api *api, const char *stage, tdm_error *err)
{
    char ancestors[96] = "frame-ancestors 'none'";
    size_t policy_len = 0;
    if (stage)
        snprintf(ancestors, sizeof ancestors, "frame-ancestors %s", stage);
    TDM_TRY(fill((tdm__str){(const char *)tdm__console_page, tdm__console_page_len}, stage_place, stage ? stage : "",
                 PAGE_BYTES_MAX, &api->page, &api->page_len, err));
    return fill(tdm__str_from(tdm__console_csp), ancestors_place, ancestors, POLICY_BYTES_MAX, &api->page_policy,
                &policy_len, err);
}

void tdm__api_page_close(tdm__api *api)
{
    tdm__free(api->page);
    tdm__free(api->page_policy);
}

void tdm__api_page_answer(tdm__api *api, tdm__http_conn *c)
{
    const tdm__http_header headers[] = {{"Content-Security-Policy", api->page_policy},
                                        {"Referrer-Policy", "no-referrer"},
                                        {"Cross-Origin-Opener-Policy", "same-origin"},
                                        {"Cache-Control", "no-cache"}};
    tdm__api_ended_at_once(api, c, TDM__ROUTE_PAGE, 200);
    tdm__http_respond(c, 200, headers, 4, "text/html; charset=utf-8", (tdm__str){api->page, api->page_len});
}
