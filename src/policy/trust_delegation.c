/* trust_delegation.c - which role may sign which path. A path has one such role: below markets/XX/ the delegated role
 * market-XX alone, elsewhere the targets role alone. TUF would let the targets role sign everything; then the table of
 * one market could come from whoever signs the list of markets.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "policy/trust_internal.h"

enum { PATTERNS_MAX = 8 };

#define MARKETS "markets/"
#define ROLE "market-"

/* Letters, digits and "._-" between slashes; no segment is empty, "." or "..". */
tdm_status tdm__trust_check_path(const char *path, tdm_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t len = strlen(path);
    if (len == 0 || len > TDM__TRUST_PATH_MAX)
        TDM_FAIL(err, TDM_ERR_FORMAT, "a target's path has %zu bytes, 1 to %d are allowed", len, TDM__TRUST_PATH_MAX);
    for (const char *p = path;; p++) {
        size_t n = strspn(p, allowed);
        bool is_dots = (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
        if (n == 0 || is_dots || (p[n] != '/' && p[n] != '\0'))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%.200s is no target's path (letters, digits, . _ - between slashes)", path);
        p += n;
        if (*p == '\0')
            return TDM_OK;
    }
}

bool tdm__trust_path_is_of_market(const char *path) { return strncmp(path, MARKETS, strlen(MARKETS)) == 0; }

/* A segment of a pattern is a text or "*"; the path has as many segments. */
static bool pattern_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t n_pattern = strcspn(pattern, "/"), n_path = strcspn(path, "/");
        bool is_star = n_pattern == 1 && pattern[0] == '*';
        if (!is_star && (n_pattern != n_path || strncmp(pattern, path, n_path) != 0))
            return false;
        pattern += n_pattern;
        path += n_path;
        if (*pattern == '\0' || *path == '\0')
            return *pattern == *path;
        pattern++;
        path++;
    }
}

bool tdm__trust_delegation_covers(const json_t *delegation, const char *path)
{
    const json_t *paths = json_object_get(delegation, "paths");
    for (size_t i = 0; i < json_array_size(paths); i++)
        if (pattern_matches(json_string_value(json_array_get(paths, i)), path))
            return true;
    return false;
}

static tdm_status check_patterns(const tdm__trust_walk *w, const json_t *delegation, const char *role)
{
    char prefix[16];
    const json_t *paths = NULL;
    TDM_TRY(tdm__json_get_array(delegation, "paths", role, PATTERNS_MAX, &paths, w->err));
    size_t n_prefix = (size_t)snprintf(prefix, sizeof prefix, MARKETS "%.2s/", role + strlen(ROLE));
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *pattern = json_string_value(json_array_get(paths, i));
        if (!pattern || strncmp(pattern, prefix, n_prefix) != 0)
            return tdm__trust_refuse(w, TDM__TRUST_WRONG_ROLE, "%s is given %.80s, only %s* may be", role,
                                     pattern ? pattern : "no text", prefix);
    }
    return TDM_OK;
}

tdm_status tdm__trust_delegation_market(const tdm__trust_walk *w, const json_t *delegation, char market[3])
{
    const char *role = NULL;
    bool is_terminating = false;
    if (!json_is_object(delegation))
        TDM_FAIL(w->err, TDM_ERR_FORMAT, "targets: a delegation must be an object, it is %s",
                 tdm__json_kind(delegation));
    TDM_TRY(tdm__json_get_str(delegation, "name", "targets: a delegation", &role, w->err));
    const char *id = strncmp(role, ROLE, strlen(ROLE)) == 0 ? role + strlen(ROLE) : "";
    if (strlen(id) != 2 || id[0] < 'A' || id[0] > 'Z' || id[1] < 'A' || id[1] > 'Z')
        return tdm__trust_refuse(w, TDM__TRUST_WRONG_ROLE, "%.40s is delegated to, only " ROLE "XX may be", role);
    TDM_TRY(tdm__json_get_bool(delegation, "terminating", role, &is_terminating, w->err));
    if (!is_terminating)
        return tdm__trust_refuse(w, TDM__TRUST_WRONG_ROLE, "%s is not terminating", role);
    TDM_TRY(check_patterns(w, delegation, role));
    memcpy(market, id, 3);
    return TDM_OK;
}
