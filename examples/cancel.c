/* cancel.c - an answer that another thread ends: cancel MODEL.gguf STATE-FOLDER QUESTION MILLISECONDS
 *
 * tdm_gen_cancel is legal from any thread until destroy begins; the thread that pulls then sees DONE, and END.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tandem/tandem.h>
#include <time.h>

typedef struct timer {
    tdm_gen *gen;
    long ms;
} timer;

static void *wait_and_cancel(void *user)
{
    const timer *t = user;
    nanosleep(&(struct timespec){.tv_sec = t->ms / 1000, .tv_nsec = t->ms % 1000 * 1000000}, NULL);
    tdm_gen_cancel(t->gen);
    return NULL;
}

/* Prints the answer until it is over, whoever ended it. */
static tdm_status show(tdm_gen *gen, tdm_error *err)
{
    const tdm_event *ev;
    tdm_status s;
    while ((s = tdm_gen_next(gen, &ev, -1, err)) == TDM_OK) {
        if (ev->kind == TDM_EVENT_TEXT)
            fwrite(ev->text, 1, ev->text_len, stdout);
        if (ev->kind == TDM_EVENT_DONE)
            printf("\n(%s after %zu tokens)\n", ev->end == TDM_END_CANCELLED ? "cancelled" : "finished",
                   ev->timings.n_generated);
        fflush(stdout);
    }
    return s;
}

static tdm_status ask(tdm_runtime *rt, const char *question, long ms, tdm_error *err)
{
    const tdm_message message = {.role = TDM_ROLE_USER, .text = question};
    tdm_request r;
    timer t = {.ms = ms};
    pthread_t thread;
    tdm_request_default(&r, sizeof r);
    r.messages = &message;
    r.n_messages = 1;
    tdm_status s = tdm_gen_start(rt, &r, &t.gen, err);
    if (s != TDM_OK)
        return s;
    const int rc = pthread_create(&thread, NULL, wait_and_cancel, &t);
    if (rc == 0)
        s = show(t.gen, err);
    if (rc == 0)
        pthread_join(thread, NULL); /* before destroy */
    tdm_gen_destroy(&t.gen);
    return rc == 0 ? s : TDM_ERR_NOMEM;
}

int main(int argc, char **argv)
{
    tdm_error err = {0};
    tdm_runtime *rt = NULL;
    tdm_model *model = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    if (argc != 5) {
        fprintf(stderr, "usage: cancel MODEL.gguf STATE-FOLDER QUESTION MILLISECONDS\n");
        return 2;
    }
    tdm_model_options_default(&mo, sizeof mo);
    tdm_runtime_options_default(&ro, sizeof ro);
    mo.path = argv[1];
    ro.state_dir = argv[2];
    tdm_status s = tdm_model_open(&mo, &model, &err);
    if (s == TDM_OK)
        s = tdm_runtime_create(&ro, &rt, &err);
    if (s == TDM_OK)
        s = tdm_runtime_serve(rt, model, NULL, &err);
    if (s == TDM_OK)
        s = ask(rt, argv[3], strtol(argv[4], NULL, 10), &err);
    if (s < 0)
        fprintf(stderr, "cancel: %s\n", err.msg);
    tdm_runtime_destroy(&rt);
    tdm_model_unref(&model);
    return s < 0;
}
