/* nearest.c - Levenshtein's distance (inserted, removed, changed letters) with swapped neighbours as one change, over
 * short names only. */
#include "base/nearest.h"

#include <string.h>

#include "base/checked.h"

enum { NEAREST_LEN_MAX = 32 };

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_LEN_MAX + 1]; /* of a's first i, i - 1, i - 2 letters to b's first j, in turns */
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = tdm__min_size(last[j - 1] + (a[i - 1] != b[j - 1]), tdm__min_size(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = tdm__min_size(now[j], before[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void tdm__nearest_offer(tdm__nearest *n, const char *name)
{
    size_t len = strlen(name);
    if (n->wanted_len > NEAREST_LEN_MAX || len > NEAREST_LEN_MAX)
        return;
    size_t d = distance(n->wanted, n->wanted_len, name, len);
    size_t slip_max = tdm__min_size(3, len / 3); /* "-p" is no slip of "-n" */
    if (d <= slip_max && (!n->best || d < n->best_distance)) {
        n->best = name;
        n->best_distance = d;
    }
}
