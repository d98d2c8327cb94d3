/* nearest.c - Levenshtein's distance (inserted, removed and changed letters), over short names only. */
#include "cli/nearest.h"

#include <string.h>

#include "base/checked.h"

enum { NEAREST_LEN_MAX = 32 };

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[NEAREST_LEN_MAX + 1]; /* distances of a's first i letters to b's first j */
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = tdm__min_size(change, tdm__min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
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
