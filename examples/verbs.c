/* verbs.c - typed help with a text: verbs MODEL.gguf STATE-FOLDER proofread|rewrite|summarize|reply < TEXT
 *
 * One call a text. What comes back was checked: language, names and numbers are those of the text.
 */
#include <stdio.h>
#include <string.h>
#include <tandem/tandem.h>

static tdm_verb verb_of(const char *name)
{
    static const char *const names[] = {"", "proofread", "rewrite", "summarize", "reply"};
    for (int i = 1; i < 5; i++)
        if (strcmp(name, names[i]) == 0)
            return (tdm_verb)i;
    return TDM_VERB_NONE;
}

/* A model may write U+0000, which would end a string. */
static void put(const char *text, size_t len) { fwrite(text, 1, len, stdout); }

static void show(const tdm_verb_event *done)
{
    for (size_t i = 0; i < done->n_suggestions; i++) {
        const tdm_suggestion *s = &done->suggestions[i];
        put(s->text, s->text_len);
        puts("");
        for (size_t k = 0; k < s->n_edits; k++) {
            printf("  bytes %zu to %zu become \"", s->edits[k].start, s->edits[k].end);
            put(s->edits[k].text, s->edits[k].text_len);
            puts("\"");
        }
    }
    if (done->spine.label[0] != '\0') /* what the market wants people to see */
        printf("%s\n", done->spine.label);
}

static tdm_status open_device(const char *model_path, const char *state_dir, tdm_runtime **rt, tdm_error *err)
{
    tdm_model *model = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    tdm_model_options_default(&mo, sizeof mo);
    tdm_runtime_options_default(&ro, sizeof ro);
    mo.path = model_path;
    ro.state_dir = state_dir;
    tdm_status s = tdm_runtime_create(&ro, rt, err);
    if (s == TDM_OK)
        s = tdm_model_open(&mo, &model, err);
    if (s == TDM_OK)
        s = tdm_runtime_serve(*rt, model, NULL, err);
    tdm_model_unref(&model); /* the runtime has its own reference */
    return s;
}

int main(int argc, char **argv)
{
    static char text[TDM_VERB_TEXT_BYTES_MAX + 1];
    tdm_error err = {0};
    tdm_runtime *rt = NULL;
    tdm_verb_result *result = NULL;
    tdm_verb_ask ask;
    if (argc != 4) {
        fprintf(stderr, "usage: verbs MODEL.gguf STATE-FOLDER proofread|rewrite|summarize|reply < TEXT\n");
        return 2;
    }
    tdm_verb_ask_default(&ask, sizeof ask);
    ask.verb = verb_of(argv[3]);
    ask.text = text;
    ask.text_len = fread(text, 1, sizeof text - 1, stdin);
    tdm_status s = open_device(argv[1], argv[2], &rt, &err);
    if (s == TDM_OK)
        s = tdm_verb_once(rt, &ask, &result, &err);
    if (s == TDM_OK)
        show(tdm_verb_result_get(result));
    else
        fprintf(stderr, "verbs: %s\n", err.msg);
    tdm_verb_result_destroy(&result);
    tdm_runtime_destroy(&rt);
    return s < 0;
}
