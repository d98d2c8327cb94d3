/* name_nearest.c - which known name a mistyped one is meant to be: Levenshtein's distance over two rows. */
#include <string.h>

#include "api/chat_ask.h"
#include "base/checked.h"

enum { NAME_BYTES_MAX = 48, DISTANCE_MAX = 3 };

static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[2][NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        const size_t *above = rows[(i - 1) & 1];
        size_t *row = rows[i & 1];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = tdm__min_size(change, tdm__min_size(above[j], row[j - 1]) + 1);
        }
    }
    return rows[n_a & 1][n_b];
}

const char *tdm__name_nearest(const char *name, const char *const *names)
{
    const size_t len = strlen(name);
    const char *best = NULL;
    size_t best_distance = DISTANCE_MAX + 1;
    if (len > NAME_BYTES_MAX)
        return NULL;
    for (; *names; names++) {
        const size_t n = strlen(*names);
        if (n > NAME_BYTES_MAX)
            continue;
        const size_t d = distance(name, len, *names, n);
        if (d < best_distance && 2 * d <= n) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}
