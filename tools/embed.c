/* embed.c - writes a file as a C array, for data that the program carries in itself. Runs at build time only.
 *
 *     embed SYMBOL INPUT OUTPUT
 *
 * OUTPUT defines `const unsigned char SYMBOL[]` (a NUL, not counted, behind the bytes) and `const size_t SYMBOL_len`.
 */
#include <stdio.h>

static int fail(const char *what, const char *which)
{
    fprintf(stderr, "embed: %s: %s\n", which, what);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return fail("SYMBOL INPUT OUTPUT are needed", "usage");
    FILE *in = fopen(argv[2], "rb");
    if (!in)
        return fail("cannot be opened", argv[2]);
    FILE *out = fopen(argv[3], "wb");
    if (!out) {
        fclose(in);
        return fail("cannot be made", argv[3]);
    }
    const char *symbol = argv[1];
    fprintf(out, "/* made by embed from a file of share/ */\n#include <stddef.h>\n\n");
    fprintf(out, "extern const unsigned char %s[];\nextern const size_t %s_len;\n\n", symbol, symbol);
    fprintf(out, "const unsigned char %s[] = {\n", symbol);
    size_t len = 0;
    for (int c; (c = getc(in)) != EOF; len++)
        fprintf(out, "%d,%s", c, len % 24 == 23 ? "\n" : "");
    fprintf(out, "0};\nconst size_t %s_len = %zu;\n", symbol, len);
    int failed = ferror(in) || ferror(out);
    fclose(in);
    if (fclose(out) != 0 || failed) {
        remove(argv[3]);
        return fail("reading or writing failed", argv[2]);
    }
    return 0;
}
