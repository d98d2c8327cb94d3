/* filing_make.c - a new entry: put together, signed, and then read back as anybody else would read it.
 *
 * There is one judge of what may follow what, the reader's; so nothing can be made here that a phone would refuse for
 * its form, and no rule stands twice. A case is bounded, and somebody who fills it must not be able to keep a verdict
 * or a withdrawal out: room is left for those.
 */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "filing/filing_internal.h"
#include "os/heap.h"
#include "policy/envelope.h"

enum {
    ENTRIES_KEPT = 2,        /* a verdict and its withdrawal */
    BYTES_KEPT = 128 * 1024, /* the longest of each */
};

/* Sets a member that callers do not give. Takes value. */
static tdm_status set_own(json_t *body, const char *key, json_t *value, tdm_error *err)
{
    if (json_object_get(body, key)) {
        json_decref(value);
        TDM_FAIL(err, TDM_ERR_FORMAT, "filing: %s is not given, it is found", key);
    }
    if (!value || json_object_set_new(body, key, value) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an entry's %s", key);
    return TDM_OK;
}

/* What makes an entry this case's next one. */
static tdm_status set_links(const tdm__filing_case *c, json_t *body, const char *id, const char *market, tdm_error *err)
{
    TDM_TRY(set_own(body, "case", json_string(id), err));
    TDM_TRY(set_own(body, "market", json_string(market), err));
    return set_own(body, "previous", json_string(c ? tdm__filing_case_head(c) : ""), err);
}

static tdm_status set_beginning(json_t *body, tdm_error *err)
{
    json_t *id = json_incref(json_object_get(body, "id")), *market = json_incref(json_object_get(body, "market"));
    json_object_del(body, "id");
    json_object_del(body, "market");
    tdm_status s = TDM_OK;
    if (!json_is_string(id) || !json_is_string(market))
        s = tdm__fail(err, TDM_ERR_FORMAT, "filing: a new case needs an id and a market, each a string");
    if (s == TDM_OK)
        s = set_links(NULL, body, json_string_value(id), json_string_value(market), err);
    json_decref(id);
    json_decref(market);
    return s;
}

static tdm_status fill_body(const tdm__filing_case *c, tdm__filing_action action, const tdm__secret_key *key,
                            int64_t now_unix_s, json_t *body, tdm_error *err)
{
    char date[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(now_unix_s, date);
    TDM_TRY(c ? set_links(c, body, c->id, c->market, err) : set_beginning(body, err));
    TDM_TRY(set_own(body, "_type", json_string("filing-entry"), err));
    TDM_TRY(set_own(body, "action", json_string(tdm__filing_action_name(action)), err));
    TDM_TRY(set_own(body, "date", json_string(date), err));
    TDM_TRY(set_own(body, "signer", tdm__public_key_json(&key->public_key), err));
    if (action == TDM__FILING_APPROVE && !json_object_get(body, "hypothetical"))
        TDM_TRY(set_own(body, "hypothetical", json_boolean(c->is_demo), err));
    return TDM_OK;
}

/* The case's document with envelope behind its entries; new reference. */
static json_t *append(const tdm__filing_case *c, json_t *envelope)
{
    json_t *entries = json_array();
    for (size_t i = 0; entries && c && i < c->n_entries; i++)
        if (json_array_append(entries, json_array_get(json_object_get(c->document, "entries"), i)) != 0) {
            json_decref(entries);
            return NULL;
        }
    if (!entries || json_array_append(entries, envelope) != 0) {
        json_decref(entries);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "_type", "filing-case", "entries", entries);
}

static bool must_fit(tdm__filing_action a)
{
    return a == TDM__FILING_APPROVE || a == TDM__FILING_REFUSE || a == TDM__FILING_WITHDRAW;
}

/* The whole as text, read back by the rules of every reader. */
static tdm_status write_case(const tdm__filing_case *c, tdm__filing_action action, json_t *envelope,
                             const tdm__keyring *keys, int64_t now_unix_s, char **out, tdm_error *err)
{
    json_t *document = append(c, envelope);
    char *text = document ? tdm__json_text(document, JSON_COMPACT) : NULL;
    const size_t len = text ? strlen(text) : 0, n = c ? c->n_entries + 1 : 1;
    json_decref(document);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a case");
    tdm__filing_case *again = NULL;
    tdm_status s = TDM_OK;
    if (!must_fit(action) &&
        (n > TDM__FILING_ENTRIES_MAX - ENTRIES_KEPT || len > TDM__FILING_CASE_BYTES_MAX - BYTES_KEPT))
        s = tdm__fail(err, TDM_ERR_LIMIT,
                      "the case would have %zu entries in %zu bytes; beyond %d or %d only a verdict "
                      "or a withdrawal is taken",
                      n, len, TDM__FILING_ENTRIES_MAX - ENTRIES_KEPT, TDM__FILING_CASE_BYTES_MAX - BYTES_KEPT);
    const tdm__str json = {text, len};
    if (s == TDM_OK)
        s = keys ? tdm__filing_case_create(json, keys, now_unix_s, &again, err)
                 : tdm__filing_case_create_unchecked(json, now_unix_s, &again, err);
    tdm__filing_case_destroy(again);
    if (s != TDM_OK) {
        tdm__free(text);
        return s;
    }
    *out = text;
    return TDM_OK;
}

tdm_status tdm__filing_case_extend(const tdm__filing_case *c, tdm__filing_action action, const json_t *fields,
                                   const tdm__secret_key *key, const tdm__keyring *keys, int64_t now_unix_s,
                                   char **out_json, tdm_error *err)
{
    if ((action == TDM__FILING_NEW) != !c)
        TDM_FAIL(err, TDM_ERR_REFUSED, "filing %s: %s", tdm__filing_action_name(action),
                 c ? "the case exists already" : "there is no case yet");
    json_t *body = fields ? json_deep_copy(fields) : json_object(), *envelope = NULL;
    if (!json_is_object(body)) {
        json_decref(body);
        TDM_FAIL(err, TDM_ERR_FORMAT, "filing %s: the fields are no object", tdm__filing_action_name(action));
    }
    tdm_status s = fill_body(c, action, key, now_unix_s, body, err);
    if (s == TDM_OK) {
        envelope = tdm__envelope_create(body);
        s = envelope ? tdm__envelope_sign(envelope, key, err) : tdm__fail(err, TDM_ERR_NOMEM, "no memory for an entry");
    }
    if (s == TDM_OK)
        s = write_case(c, action, envelope, keys, now_unix_s, out_json, err);
    json_decref(envelope);
    json_decref(body);
    if (s == TDM_ERR_INTEGRITY) { /* nothing is forged: what was asked for is not allowed */
        if (err)
            err->code = TDM_ERR_REFUSED;
        s = TDM_ERR_REFUSED;
    }
    return s;
}
