/* canonical_lines.c - one JSON document a line in; its canonical form a line out, or "ERR_.." for what has none. For
 * test_canonical_json.py. The canonical form has no line breaks: it has no control characters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

enum { LINE_BYTES_MAX = 1 << 20 };

static tdm_status canonical(tdm__str line, tdm__buf *out)
{
    json_t *v = NULL;
    tdm__buf_clear(out);
    tdm_status s = tdm__json_parse(line, "the line", LINE_BYTES_MAX, &v, NULL);
    if (s == TDM_OK)
        s = tdm__json_canonical(v, out, NULL);
    json_decref(v);
    return s;
}

int main(void)
{
    static char line[LINE_BYTES_MAX];
    tdm__buf out;
    tdm__buf_init(&out, 2 * LINE_BYTES_MAX);
    while (fgets(line, sizeof line, stdin)) {
        tdm_status s = canonical((tdm__str){line, strcspn(line, "\n")}, &out);
        puts(s == TDM_OK ? tdm__buf_cstr(&out) : tdm_status_name(s));
    }
    tdm__buf_fini(&out);
    return ferror(stdin) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
