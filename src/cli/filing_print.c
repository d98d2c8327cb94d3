/* filing_print.c - a case on a terminal. The texts in it have no control characters: what is signed cannot. */
#include <stdio.h>

#include "cli/filing_options.h"

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* "DEMO-CAC", or the beginning of a key that nobody vouches for. */
static void print_signer(const json_t *of)
{
    const json_t *signer = json_object_get(of, "signer");
    const char *id = text_at(signer, "id");
    if (*id)
        printf("%s", id);
    else
        printf("key %.16s..", text_at(signer, "key"));
}

static void print_words(const json_t *words)
{
    size_t i;
    json_t *one;
    json_array_foreach(words, i, one) printf("%s%s", i > 0 ? ", " : "", json_string_value(one));
}

static void print_models(const json_t *view)
{
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(view, "models"), i, m)
    {
        if (*text_at(m, "partner"))
            printf("model      %s of %s, declared on %s\n", text_at(m, "model"), text_at(m, "partner"),
                   text_at(m, "date"));
        else
            printf("model      %s, the maker's own, sha256 %s\n", text_at(m, "model"), text_at(m, "sha256"));
    }
}

static void print_documents(const json_t *of)
{
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(of, "documents"), i, d)
        printf("             %s, %lld bytes, sha256 %s\n", text_at(d, "name"),
               (long long)json_integer_value(json_object_get(d, "bytes")), text_at(d, "sha256"));
}

static void print_section(const json_t *view, const char *name)
{
    const json_t *section = json_object_get(json_object_get(view, "sections"), name);
    printf("%-10s %s: ", name, text_at(json_object_get(view, "filers"), name));
    if (json_is_null(section)) {
        printf("section not submitted\n");
        return;
    }
    printf("submitted on %s by ", text_at(section, "submitted"));
    print_signer(section);
    printf("\n");
    print_documents(section);
}

static void print_questions(const json_t *view)
{
    size_t i;
    json_t *q;
    json_array_foreach(json_object_get(view, "questions"), i, q)
    {
        const json_t *answer = json_object_get(q, "answer");
        printf("question   %s\n", text_at(q, "text"));
        if (json_is_null(answer))
            printf("           not answered\n");
        else
            printf("answer     %s\n", text_at(answer, "text"));
        print_documents(answer);
    }
}

static void print_verdict(const json_t *view)
{
    const json_t *verdict = json_object_get(view, "verdict"), *withdrawal = json_object_get(view, "withdrawal");
    size_t i;
    json_t *one;
    if (!json_is_null(verdict)) {
        printf("verdict    %s on %s by ", text_at(verdict, "action"), text_at(verdict, "at"));
        print_signer(verdict);
        printf("%s%s%s%s%s\n", *text_at(verdict, "expires") ? ", until " : "", text_at(verdict, "expires"),
               json_is_true(json_object_get(verdict, "hypothetical")) ? ", hypothetical" : "",
               *text_at(verdict, "text") ? ": " : "", text_at(verdict, "text"));
        json_array_foreach(json_object_get(verdict, "conditions"), i, one)
            printf("condition  %s\n", json_string_value(one));
    }
    if (!json_is_null(withdrawal)) {
        printf("withdrawal on %s by ", text_at(withdrawal, "at"));
        print_signer(withdrawal);
        printf("%s%s\n", *text_at(withdrawal, "text") ? ": " : "", text_at(withdrawal, "text"));
    }
}

void tdm__filing_print_line(const json_t *view)
{
    printf("%-24s %-4s %-12s since %s%s%s  ", text_at(view, "id"), text_at(view, "market"), text_at(view, "state"),
           text_at(view, "since"), json_is_true(json_object_get(view, "demo")) ? "  DEMO" : "",
           json_is_true(json_object_get(view, "hypothetical")) ? ", hypothetical" : "");
    print_words(json_object_get(view, "features"));
    printf("\n");
}

void tdm__filing_print(const json_t *view)
{
    size_t i;
    json_t *one;
    printf("case       %s in market %s%s\n", text_at(view, "id"), text_at(view, "market"),
           json_is_true(json_object_get(view, "demo")) ? ", a demonstration" : "");
    printf("state      %s since %s%s\n", text_at(view, "state"), text_at(view, "since"),
           json_is_true(json_object_get(view, "hypothetical")) ? ", hypothetical" : "");
    printf("features   ");
    print_words(json_object_get(view, "features"));
    printf("\n");
    print_models(view);
    print_section(view, "maker");
    print_section(view, "provider");
    print_questions(view);
    print_verdict(view);
    printf("signers    %s\n", json_is_true(json_object_get(view, "signers_checked"))
                                  ? "checked against the keyring"
                                  : "not checked: no keyring was given and no policy is installed");
    json_array_foreach(json_object_get(view, "history"), i, one)
    {
        printf("%10lld %-9s on %s by ", (long long)json_integer_value(json_object_get(one, "n")),
               text_at(one, "action"), text_at(one, "at"));
        print_signer(one);
        printf("\n");
    }
}
