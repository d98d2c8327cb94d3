/* owner.h - who may change what is the owner's: a key on disk, one-time links, sessions of pages.
 *
 * The key is 256 random bits in hex, STATE/owner.key (0600), made at the first start. A page never sees it: a program
 * of the owner draws a link with it, the page trades the link for a session. Sessions live in memory and end with the
 * daemon. Comparisons take the same time for every guess. Loop thread only.
 */
#ifndef TDM_API_OWNER_H
#define TDM_API_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

enum {
    TDM__OWNER_KEY_TEXT = 65,
    TDM__OWNER_LINKS_MAX = 16,
    TDM__OWNER_SESSIONS_MAX = 64,
    TDM__OWNER_LINK_LIFE_S = 600,
    TDM__OWNER_SESSION_LIFE_S = 12 * 3600,
};

typedef struct tdm__owner_token {
    char text[TDM__OWNER_KEY_TEXT]; /* "": free */
    int64_t expires_unix_s;
    bool is_used;
} tdm__owner_token;

typedef struct tdm__owner {
    char key[TDM__OWNER_KEY_TEXT];
    tdm__owner_token links[TDM__OWNER_LINKS_MAX];
    tdm__owner_token sessions[TDM__OWNER_SESSIONS_MAX];
} tdm__owner;

/* Reads or makes STATE/owner.key. */
tdm_status tdm__owner_open(const char *state_dir, tdm__owner *out, tdm_error *err);

/* The key in the value of an Authorization field, "Bearer KEY"; ptr NULL when it is of another scheme. */
tdm__str tdm__bearer_of(tdm__str authorization);

/* Whether that is the owner's key or a session that lives. */
bool tdm__owner_is(const tdm__owner *o, tdm__str key, int64_t now_unix_s);

/* A new link; the oldest goes when there are too many. */
tdm_status tdm__owner_draw_link(tdm__owner *o, int64_t now_unix_s, const tdm__owner_token **out, tdm_error *err);

/* Trades a link for a session. ERR_NOT_FOUND unknown, ERR_CANCELLED used up, ERR_TIMEOUT too old. */
tdm_status tdm__owner_redeem(tdm__owner *o, tdm__str link, int64_t now_unix_s, const tdm__owner_token **out,
                             tdm_error *err);

#endif
