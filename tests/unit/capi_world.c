/* capi_world.c - files and folders for tests of the C library. */
#include "capi_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tiny_model.h"

void capi_world_init(capi_world *w)
{
    tdm__temp_folder_make(w->folder);
    snprintf(w->qwen, sizeof w->qwen, "%s/tiny-qwen.gguf", w->folder);
    snprintf(w->llama, sizeof w->llama, "%s/tiny-llama.gguf", w->folder);
    snprintf(w->broken, sizeof w->broken, "%s/broken.gguf", w->folder);
    snprintf(w->mute, sizeof w->mute, "%s/mute.gguf", w->folder);
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2"}, w->qwen);
    tdm__tiny_write(&(tdm__tiny_options){.arch = "llama"}, w->llama);
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2", .broken = true}, w->broken);
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2", .chat_template = ""}, w->mute);
}

void capi_world_fini(capi_world *w) { tdm__temp_folder_remove(w->folder); }

tdm_runtime *capi_world_runtime(const capi_world *w, const char *name, const char *path, size_t n_parallel)
{
    char state[192];
    tdm_error err = {0};
    tdm_runtime *rt = NULL;
    tdm_model *m = NULL;
    tdm_runtime_options ro;
    tdm_model_options mo;
    tdm_serve_options so;
    snprintf(state, sizeof state, "%s/%s", w->folder, name);
    tdm_runtime_options_default(&ro, sizeof ro);
    ro.state_dir = state;
    tdm_model_options_default(&mo, sizeof mo);
    mo.path = path;
    tdm_serve_options_default(&so, sizeof so);
    so.n_parallel = so.n_queue = n_parallel;
    so.n_threads = 2;
    if (tdm_runtime_create(&ro, &rt, &err) != TDM_OK || tdm_model_open(&mo, &m, &err) != TDM_OK ||
        tdm_runtime_serve(rt, m, &so, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm_model_unref(&m);
    return rt;
}

void capi_question_init(capi_question *q, const char *text, size_t max_tokens)
{
    q->message = (tdm_message){.role = TDM_ROLE_USER, .text = text};
    tdm_request_default(&q->request, sizeof q->request);
    q->request.messages = &q->message;
    q->request.n_messages = 1;
    q->request.max_tokens = max_tokens;
}

char *capi_collect(tdm_gen *g, tdm_status *status, char *kinds, tdm_error *err)
{
    size_t n = 0, n_kinds = 0;
    char *text = calloc(1, 1);
    const tdm_event *ev;
    while ((*status = tdm_gen_next(g, &ev, -1, err)) == TDM_OK) {
        assert_non_null(ev->decision_id);
        if (kinds && n_kinds < 63)
            kinds[n_kinds++] = ev->kind == TDM_EVENT_DECISION ? 'D' : ev->kind == TDM_EVENT_TEXT ? 'T' : 'E';
        text = realloc(text, n + ev->text_len + 1);
        assert_non_null(text);
        if (ev->text_len > 0)
            memcpy(text + n, ev->text, ev->text_len + 1);
        n += ev->text_len;
    }
    if (kinds)
        kinds[n_kinds] = '\0';
    return text;
}

char *capi_answer(tdm_runtime *rt, const char *text, size_t max_tokens)
{
    capi_question q;
    tdm_gen *g = NULL;
    tdm_error err = {0};
    tdm_status s;
    capi_question_init(&q, text, max_tokens);
    if (tdm_gen_start(rt, &q.request, &g, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    char *answer = capi_collect(g, &s, NULL, &err);
    if (s != TDM_END)
        fail_msg("%s", err.msg);
    tdm_gen_destroy(&g);
    return answer;
}
