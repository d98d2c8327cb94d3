/* make_tokenizer_corpus.c - writes the vocabularies of corpus/tokenizer: run it when they are to change.
 *
 *     make_tokenizer_corpus tests/fuzz/corpus/tokenizer
 */
#include <stdio.h>

#include "tiny_vocabulary.h"

static int write_vocabulary(const tdm__tiny_vocabulary *v, const char *folder, const char *name)
{
    char path[1024];
    tdm__maker m;
    tdm__maker_init(&m);
    tdm__tiny_vocabulary_write(v, &m);
    tdm__maker_u32(&m, "tokenizer.ggml.bos_token_id", 1);
    tdm__maker_u32(&m, "tokenizer.ggml.eos_token_id", 2);
    tdm__maker_bool(&m, "tokenizer.ggml.add_bos_token", true);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int error = tdm__maker_write(&m, path);
    tdm__maker_fini(&m);
    return error;
}

int main(int argc, char **argv)
{
    tdm__tiny_vocabulary v;
    if (argc != 2)
        return 2;
    tdm__tiny_vocabulary_bytes(&v, "qwen2");
    int error = write_vocabulary(&v, argv[1], "bytes.gguf");
    tdm__tiny_vocabulary_pieces(&v);
    return error || write_vocabulary(&v, argv[1], "pieces.gguf") ? 1 : 0;
}
