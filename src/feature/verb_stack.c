/* verb_stack.c - a stack of notifications as the summary reads it: what is urgent first, advertisements left out. A
 * small model tells what stands first, so what stands first is what matters. */
#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"
#include "feature/verb_urgency.h"

enum { LINES_MAX = 8, LINES_OF_A_LINE = 2 };

typedef struct scored_line {
    tdm__str text;
    int score;
} scored_line;

/* Into its place, if it belongs to the LINES_MAX highest; of equal ones the earlier line stays before. */
static size_t insert(scored_line *lines, size_t n, scored_line line)
{
    size_t at = n;
    while (at > 0 && lines[at - 1].score < line.score)
        at--;
    if (at == LINES_MAX)
        return n;
    if (n == LINES_MAX)
        n--;
    memmove(lines + at + 1, lines + at, (n - at) * sizeof *lines);
    lines[at] = line;
    return n + 1;
}

tdm_status tdm__verb_order_stack(tdm__verb_run *w, tdm__str *out, tdm_error *err)
{
    scored_line lines[LINES_MAX];
    const tdm__str source = w->source;
    size_t n = 0, n_bytes = 0;
    for (size_t at = 0, end; at < source.len; at = end) {
        const char *newline = memchr(source.ptr + at, '\n', source.len - at);
        end = newline ? (size_t)(newline - source.ptr) + 1 : source.len;
        const tdm__str line = tdm__str_trim(tdm__str_sub(source, at, end));
        const size_t speaker = tdm__speaker_len(line);
        if (line.len == 0)
            continue;
        const tdm__urgency u = tdm__urgency_find(tdm__str_sub(line, 0, speaker), tdm__str_sub(line, speaker, line.len));
        if (u.score > tdm__urgency_score(TDM__URGENCY_PROMOTION))
            n = insert(lines, n, (scored_line){line, u.score});
    }
    if (n == 0)
        return TDM_OK; /* nothing but advertisements: they are what there is */
    if (w->ask.kind == TDM__KIND_LINE && n > LINES_OF_A_LINE)
        n = LINES_OF_A_LINE;
    for (size_t i = 0; i < n; i++)
        n_bytes += lines[i].text.len + 1;
    char *text = tdm__arena_alloc(&w->arena, n_bytes, 1);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a stack of %zu notifications", n);
    *out = (tdm__str){text, n_bytes};
    for (size_t i = 0; i < n; i++) {
        memcpy(text, lines[i].text.ptr, lines[i].text.len);
        text += lines[i].text.len;
        *text++ = '\n';
    }
    return TDM_OK;
}
