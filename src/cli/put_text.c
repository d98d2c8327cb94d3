/* put_text.c - text that somebody else wrote, on its way to a terminal or a file. */
#include <stdio.h>

#include "cli/command.h"

void tdm__command_put_text(FILE *out, const char *text, size_t len, bool is_terminal)
{
    if (!is_terminal) {
        fwrite(text, 1, len, out);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        putc((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c, out);
    }
}
