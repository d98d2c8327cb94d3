/* hello.c - a conversation with a model, line by line: hello MODEL.gguf STATE-FOLDER */
#include <stdio.h>
#include <string.h>
#include <tandem/tandem.h>

enum { TURNS = 64, BYTES = 16384 }; /* questions and answers, and what one of them may have */
static bool show(void *answer, const tdm_event *ev)
{
    if (ev->kind == TDM_EVENT_TEXT && fwrite(ev->text, 1, ev->text_len, stdout) == ev->text_len)
        strncat(answer, ev->text, BYTES - 1 - strlen(answer));
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    static char texts[TURNS][BYTES];
    static tdm_message messages[TURNS];
    static tdm_error err;
    tdm_runtime *rt = NULL;
    tdm_model *model = NULL;
    tdm_model_options mo = {.struct_size = sizeof mo, .path = argc > 1 ? argv[1] : NULL};
    tdm_runtime_options ro = {.struct_size = sizeof ro, .state_dir = argc > 2 ? argv[2] : NULL};
    tdm_request request = {.struct_size = sizeof request, .messages = messages};

    tdm_status s = tdm_model_open(&mo, &model, &err);
    s = s == TDM_OK ? tdm_runtime_create(&ro, &rt, &err) : s;
    s = s == TDM_OK ? tdm_runtime_serve(rt, model, NULL, &err) : s;
    for (size_t n = 0; s == TDM_OK && n + 1 < TURNS && fgets(texts[n], BYTES, stdin); n += 2) {
        messages[n] = (tdm_message){TDM_ROLE_USER, texts[n], 0};
        request.n_messages = n + 1;
        s = tdm_generate(rt, &request, &err, show, texts[n + 1]);
        messages[n + 1] = (tdm_message){TDM_ROLE_ASSISTANT, texts[n + 1], 0};
        puts("");
    }
    if (s < 0)
        fprintf(stderr, "hello: %s\n", err.msg);
    tdm_runtime_destroy(&rt);
    tdm_model_unref(&model);
    return s < 0;
}
