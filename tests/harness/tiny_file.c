/* tiny_file.c - writes the tiny model to a file, for daemons under test that must be fast and need no sense.
 *
 * usage: tiny_file PATH N_CTX
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tiny_model.h"

int main(int argc, char **argv)
{
    const long n_ctx = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (n_ctx < 1 || n_ctx > 1 << 20) {
        fprintf(stderr, "usage: tiny_file PATH N_CTX\n");
        return 2;
    }
    size_t len;
    unsigned char *bytes = tdm__tiny_bytes(&(tdm__tiny_options){.arch = "qwen2", .n_ctx = (size_t)n_ctx}, &len);
    FILE *f = fopen(argv[1], "wb");
    const bool ok = f && fwrite(bytes, 1, len, f) == len;
    const bool closed = !f || fclose(f) == 0;
    free(bytes);
    if (!ok || !closed)
        fprintf(stderr, "tiny_file: %s cannot be written\n", argv[1]);
    return ok && closed ? 0 : 1;
}
