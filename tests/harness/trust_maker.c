/* trust_maker.c - see trust_maker.h. */
#include "trust_maker.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/envelope.h"

static const char *const role_names[] = {"root", "timestamp", "snapshot", "targets", "market-CN", "market-US"};

const char *trust_maker_role_name(trust_maker_role r) { return role_names[r]; }

const char *trust_maker_file_name(const trust_maker *m, trust_maker_role r)
{
    static char names[MAKER_ROLES][40];
    if (r == MAKER_TIMESTAMP)
        return "timestamp.json";
    snprintf(names[r], sizeof names[r], "%" PRId64 ".%s.json", m->plan[r].version, role_names[r]);
    return names[r];
}

static void make_key(int i, tdm__secret_key *out)
{
    uint8_t seed[32] = {(uint8_t)(i + 1)}, public_bytes[32];
    int failed = sodium_init() < 0 || crypto_sign_seed_keypair(public_bytes, out->bytes, seed) != 0;
    assert(!failed);
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, public_bytes, sizeof public_bytes);
    json_t *object =
        json_pack("{s:s, s:{s:s}, s:s}", "keytype", "ed25519", "keyval", "public", hex, "scheme", "ed25519");
    tdm_status s = tdm__public_key_parse(object, "key", &out->public_key, NULL);
    assert(s == TDM_OK);
    json_decref(object);
}

void trust_maker_put_text(trust_maker *m, const char *name, const char *text)
{
    int failed = json_object_set_new(m->files, name, json_string(text));
    assert(!failed);
}

void trust_maker_remove(trust_maker *m, const char *name)
{
    int failed = json_object_del(m->files, name);
    assert(!failed);
}

static void sign_by(const trust_maker *m, json_t *envelope, const trust_maker_plan *p)
{
    for (size_t i = 0; i < p->n_keys; i++) {
        tdm_status s = tdm__envelope_sign(envelope, &m->keys[p->keys[i]], NULL);
        assert(s == TDM_OK);
    }
}

static void put_envelope(trust_maker *m, const char *name, json_t *envelope)
{
    char *text = json_dumps(envelope, JSON_COMPACT);
    assert(text);
    trust_maker_put_text(m, name, text);
    free(text);
    json_decref(envelope);
}

void trust_maker_put(trust_maker *m, const char *name, trust_maker_role r, const json_t *signed_part)
{
    json_t *envelope = tdm__envelope_create((json_t *)signed_part);
    sign_by(m, envelope, &m->plan[r]);
    put_envelope(m, name, envelope);
}

json_t *trust_maker_get(const trust_maker *m, const char *name)
{
    json_t *v = json_loads(json_string_value(json_object_get(m->files, name)), 0, NULL);
    assert(v);
    return v;
}

void trust_maker_resign(trust_maker *m, trust_maker_role r, void (*change)(json_t *))
{
    const char *name = trust_maker_file_name(m, r);
    json_t *envelope = trust_maker_get(m, name), *part = json_object_get(envelope, "signed");
    change(part);
    trust_maker_put(m, name, r, part);
    json_decref(envelope);
}

/* What every signed part has. */
static json_t *new_part(const trust_maker *m, trust_maker_role r)
{
    char expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(m->plan[r].expires_unix_s, expires);
    const char *type = r >= MAKER_TARGETS ? "targets" : role_names[r];
    json_t *part = json_pack("{s:s, s:s, s:I, s:s}", "_type", type, "spec_version", "1.0.31", "version",
                             (json_int_t)m->plan[r].version, "expires", expires);
    assert(part);
    return part;
}

/* {"keyids":[..],"threshold":n}; the keys go into keys. */
static json_t *role_object(const trust_maker *m, const trust_maker_plan *p, json_t *keys)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < p->n_keys; i++) {
        const tdm__public_key *k = &m->keys[p->keys[i]].public_key;
        json_object_set_new(keys, k->id, tdm__public_key_json(k));
        json_array_append_new(ids, json_string(k->id));
    }
    return json_pack("{s:o, s:I}", "keyids", ids, "threshold", (json_int_t)p->threshold);
}

static void publish_root(trust_maker *m)
{
    json_t *keys = json_object(), *roles = json_object(), *part = new_part(m, MAKER_ROOT);
    for (int r = MAKER_ROOT; r <= MAKER_TARGETS; r++)
        json_object_set_new(roles, role_names[r], role_object(m, &m->plan[r], keys));
    json_object_set_new(part, "consistent_snapshot", json_true());
    json_object_set_new(part, "keys", keys);
    json_object_set_new(part, "roles", roles);
    json_object_set_new(part, "x-tandem", json_pack("{s:b}", "demo", m->is_demo));
    json_t *envelope = tdm__envelope_create(part);
    sign_by(m, envelope, &m->plan[MAKER_ROOT]);
    if (m->has_last_root)
        sign_by(m, envelope, &m->last_root);
    put_envelope(m, trust_maker_file_name(m, MAKER_ROOT), envelope);
    json_decref(part);
    m->last_root = m->plan[MAKER_ROOT];
    m->has_last_root = true;
}

void trust_maker_publish_root(trust_maker *m)
{
    m->plan[MAKER_ROOT].version++;
    publish_root(m);
    trust_maker_publish(m);
}

static json_t *hashes_of(const char *text)
{
    char hex[TDM__SHA256_TEXT];
    tdm__sha256_hex(text, strlen(text), hex);
    return json_pack("{s:s}", "sha256", hex);
}

static json_t *delegations(const trust_maker *m)
{
    json_t *keys = json_object(), *roles = json_array();
    for (int r = MAKER_CN; r <= MAKER_US; r++) {
        const char *pattern = r == MAKER_CN ? "markets/CN/*" : "markets/US/*";
        const char *deeper = r == MAKER_CN ? "markets/CN/*/*" : "markets/US/*/*";
        json_t *role = role_object(m, &m->plan[r], keys);
        json_object_set_new(role, "name", json_string(role_names[r]));
        json_object_set_new(role, "terminating", json_true());
        json_object_set_new(role, "paths", json_pack("[s, s]", pattern, deeper));
        json_array_append_new(roles, role);
    }
    return json_pack("{s:o, s:o}", "keys", keys, "roles", roles);
}

static void publish_targets(trust_maker *m, trust_maker_role r)
{
    json_t *part = new_part(m, r), *targets = json_object(), *text;
    const char *path;
    json_object_foreach(m->content[r], path, text)
    {
        char name[320];
        const char *bytes = json_string_value(text), *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        json_t *hashes = hashes_of(bytes);
        snprintf(name, sizeof name, "targets/%.*s%s.%s", (int)(base - path), path,
                 json_string_value(json_object_get(hashes, "sha256")), base);
        trust_maker_put_text(m, name, bytes);
        json_object_set_new(targets, path,
                            json_pack("{s:I, s:o}", "length", (json_int_t)strlen(bytes), "hashes", hashes));
    }
    json_object_set_new(part, "targets", targets);
    if (r == MAKER_TARGETS)
        json_object_set_new(part, "delegations", delegations(m));
    trust_maker_put(m, trust_maker_file_name(m, r), r, part);
    json_decref(part);
}

static json_t *meta_of(const trust_maker *m, trust_maker_role r)
{
    json_t *meta = json_pack("{s:I}", "version", (json_int_t)m->plan[r].version);
    if (m->has_hashes) {
        const char *text = json_string_value(json_object_get(m->files, trust_maker_file_name(m, r)));
        json_object_set_new(meta, "length", json_integer((json_int_t)strlen(text)));
        json_object_set_new(meta, "hashes", hashes_of(text));
    }
    return meta;
}

void trust_maker_publish(trust_maker *m)
{
    json_t *meta = json_object(), *part;
    for (int r = MAKER_TARGETS; r < MAKER_ROLES; r++) {
        char name[40];
        publish_targets(m, (trust_maker_role)r);
        snprintf(name, sizeof name, "%s.json", role_names[r]);
        json_object_set_new(meta, name, meta_of(m, (trust_maker_role)r));
    }
    part = new_part(m, MAKER_SNAPSHOT);
    json_object_set_new(part, "meta", meta);
    trust_maker_put(m, trust_maker_file_name(m, MAKER_SNAPSHOT), MAKER_SNAPSHOT, part);
    json_decref(part);
    part = new_part(m, MAKER_TIMESTAMP);
    json_object_set_new(part, "meta", json_pack("{s:o}", "snapshot.json", meta_of(m, MAKER_SNAPSHOT)));
    trust_maker_put(m, "timestamp.json", MAKER_TIMESTAMP, part);
    json_decref(part);
}

void trust_maker_advance(trust_maker *m)
{
    for (int r = MAKER_TIMESTAMP; r < MAKER_ROLES; r++)
        m->plan[r].version++;
    trust_maker_publish(m);
}

void trust_maker_set(trust_maker *m, trust_maker_role r, const char *path, const char *text)
{
    if (text)
        json_object_set_new(m->content[r], path, json_string(text));
    else
        json_object_del(m->content[r], path);
}

void trust_maker_init(trust_maker *m)
{
    *m = (trust_maker){.files = json_object(), .is_demo = true};
    for (int i = 0; i < TRUST_MAKER_KEYS; i++)
        make_key(i, &m->keys[i]);
    for (int r = 0; r < MAKER_ROLES; r++) {
        m->plan[r] = (trust_maker_plan){.version = 1,
                                        .expires_unix_s = TRUST_MAKER_NOW + (r == MAKER_TIMESTAMP ? 1 : 30) * 86400,
                                        .keys = {r},
                                        .n_keys = 1,
                                        .threshold = 1};
        m->content[r] = json_object();
    }
    trust_maker_set(m, MAKER_TARGETS, "keys.json", "{\"_type\":\"keys\",\"demo\":true,\"keys\":[]}");
    trust_maker_set(m, MAKER_CN, "markets/CN/policy.json", "{\"market\":\"CN\",\"edition\":1}");
    trust_maker_set(m, MAKER_CN, "markets/CN/partners/alibaba.json", "{\"partner\":\"\xe9\x98\xbf\xe9\x87\x8c\"}\n");
    trust_maker_set(m, MAKER_US, "markets/US/policy.json", "{\"market\":\"US\"}");
    publish_root(m);
    trust_maker_publish(m);
}

void trust_maker_fini(trust_maker *m)
{
    for (int r = 0; r < MAKER_ROLES; r++)
        json_decref(m->content[r]);
    json_decref(m->files);
    *m = (trust_maker){0};
}

char *trust_maker_bundle(const trust_maker *m)
{
    json_t *bundle = json_pack("{s:s, s:O}", "_type", "bundle", "files", m->files);
    char *text = json_dumps(bundle, JSON_COMPACT);
    json_decref(bundle);
    return text;
}

static tdm_status read_file(void *user, const char *name, size_t bytes_max, tdm__buf *out, tdm_error *err)
{
    (void)err;
    const json_t *text = json_object_get(((trust_maker *)user)->files, name);
    if (!text)
        return TDM_ERR_NOT_FOUND;
    if (json_string_length(text) > bytes_max)
        return TDM_ERR_LIMIT;
    return tdm__buf_append(out, json_string_value(text), json_string_length(text));
}

tdm__trust_source trust_maker_source(trust_maker *m) { return (tdm__trust_source){.read = read_file, .user = m}; }

tdm__str trust_maker_first_root(const trust_maker *m)
{
    return tdm__str_from(json_string_value(json_object_get(m->files, "1.root.json")));
}
