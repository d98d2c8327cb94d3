/* fuzz_partner.c - a partner's answer, whole and cut: the same text, finish and fault; a failure always has its fault
 * and its sentence, a good end always a finish, and text is always whole UTF-8.
 *
 * The first byte picks HTTP's status and the content type, the rest is the body.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "partner/partner_internal.h"

typedef struct seen {
    uint64_t digest;
    tdm_status status;
    tdm__partner_result result;
} seen;

static tdm_status on_text(void *user, tdm__str text, tdm_error *err)
{
    (void)err;
    seen *s = user;
    json_t *whole = json_stringn(text.ptr, text.len);
    if (!whole || text.len == 0)
        abort();
    json_decref(whole);
    for (size_t i = 0; i < text.len; i++)
        s->digest = (s->digest ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return TDM_OK;
}

static void check(const seen *s, const tdm_error *err)
{
    const tdm__partner_result *r = &s->result;
    const bool is_good = strcmp(r->finish, "stop") == 0 || strcmp(r->finish, "length") == 0;
    if ((s->status >= 0) != (r->fault == TDM__PARTNER_FINE) || (s->status >= 0 && !is_good))
        abort();
    if (s->status < 0 && strncmp(err->msg, "fuzz: ", 6) != 0)
        abort();
    for (const char *c = r->model; *c; c++)
        if (*c < 0x20 || *c > 0x7E)
            abort();
}

static seen run(uint8_t choice, const char *bytes, size_t len, size_t step)
{
    static const int https[] = {200, 200, 200, 400, 401, 429, 451, 500};
    static const char *const types[] = {"text/event-stream", "application/json", "", "text/html"};
    static const tdm__partner_profile profile = {.id = "fuzz", .dialect = "openai"};
    seen s = {.digest = UINT64_C(0xcbf29ce484222325)};
    const tdm__partner_call call = {.profile = &profile, .on_text = on_text, .user = &s};
    tdm__partner_reading r = {.call = &call, .dialect = &tdm__partner_openai, .result = &s.result};
    tdm_error err = {0};
    tdm__partner_reading_init(&r);
    s.status = tdm__partner_on_head(&r, https[choice & 7], types[choice >> 3 & 3], &err);
    for (size_t at = 0; at < len && s.status == TDM_OK; at += step)
        s.status = tdm__partner_on_bytes(&r, (tdm__str){bytes + at, len - at < step ? len - at : step}, &err);
    if (s.status >= 0)
        s.status = tdm__partner_read_end(&r, &err);
    tdm__partner_reading_fini(&r);
    check(&s, &err);
    return s;
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    const seen whole = run(data[0], bytes, len - 1, len), odd = run(data[0], bytes, len - 1, 3);
    if (whole.digest != odd.digest || whole.status != odd.status || whole.result.fault != odd.result.fault ||
        strcmp(whole.result.finish, odd.result.finish) != 0 || strcmp(whole.result.model, odd.result.model) != 0 ||
        whole.result.is_emulated != odd.result.is_emulated || whole.result.tokens_out != odd.result.tokens_out)
        abort();
    return 0;
}
