/* lib_options.c - structures that say their own size, and the checks of what they hold. */
#include <stdio.h>
#include <string.h>

#include "base/app_name.h"
#include "base/error.h"
#include "engine/text_stream.h"
#include "lib/lib_internal.h"

enum { OPTIONS_BYTES_MAX = 4096 }; /* beyond any version: the first member is no size */

tdm_status tdm__lib_check_null(const void *p, const char *name, tdm_error *err)
{
    if (!p)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is NULL", name);
    return TDM_OK;
}

void tdm__lib_options_default(void *options, size_t struct_size)
{
    if (!options || struct_size < sizeof(size_t))
        return;
    memset(options, 0, struct_size);
    memcpy(options, &struct_size, sizeof struct_size);
}

static tdm_status read_size(const void *given, size_t first_size, const char *name, size_t *size, tdm_error *err)
{
    memcpy(size, given, sizeof *size);
    if (*size < first_size || *size > OPTIONS_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s.struct_size is %zu, sizeof(%s) is at least %zu: the _default function sets it",
                 name, *size, name, first_size);
    return TDM_OK;
}

tdm_status tdm__lib_options_take(void *own, size_t own_size, size_t first_size, const void *given, const char *name,
                                 tdm_error *err)
{
    size_t size;
    if (!given)
        return TDM_OK;
    TDM_TRY(read_size(given, first_size, name, &size, err));
    for (size_t i = own_size; i < size; i++)
        if (((const char *)given)[i] != 0)
            TDM_FAIL(err, TDM_ERR_INVAL,
                     "%s has something at byte %zu that this version of the library does not know; it knows %zu bytes",
                     name, i, own_size);
    memcpy(own, given, size < own_size ? size : own_size);
    return TDM_OK;
}

tdm_status tdm__lib_options_give(const void *own, size_t own_size, size_t first_size, void *out, const char *name,
                                 tdm_error *err)
{
    size_t size;
    TDM_TRY(tdm__lib_check_null(out, name, err));
    TDM_TRY(read_size(out, first_size, name, &size, err));
    const size_t n = size < own_size ? size : own_size;
    memcpy((char *)out + sizeof size, (const char *)own + sizeof size, n - sizeof size);
    memset((char *)out + n, 0, size - n);
    return TDM_OK;
}

void tdm_sampling_default(tdm_sampling *s, size_t struct_size)
{
    const tdm_sampling own = {.top_p = 1, .repeat_penalty = 1};
    tdm__lib_options_default(s, struct_size);
    if (s && struct_size >= sizeof own)
        memcpy((char *)s + sizeof(size_t), (const char *)&own + sizeof(size_t), sizeof own - sizeof(size_t));
}

tdm_status tdm__lib_sampling(const tdm_sampling *sampling, tdm__sampling *out, tdm_error *err)
{
    tdm_sampling s = {0};
    *out = tdm__sampling_default();
    if (!sampling)
        return TDM_OK;
    TDM_TRY(tdm__lib_options_take(&s, sizeof s, sizeof s, sampling, "tdm_sampling", err));
    *out = (tdm__sampling){.temperature = s.temperature,
                           .top_k = s.top_k,
                           .top_p = s.top_p,
                           .min_p = s.min_p,
                           .repeat_penalty = s.repeat_penalty,
                           .presence_penalty = s.presence_penalty,
                           .frequency_penalty = s.frequency_penalty,
                           .penalty_last_n = s.penalty_last_n,
                           .seed = s.seed};
    return tdm__sampling_check(out, err);
}

tdm_status tdm__lib_cache_type(tdm_cache_type cache, tdm__kv_type *out, tdm_error *err)
{
    switch ((int)cache) {
    case TDM_CACHE_F16: *out = TDM__KV_F16; return TDM_OK;
    case TDM_CACHE_Q8: *out = TDM__KV_Q8; return TDM_OK;
    default: TDM_FAIL(err, TDM_ERR_INVAL, "cache is %d, no type of this version", (int)cache);
    }
}

tdm_status tdm__lib_n_threads(int32_t n, tdm_error *err)
{
    if (n < 0 || n > TDM__LIB_THREADS_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "n_threads is %d, 0 to %d are allowed", (int)n, TDM__LIB_THREADS_MAX);
    return TDM_OK;
}

tdm_status tdm__lib_text(const char *text, size_t len, const char *what, tdm__str *out, tdm_error *err)
{
    if (!text && len > 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is NULL and has a length of %zu", what, len);
    *out = text ? (tdm__str){text, len > 0 ? len : strlen(text)} : (tdm__str){"", 0};
    if (memchr(out->ptr, '\0', out->len))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s has a NUL character in it", what);
    if (!tdm__text_is_utf8(*out))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is no UTF-8", what);
    return TDM_OK;
}

/* U+0000 to U+001F, U+007F to U+009F, in UTF-8. */
static bool has_control_character(tdm__str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && (unsigned char)s.ptr[i + 1] < 0xA0))
            return true;
    }
    return false;
}

tdm_status tdm__lib_app(const char *app, const char **out, tdm_error *err)
{
    tdm__str s;
    TDM_TRY(tdm__lib_text(app, 0, "app", &s, err));
    if (s.len > TDM__APP_NAME_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "app has %zu bytes, %d are the most", s.len, TDM__APP_NAME_MAX);
    if (has_control_character(s))
        TDM_FAIL(err, TDM_ERR_INVAL, "app has a control character in it");
    *out = s.ptr;
    return TDM_OK;
}

tdm_status tdm__lib_language(const char *language, const char **out, tdm_error *err)
{
    *out = language ? language : "en";
    if (strcmp(*out, "en") != 0 && strcmp(*out, "zh") != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "language is neither en nor zh");
    return TDM_OK;
}

static tdm_status append_message(json_t *all, const tdm_message *m, size_t i, size_t *n_bytes, tdm_error *err)
{
    static const char *const roles[] = {[TDM_ROLE_SYSTEM] = "system",
                                        [TDM_ROLE_USER] = "user",
                                        [TDM_ROLE_ASSISTANT] = "assistant"};
    char what[48];
    tdm__str text;
    snprintf(what, sizeof what, "the text of message %zu", i);
    if ((unsigned)m->role < TDM_ROLE_SYSTEM || (unsigned)m->role > TDM_ROLE_ASSISTANT)
        TDM_FAIL(err, TDM_ERR_INVAL, "the role of message %zu is %d, which is none", i, (int)m->role);
    TDM_TRY(tdm__lib_text(m->text, m->len, what, &text, err));
    if (text.len > TDM_MESSAGES_BYTES_MAX - *n_bytes)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the messages have more than %d bytes", TDM_MESSAGES_BYTES_MAX);
    *n_bytes += text.len;
    json_t *o = json_pack("{s:s, s:s%}", "role", roles[m->role], "content", text.ptr, text.len);
    if (!o || json_array_append_new(all, o) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a message");
    return TDM_OK;
}

tdm_status tdm__lib_messages(const tdm_message *messages, size_t n, json_t **out, tdm_error *err)
{
    if (!messages || n == 0 || n > TDM_MESSAGES_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu messages, 1 to %d are needed", messages ? n : 0, TDM_MESSAGES_MAX);
    json_t *all = json_array();
    size_t n_bytes = 0;
    tdm_status s = all ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a conversation");
    for (size_t i = 0; s == TDM_OK && i < n; i++)
        s = append_message(all, &messages[i], i, &n_bytes, err);
    if (s != TDM_OK) {
        json_decref(all);
        return s;
    }
    *out = all;
    return TDM_OK;
}
