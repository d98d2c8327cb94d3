/* device_world.c - see device_world.h. */
#include "device_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/file.h"
#include "policy/yaml.h"

int64_t device_world_now = DEVICE_NOW;

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    if (out)
        *out = (time_t)device_world_now;
    return (time_t)device_world_now;
}

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "device_world: %s failed\n", what);
    abort();
}

char *device_world_read(const char *path)
{
    char *bytes = NULL;
    size_t len = 0;
    check(tdm__file_read(path, 1 << 24, &bytes, &len) == 0, path);
    char *text = realloc(bytes, len + 1);
    check(text != NULL, path);
    text[len] = '\0';
    return text;
}

void device_world_write(const char *path, const char *text)
{
    check(tdm__file_write_atomic(path, text, strlen(text), 0600) == 0, path);
}

/* ---- the repository ---- */

static char *share_read(const char *name)
{
    const char *share = getenv("TANDEM_TEST_SHARE");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", share ? share : "share", name);
    return device_world_read(path);
}

static trust_maker_role role_of(const char *market) { return strcmp(market, "CN") == 0 ? MAKER_CN : MAKER_US; }

/* A file of share/ as a signed one. */
static void add_data(device_world *w, const char *market, const char *file, const char *type, const char *target)
{
    char path[128];
    json_t *json = NULL;
    tdm_error err = {0};
    char *yaml = share_read(file);
    check(tdm__yaml_to_json(tdm__str_from(yaml), file, &json, &err) == TDM_OK, err.msg);
    check(json_object_set_new(json, "_type", json_string(type)) == 0, file);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(path, sizeof path, "markets/%s/%s", market, target);
    trust_maker_set(&w->maker, role_of(market), path, text);
    free(text);
    json_decref(json);
    free(yaml);
}

typedef struct resolver_at {
    device_world *world;
    trust_maker_role role;
} resolver_at;

static tdm_status sha256_of(void *user, const char *target, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    (void)err;
    const resolver_at *at = user;
    const char *text = json_string_value(json_object_get(at->world->maker.content[at->role], target));
    check(text != NULL, target);
    tdm__sha256_hex(text, strlen(text), out);
    return TDM_OK;
}

static char *replace_all(char *text, const char *from, const char *to)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    check(f != NULL, "memory");
    const char *at = text;
    for (const char *hit; (hit = strstr(at, from)) != NULL; at = hit + strlen(from)) {
        check(fwrite(at, 1, (size_t)(hit - at), f) == (size_t)(hit - at), "memory");
        check(fputs(to, f) >= 0, "memory");
    }
    check(at != text && fputs(at, f) >= 0, from);
    fclose(f);
    free(text);
    return out;
}

void device_world_set_market(device_world *w, const char *market, const char *from, const char *to)
{
    char name[64], path[64], *json = NULL;
    size_t len = 0;
    tdm_error err = {0};
    resolver_at at = {w, role_of(market)};
    const tdm__market_resolver resolver = {sha256_of, &at};
    snprintf(name, sizeof name, "markets/%s.yaml", market);
    char *yaml = share_read(name);
    if (from)
        yaml = replace_all(yaml, from, to);
    check(tdm__market_compile(tdm__str_from(yaml), name, &resolver, &json, &len, &err) == TDM_OK, err.msg);
    snprintf(path, sizeof path, "markets/%s/policy.json", market);
    trust_maker_set(&w->maker, at.role, path, json);
    free(json);
    free(yaml);
}

void device_world_set_keys(device_world *w, signed_maker_who revoked)
{
    char *text = rules_keys_json();
    json_t *keys = json_loads(text, 0, NULL);
    free(text);
    if (revoked != SIGNED_ALL)
        json_object_set_new(json_array_get(json_object_get(keys, "keys"), revoked), "revoked", json_true());
    text = json_dumps(keys, JSON_COMPACT);
    trust_maker_set(&w->maker, MAKER_TARGETS, "keys.json", text);
    free(text);
    json_decref(keys);
}

static void add_market(device_world *w, const char *market, const char *const *partners)
{
    char file[64], target[64];
    for (; *partners; partners++) {
        snprintf(file, sizeof file, "demo/partners/%s.yaml", *partners);
        snprintf(target, sizeof target, "partners/%s.json", *partners);
        add_data(w, market, file, "partner-profile", target);
    }
    add_data(w, market, "packs/demo.yaml", "pack", "packs/demo.json");
    device_world_set_market(w, market, NULL, NULL);
}

void device_world_init(device_world *w)
{
    static const char *const cn[] = {"alibaba", "baidu",   "deepseek", "tencent", "bytedance",
                                     "minimax", "zhipu", NULL};
    static const char *const us[] = {"openai", NULL};
    *w = (device_world){0};
    device_world_now = DEVICE_NOW;
    tdm__temp_folder_make(w->folder);
    snprintf(w->state, sizeof w->state, "%s/state", w->folder);
    snprintf(w->record, sizeof w->record, "%s/record.json", w->folder);
    snprintf(w->policy, sizeof w->policy, "%s/policy.json", w->state);
    snprintf(w->installed_record, sizeof w->installed_record, "%s/device.json", w->state);
    check(tdm__dir_make(w->state, 0700) == 0, w->state);
    trust_maker_init(&w->maker);
    device_world_set_keys(w, SIGNED_ALL);
    add_market(w, "CN", cn);
    add_market(w, "US", us);
    trust_maker_publish(&w->maker);
}

void device_world_fini(device_world *w)
{
    trust_maker_fini(&w->maker);
    tdm__temp_folder_remove(w->folder);
}

void device_world_install(device_world *w)
{
    tdm__trust *t = NULL;
    tdm__trust_fault fault;
    tdm_error err = {0};
    const tdm__trust_source source = trust_maker_source(&w->maker);
    check(tdm__trust_install(w->policy, trust_maker_first_root(&w->maker), &source, device_world_now, &t, &fault,
                             &err) == TDM_OK,
          err.msg);
    tdm__trust_destroy(t);
}

tdm_status device_world_put(device_world *w, tdm__device *d, tdm__trust_fault *fault, tdm_error *err)
{
    char *bundle = trust_maker_bundle(&w->maker);
    tdm_status s = tdm__device_put_policy(d, tdm__str_from(bundle), fault, err);
    free(bundle);
    return s;
}

/* ---- record and cases ---- */

device_world_record device_world_usual(void)
{
    return (device_world_record){.device = "DEMO-1",
                                 .sold_in = "CN",
                                 .signer = SIGNED_MAKER,
                                 .issued_unix_s = DEVICE_NOW - DEVICE_DAY,
                                 .expires_unix_s = DEVICE_NOW + 100 * DEVICE_DAY};
}

void device_world_write_record(device_world *w, const device_world_record *r)
{
    tdm__device_record record = {.sku = "PHONE-1",
                                 .profile = TDM__PROFILE_ADULT,
                                 .issued_unix_s = r->issued_unix_s,
                                 .expires_unix_s = r->expires_unix_s,
                                 .is_demo = !r->is_real};
    tdm__secret_key key, device;
    tdm_error err = {0};
    char *json = NULL;
    signed_maker_key(SIGNED_DEVICE, &device);
    signed_maker_key(r->signer, &key);
    record.device_key = device.public_key;
    snprintf(record.device, sizeof record.device, "%s", r->device);
    snprintf(record.sold_in, sizeof record.sold_in, "%s", r->sold_in);
    check(tdm__device_record_make(&record, &key, &json, &err) == TDM_OK, err.msg);
    device_world_write(w->record, json);
    free(json);
}

void device_world_write_case(device_world *w, const char *state, const char *id, const char *partner)
{
    char dir[112], path[256];
    const bool is_own = partner[0] == '\0';
    char *json = rules_case_json(state, id, "CN", "assistant", partner,
                                 is_own ? "qwen2.5-coder-0.5b-instruct-q4_k_m" : "qwen-max",
                                 is_own ? RULES_OWN_SHA256 : "2025-01-25");
    snprintf(dir, sizeof dir, "%s/filings", w->state);
    snprintf(path, sizeof path, "%s/%s.json", dir, id);
    check(tdm__dir_make(dir, 0700) == 0, dir);
    device_world_write(path, json);
    free(json);
}
