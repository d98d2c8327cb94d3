/* two_models.c - one question to two devices with a model each, at the same time, in one process and one thread:
 * two_models MODEL.gguf STATE-FOLDER MODEL.gguf STATE-FOLDER QUESTION
 *
 * Two runtimes share nothing but the process: each has its folder, its rules, its journal and its model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tandem/tandem.h>

typedef struct device {
    tdm_runtime *rt;
    tdm_gen *gen;
    char *answer;
    size_t len;
    int is_over;
} device;

static tdm_status open_device(device *d, const char *model_path, const char *state_dir, tdm_error *err)
{
    tdm_model *model = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    tdm_serve_options so;
    tdm_model_options_default(&mo, sizeof mo);
    tdm_runtime_options_default(&ro, sizeof ro);
    tdm_serve_options_default(&so, sizeof so);
    mo.path = model_path;
    ro.state_dir = state_dir;
    so.n_threads = 1;
    tdm_status s = tdm_runtime_create(&ro, &d->rt, err);
    if (s == TDM_OK)
        s = tdm_model_open(&mo, &model, err);
    if (s == TDM_OK)
        s = tdm_runtime_serve(d->rt, model, &so, err);
    tdm_model_unref(&model);
    return s;
}

static tdm_status ask(device *d, const char *question, tdm_error *err)
{
    const tdm_message message = {.role = TDM_ROLE_USER, .text = question};
    tdm_request r;
    tdm_request_default(&r, sizeof r);
    r.messages = &message;
    r.n_messages = 1;
    r.max_tokens = 60;
    return tdm_gen_start(d->rt, &r, &d->gen, err);
}

/* Takes what has come within 10 ms. */
static tdm_status look(device *d, tdm_error *err)
{
    const tdm_event *ev;
    tdm_status s = tdm_gen_next(d->gen, &ev, 10, err);
    if (s == TDM_OK && ev->kind == TDM_EVENT_TEXT) {
        char *more = realloc(d->answer, d->len + ev->text_len + 1);
        if (!more)
            return TDM_ERR_NOMEM;
        d->answer = more;
        memcpy(more + d->len, ev->text, ev->text_len + 1);
        d->len += ev->text_len;
    }
    d->is_over = s == TDM_END;
    return s;
}

int main(int argc, char **argv)
{
    device d[2] = {{0}};
    tdm_error err = {0};
    tdm_status s = TDM_OK;
    if (argc != 6) {
        fprintf(stderr, "usage: two_models MODEL.gguf STATE-FOLDER MODEL.gguf STATE-FOLDER QUESTION\n");
        return 2;
    }
    for (int i = 0; i < 2 && s >= 0; i++)
        s = open_device(&d[i], argv[1 + 2 * i], argv[2 + 2 * i], &err);
    for (int i = 0; i < 2 && s >= 0; i++)
        s = ask(&d[i], argv[5], &err);
    while (s >= 0 && !(d[0].is_over && d[1].is_over))
        for (int i = 0; i < 2 && s >= 0; i++)
            if (!d[i].is_over)
                s = look(&d[i], &err);
    if (s < 0)
        fprintf(stderr, "two_models: %s\n", err.msg);
    for (int i = 0; i < 2; i++) {
        printf("%d: ", i + 1);
        if (d[i].answer)
            fwrite(d[i].answer, 1, d[i].len, stdout);
        puts("");
        tdm_gen_destroy(&d[i].gen);
        tdm_runtime_destroy(&d[i].rt);
        free(d[i].answer);
    }
    return s < 0;
}
