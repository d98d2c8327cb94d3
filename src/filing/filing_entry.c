/* filing_entry.c - one entry as it stands alone: its shape, its members, its signature.
 *
 * An entry names the key that signs it as a whole key, so a case that was edited by hand is found out also where no
 * keyring is at hand; whom that key belongs to is the keyring's word alone. Members that an action does not have are
 * refused: what is signed is what is understood.
 */
#include "filing/filing_internal.h"

#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/envelope.h"

#define COMMON "_type", "action", "case", "date", "market", "previous", "signer"

static const char *const members_new[] = {COMMON, "demo", "features", "maker", "models", "provider", NULL};
static const char *const members_submit[] = {COMMON, "documents", "section", NULL};
static const char *const members_review[] = {COMMON, NULL};
static const char *const members_text[] = {COMMON, "text", NULL};
static const char *const members_answer[] = {COMMON, "documents", "text", NULL};
static const char *const members_approve[] = {COMMON, "conditions", "expires", "hypothetical", NULL};

/* By action. */
static const char *const *const members[] = {
    [TDM__FILING_NEW] = members_new,     [TDM__FILING_SUBMIT] = members_submit, [TDM__FILING_REVIEW] = members_review,
    [TDM__FILING_ASK] = members_text,    [TDM__FILING_ANSWER] = members_answer, [TDM__FILING_APPROVE] = members_approve,
    [TDM__FILING_REFUSE] = members_text, [TDM__FILING_WITHDRAW] = members_text,
};

enum { N_ACTIONS = sizeof members / sizeof members[0] };

static bool is_sha256(const char *text)
{
    uint8_t bytes[TDM__SHA256_BYTES];
    return tdm__hex_get(tdm__str_from(text), bytes, sizeof bytes);
}

/* key is what the sentence calls it. */
static tdm_status check_text(const char *text, const char *key, size_t len_max, const char *what, tdm_error *err)
{
    const size_t len = strlen(text);
    if (len == 0 || len > len_max)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: %s has %zu bytes, 1 to %zu are allowed", what, key, len, len_max);
    return TDM_OK;
}

static tdm_status check_text_at(const json_t *object, const char *key, size_t len_max, const char *what, tdm_error *err)
{
    const char *text;
    TDM_TRY(tdm__json_get_str(object, key, what, &text, err));
    return check_text(text, key, len_max, what, err);
}

/* Names are shown and joined into file names by those who ask for the document, so they are no paths. */
static tdm_status check_document(const json_t *d, const char *what, tdm_error *err)
{
    static const char *const known[] = {"bytes", "name", "sha256", NULL};
    const char *name, *sha256;
    int64_t bytes;
    if (!json_is_object(d))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a document is %s, an object is needed", what, tdm__json_kind(d));
    TDM_TRY(tdm__json_check_keys(d, what, known, err));
    TDM_TRY(check_text_at(d, "name", 255, what, err));
    TDM_TRY(tdm__json_get_str(d, "name", what, &name, err));
    TDM_TRY(tdm__json_get_str(d, "sha256", what, &sha256, err));
    TDM_TRY(tdm__json_get_int(d, "bytes", what, 0, INT64_MAX, &bytes, err));
    if (strchr(name, '/') || name[0] == '.')
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a document's name is a path or begins with a dot", what);
    if (!is_sha256(sha256))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a document's sha256 is not 64 lower-case hexadecimal digits", what);
    return TDM_OK;
}

static tdm_status check_documents(const json_t *body, const char *what, tdm_error *err)
{
    const json_t *documents, *one;
    size_t i;
    TDM_TRY(tdm__json_get_array(body, "documents", what, TDM__FILING_DOCUMENTS_MAX, &documents, err));
    if (json_array_size(documents) == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: documents is empty, at least one is needed", what);
    json_array_foreach(documents, i, one) TDM_TRY(check_document(one, what, err));
    return TDM_OK;
}

static tdm_status check_submit(const json_t *body, const char *what, tdm_error *err)
{
    const char *section;
    size_t index;
    TDM_TRY(tdm__json_get_str(body, "section", what, &section, err));
    if (!tdm__filing_section_find(section, &index))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: section is neither maker nor provider", what);
    return check_documents(body, what, err);
}

static tdm_status check_approve(const json_t *body, int64_t date_unix_s, const char *what, tdm_error *err)
{
    if (json_object_get(body, "conditions")) {
        const json_t *conditions, *one;
        size_t i;
        TDM_TRY(tdm__json_get_array(body, "conditions", what, TDM__FILING_CONDITIONS_MAX, &conditions, err));
        json_array_foreach(conditions, i, one)
        {
            if (!json_is_string(one))
                TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a condition is %s, a string is needed", what, tdm__json_kind(one));
            TDM_TRY(check_text(json_string_value(one), "a condition", TDM__FILING_TEXT_MAX, what, err));
        }
    }
    if (json_object_get(body, "expires")) {
        int64_t expires;
        TDM_TRY(tdm__json_get_time(body, "expires", what, &expires, err));
        if (expires <= date_unix_s)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the approval ends before it begins", what);
    }
    bool is_hypothetical;
    return tdm__json_get_bool(body, "hypothetical", what, &is_hypothetical, err);
}

static tdm_status check_members(const tdm__filing_entry *e, const char *what, tdm_error *err)
{
    TDM_TRY(tdm__json_check_keys(e->body, what, members[e->action], err));
    switch (e->action) {
    case TDM__FILING_NEW: /* read by tdm__filing_case_take_new */
    case TDM__FILING_REVIEW:
        return TDM_OK;
    case TDM__FILING_SUBMIT:
        return check_submit(e->body, what, err);
    case TDM__FILING_REFUSE:
    case TDM__FILING_WITHDRAW:
        if (!json_object_get(e->body, "text"))
            return TDM_OK;
        return check_text_at(e->body, "text", TDM__FILING_TEXT_MAX, what, err);
    case TDM__FILING_ASK:
        return check_text_at(e->body, "text", TDM__FILING_TEXT_MAX, what, err);
    case TDM__FILING_ANSWER:
        if (json_object_get(e->body, "documents"))
            TDM_TRY(check_documents(e->body, what, err));
        return check_text_at(e->body, "text", TDM__FILING_TEXT_MAX, what, err);
    case TDM__FILING_APPROVE:
        return check_approve(e->body, e->date_unix_s, what, err);
    }
    return TDM_OK;
}

static tdm_status read_action(const json_t *body, const char *what, tdm__filing_action *out, tdm_error *err)
{
    const char *name;
    TDM_TRY(tdm__json_get_str(body, "action", what, &name, err));
    for (int a = TDM__FILING_NEW; a < N_ACTIONS; a++)
        if (strcmp(name, tdm__filing_action_name((tdm__filing_action)a)) == 0) {
            *out = (tdm__filing_action)a;
            return TDM_OK;
        }
    TDM_FAIL(err, TDM_ERR_FORMAT, "%s: action is none of new, submit, review, ask, answer, approve, refuse, withdraw",
             what);
}

tdm_status tdm__filing_entry_read(const json_t *envelope, const char *what, tdm__filing_entry *out, tdm_error *err)
{
    tdm__filing_entry e = {.envelope = envelope};
    const json_t *signer;
    TDM_TRY(tdm__envelope_check_shape(envelope, "filing-entry", what, err));
    e.body = tdm__envelope_signed(envelope);
    TDM_TRY(read_action(e.body, what, &e.action, err));
    TDM_TRY(tdm__json_get_time(e.body, "date", what, &e.date_unix_s, err));
    TDM_TRY(tdm__json_get_object(e.body, "signer", what, &signer, err));
    TDM_TRY(tdm__public_key_parse(signer, what, &e.signer, err));
    TDM_TRY(check_members(&e, what, err));
    const char *keyid = tdm__envelope_signer(envelope);
    if (!keyid || strcmp(keyid, e.signer.id) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: it needs one signature, by the key that it names as its signer", what);
    TDM_TRY(tdm__envelope_verify(envelope, &e.signer, what, err));
    TDM_TRY(tdm__envelope_digest(envelope, e.sha256, err));
    *out = e;
    return TDM_OK;
}
