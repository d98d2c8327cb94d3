/* cmd_tokenize.c - tandem tokenize: stdin to token ids, or with --decode ids to bytes.
 *
 * The text is a user's: no bos is set before it, and the name of a control token is plain text unless --special says
 * that the caller vouches for it. Only the vocabulary of the file is read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/command.h"
#include "model/gguf.h"
#include "os/heap.h"
#include "text/tokenizer.h"

enum { INPUT_BYTES_MAX = 64 << 20 };

static tdm_status read_stdin(tdm__buf *in, tdm_error *err)
{
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, stdin)) > 0) {
        tdm_status s = tdm__buf_append(in, part, n);
        if (s == TDM_ERR_LIMIT)
            TDM_FAIL(err, s, "stdin has more than %d bytes", INPUT_BYTES_MAX);
        if (s != TDM_OK)
            TDM_FAIL(err, s, "no memory for what stdin has");
    }
    if (ferror(stdin))
        return tdm__fail_os(err, errno, "stdin");
    return TDM_OK;
}

static tdm_status print_ids(const tdm__tokenizer *t, tdm__str text, bool special, bool json, tdm_error *err)
{
    size_t cap = tdm__tokenizer_ids_max(t, text.len), n = 0;
    int32_t *ids = tdm__malloc((cap + 1) * sizeof *ids);
    uint8_t *trusted = special ? tdm__malloc(text.len + 1) : NULL;
    tdm_status s;
    if (!ids || (special && !trusted)) {
        s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for the tokens of %zu bytes", text.len);
    } else {
        if (trusted)
            memset(trusted, 1, text.len + 1);
        s = tdm__tokenizer_encode(t, text, trusted, ids, cap, &n, err);
    }
    if (s == TDM_OK) {
        if (json)
            putchar('[');
        for (size_t i = 0; i < n; i++)
            printf("%s%" PRId32, i == 0 ? "" : json ? "," : " ", ids[i]);
        printf("%s\n", json ? "]" : "");
    }
    tdm__free(trusted);
    tdm__free(ids);
    return s;
}

/* The ids may be separated by white space and by what a JSON array has. */
static tdm_status print_text(const tdm__tokenizer *t, tdm__str in, bool special, tdm_error *err)
{
    size_t i = 0, n = 0;
    bool begun = false;
    for (;;) {
        while (i < in.len && strchr(" \t\r\n,[]", in.ptr[i]) && in.ptr[i] != '\0')
            i++;
        if (i == in.len)
            return TDM_OK;
        uint64_t id = 0;
        size_t from = i;
        for (; i < in.len && in.ptr[i] >= '0' && in.ptr[i] <= '9' && id <= INT32_MAX; i++)
            id = id * 10 + (uint64_t)(in.ptr[i] - '0');
        if (i == from)
            TDM_FAIL(err, TDM_ERR_FORMAT, "stdin, byte %zu: a token id is expected", from);
        if (id >= tdm__tokenizer_vocab_size(t))
            TDM_FAIL(err, TDM_ERR_FORMAT, "stdin, id %zu is beyond the vocabulary of %zu tokens", n,
                     tdm__tokenizer_vocab_size(t));
        tdm__str piece = tdm__tokenizer_piece(t, (int32_t)id, special);
        bool control = tdm__tokenizer_is_control(t, (int32_t)id);
        bool first = !begun && !control && piece.len > 0;
        begun = begun || first;
        if (first && piece.ptr[0] == ' ' && tdm__tokenizer_adds_space(t))
            piece = (tdm__str){piece.ptr + 1, piece.len - 1}; /* the one that encode set there */
        fwrite(piece.ptr, 1, piece.len, stdout);
        n++;
    }
}

int tdm__cmd_tokenize(int argc, char **argv)
{
    const char *model = NULL;
    bool special = false, decode = false;
    const tdm__option rows[] = {
        {"-m", "MODEL", "path, catalogue name or unique prefix of one; a vocabulary is enough", TDM__OPTION_TEXT,
         &model, 0, 0},
        {"--special", NULL, "names of control tokens stand for the tokens", TDM__OPTION_FLAG, &special, 0, 0},
        {"--decode", NULL, "stdin has ids, stdout gets their bytes", TDM__OPTION_FLAG, &decode, 0, 0},
        {NULL, NULL, NULL, TDM__OPTION_FLAG, NULL, 0, 0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("tokenize", "-m MODEL [--special] [--decode] [--json]", rows, argc, argv, &common, args, 0,
                            &n_args, &code))
        return code;
    if (!model)
        return tdm__command_usage("tokenize", "-m MODEL is missing");
    tdm_error err = {0};
    char path[4096];
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    tdm__buf in;
    tdm__buf_init(&in, INPUT_BYTES_MAX);
    tdm_status s = tdm__command_model_path(&common, model, path, sizeof path, &err);
    if (s == TDM_OK)
        s = tdm__gguf_open(path, &g, &err);
    if (s == TDM_OK)
        s = tdm__tokenizer_create(g, &t, &err);
    if (s == TDM_OK)
        s = read_stdin(&in, &err);
    if (s == TDM_OK)
        s = decode ? print_text(t, tdm__buf_str(&in), special, &err)
                   : print_ids(t, tdm__buf_str(&in), special, common.json, &err);
    tdm__buf_fini(&in);
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("tokenize", &err);
}
