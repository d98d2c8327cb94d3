/* owner.c - see owner.h. */
#include "api/owner.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "net/http_parse.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/random.h"

enum { KEY_BYTES = 32 };

static tdm_status draw(char out[TDM__OWNER_KEY_TEXT], tdm_error *err)
{
    uint8_t random[KEY_BYTES];
    int rc = tdm__random_fill(random, sizeof random);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot get random bytes for a key");
    tdm__hex_put(random, sizeof random, out);
    return TDM_OK;
}

static bool equals(tdm__str guess, const char *secret)
{
    return guess.len == TDM__OWNER_KEY_TEXT - 1 && CRYPTO_memcmp(guess.ptr, secret, guess.len) == 0;
}

tdm_status tdm__owner_open(const char *state_dir, tdm__owner *out, tdm_error *err)
{
    char path[700], *text = NULL;
    size_t len = 0;
    unsigned mode = 0;
    uint8_t bytes[KEY_BYTES];
    *out = (tdm__owner){0};
    snprintf(path, sizeof path, "%s/owner.key", state_dir);
    int rc = tdm__file_read_private(path, TDM__OWNER_KEY_TEXT, &text, &len, &mode);
    if (rc == ENOENT) {
        TDM_TRY(draw(out->key, err));
        rc = tdm__file_write_atomic(path, out->key, strlen(out->key), 0600);
        return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the owner's key cannot be written to %s", path);
    }
    if (rc == EPERM && mode != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s has mode %04o: others may use the owner's key; remove it and start again",
                 path, mode);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the owner's key cannot be read from %s", path);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    const bool fine = tdm__hex_get((tdm__str){text, len}, bytes, sizeof bytes);
    if (fine)
        memcpy(out->key, text, len);
    tdm__free(text);
    if (!fine)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s does not hold the 64 hexadecimal digits of an owner's key", path);
    return TDM_OK;
}

tdm__str tdm__bearer_of(tdm__str authorization)
{
    const tdm__str scheme = TDM_STR("bearer ");
    if (authorization.len < scheme.len || !tdm__http_name_eq((tdm__str){authorization.ptr, scheme.len}, scheme.ptr))
        return (tdm__str){0};
    return (tdm__str){authorization.ptr + scheme.len, authorization.len - scheme.len};
}

bool tdm__owner_is(const tdm__owner *o, tdm__str guess, int64_t now_unix_s)
{
    bool is_owner = equals(guess, o->key);
    for (size_t i = 0; i < TDM__OWNER_SESSIONS_MAX; i++) {
        const tdm__owner_token *t = &o->sessions[i];
        is_owner |= t->text[0] && now_unix_s < t->expires_unix_s && equals(guess, t->text);
    }
    return is_owner;
}

/* The free or oldest place of a table. */
static tdm__owner_token *take_place(tdm__owner_token *table, size_t n)
{
    tdm__owner_token *oldest = &table[0];
    for (size_t i = 0; i < n; i++) {
        if (!table[i].text[0])
            return &table[i];
        if (table[i].expires_unix_s < oldest->expires_unix_s)
            oldest = &table[i];
    }
    return oldest;
}

tdm_status tdm__owner_draw_link(tdm__owner *o, int64_t now_unix_s, const tdm__owner_token **out, tdm_error *err)
{
    tdm__owner_token link = {.expires_unix_s = now_unix_s + TDM__OWNER_LINK_LIFE_S};
    TDM_TRY(draw(link.text, err));
    tdm__owner_token *place = take_place(o->links, TDM__OWNER_LINKS_MAX);
    *place = link;
    *out = place;
    return TDM_OK;
}

tdm_status tdm__owner_redeem(tdm__owner *o, tdm__str link, int64_t now_unix_s, const tdm__owner_token **out,
                             tdm_error *err)
{
    tdm__owner_token *found = NULL;
    for (size_t i = 0; i < TDM__OWNER_LINKS_MAX; i++)
        if (o->links[i].text[0] && equals(link, o->links[i].text))
            found = &o->links[i];
    if (!found)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "this link is not one of this device's: draw a new one");
    if (found->is_used)
        TDM_FAIL(err, TDM_ERR_CANCELLED, "this link was used already: each opens one page, draw a new one");
    if (now_unix_s >= found->expires_unix_s)
        TDM_FAIL(err, TDM_ERR_TIMEOUT, "this link is older than %d minutes: draw a new one",
                 TDM__OWNER_LINK_LIFE_S / 60);
    tdm__owner_token session = {.expires_unix_s = now_unix_s + TDM__OWNER_SESSION_LIFE_S};
    TDM_TRY(draw(session.text, err));
    found->is_used = true;
    tdm__owner_token *place = take_place(o->sessions, TDM__OWNER_SESSIONS_MAX);
    *place = session;
    *out = place;
    return TDM_OK;
}
