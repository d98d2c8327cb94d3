/* cmd_policy.c - tandem policy: an authority's repository made and signed; a device's trust installed, updated, shown.
 *
 * Each action has the options that it uses. What a check of the client refuses is exit code 4 with the fault's name in
 * front of the sentence (docs/formats/policy.md), as is a repository that its keys did not sign; a key that may not
 * sign is 3, a YAML file with a mistake or a signature out of turn 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/policy_print.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/repository.h"
#include "policy/trust.h"

enum { BUNDLE_BYTES_MAX = 32 << 20, ROOT_BYTES_MAX = 1 << 20, ROWS_MAX = 8 };

typedef enum action { MAKE, SIGN, BUNDLE, VERIFY, INSTALL, UPDATE, SHOW, N_ACTIONS } action;

static const char *const action_names[N_ACTIONS] = {"make", "sign", "bundle", "verify", "install", "update", "show"};

typedef struct policy_options {
    const char *in, *repo, *role, *key, *root, *market, *out, *at;
    tdm__common common;
    char command[32];
    int64_t now_unix_s;
} policy_options;

#define BIT(a) (1u << (a))

/* The options of an action; *needed are those without which it cannot run. */
static void fill_rows(policy_options *o, action a, tdm__option rows[ROWS_MAX], unsigned *needed)
{
    const struct {
        tdm__option row;
        unsigned needed, taken;
    } all[] = {
        {{"--in", "DIR", "the folder with roles.yaml, keys.yaml and markets/", TDM__OPTION_TEXT, &o->in, 0, 0},
         BIT(MAKE), 0},
        {{"--repo", "DIR", "the repository's folder", TDM__OPTION_TEXT, &o->repo, 0, 0},
         BIT(MAKE) | BIT(SIGN) | BIT(BUNDLE), 0},
        {{"--repo", "DIR", "the repository's folder, or a bundle's file", TDM__OPTION_TEXT, &o->repo, 0, 0},
         BIT(VERIFY) | BIT(INSTALL) | BIT(UPDATE), 0},
        {{"--repo", "DIR", "a repository's folder: what is published there, and what waits for whom", TDM__OPTION_TEXT,
          &o->repo, 0, 0},
         0, BIT(SHOW)},
        {{"--role", "R", "root, targets, snapshot, timestamp or market-XX", TDM__OPTION_TEXT, &o->role, 0, 0},
         BIT(SIGN), 0},
        {{"--key", "K", "the signer's key (NAME.key)", TDM__OPTION_TEXT, &o->key, 0, 0}, BIT(SIGN), 0},
        {{"--root", "F", "the root.json that is trusted to begin with", TDM__OPTION_TEXT, &o->root, 0, 0},
         BIT(VERIFY) | BIT(INSTALL), 0},
        {{"--market", "CC", "what a phone of this market needs", TDM__OPTION_TEXT, &o->market, 0, 0}, 0, BIT(BUNDLE)},
        {{"--market", "CC", "this market's policy", TDM__OPTION_TEXT, &o->market, 0, 0}, 0, BIT(SHOW)},
        {{"--out", "F", "the file to write (default: standard output)", TDM__OPTION_TEXT, &o->out, 0, 0}, 0,
         BIT(BUNDLE)},
        {{"--at", "T", "the clock", TDM__OPTION_TEXT, &o->at, 0, 0}, 0, BIT(N_ACTIONS) - 1 - BIT(BUNDLE)},
    };
    size_t n = 0;
    *needed = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!((all[i].needed | all[i].taken) & BIT(a)))
            continue;
        if (all[i].needed & BIT(a))
            *needed |= BIT(n);
        rows[n++] = all[i].row;
    }
    rows[n] = (tdm__option){0};
}

/* Takes view. */
static int print_view(const policy_options *o, json_t *view, void (*print)(const json_t *view))
{
    if (o->common.json || !view)
        return tdm__command_print_json(o->command, view);
    print(view);
    json_decref(view);
    return TDM__EXIT_DONE;
}

/* What is there after make or sign, and by show --repo. */
static int print_repository(const policy_options *o)
{
    json_t *status = NULL;
    tdm_error err = {0};
    if (tdm__repository_status(o->repo, &status, &err) != TDM_OK)
        return tdm__command_fail(o->command, &err);
    return print_view(o, status, tdm__policy_print_repository);
}

static int make(const policy_options *o)
{
    tdm_error err = {0};
    if (tdm__repository_make(o->in, o->repo, o->now_unix_s, &err) != TDM_OK)
        return tdm__command_fail(o->command, &err);
    return print_repository(o);
}

static int sign(const policy_options *o)
{
    tdm__secret_key key;
    tdm_error err = {0};
    if (tdm__key_load(o->key, &key, &err) != TDM_OK)
        return tdm__command_fail(o->command, &err);
    tdm_status s = tdm__repository_sign(o->repo, o->role, &key, o->now_unix_s, &err);
    tdm__key_wipe(&key);
    return s == TDM_OK ? print_repository(o) : tdm__command_fail(o->command, &err);
}

static int bundle(const policy_options *o)
{
    tdm__buf bytes;
    tdm_error err = {0};
    tdm__buf_init(&bytes, BUNDLE_BYTES_MAX);
    tdm_status s = tdm__repository_bundle(o->repo, o->market, &bytes, &err);
    if (s == TDM_OK && o->out) {
        int rc = tdm__file_write_atomic(o->out, bytes.ptr, bytes.len, 0644);
        s = rc == 0 ? TDM_OK : tdm__fail_os(&err, rc, "%s cannot be written", o->out);
    } else if (s == TDM_OK) {
        fwrite(bytes.ptr, 1, bytes.len, stdout); /* main looks at the stream's state */
    }
    tdm__buf_fini(&bytes);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail(o->command, &err);
}

/* A repository's folder, or a bundle in a file. */
static tdm_status open_source(const char *path, tdm__trust_source *out, tdm_error *err)
{
    struct stat st;
    char *bytes = NULL;
    size_t len = 0;
    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return tdm__trust_source_folder(path, out, err);
    int rc = tdm__file_read(path, BUNDLE_BYTES_MAX, &bytes, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the bundle %s cannot be read", path);
    tdm_status s = tdm__trust_source_bundle((tdm__str){bytes, len}, out, err);
    tdm__free(bytes);
    return s;
}

/* The sentence with the fault's name, or as it is where memory, the disk or the call was wrong. */
static int fail_trust(const policy_options *o, tdm__trust_fault fault, const tdm_error *err)
{
    if (fault == TDM__TRUST_NONE)
        return tdm__command_fail(o->command, err);
    const char *name = tdm__trust_fault_name(fault);
    fprintf(stderr, "tandem %s: %s: %s\n", o->command, name, err->msg);
    if (o->common.json)
        tdm__command_print_json(o->command, json_pack("{s:b, s:s, s:s}", "ok", false, "fault", name, "text", err->msg));
    return TDM__EXIT_INTEGRITY;
}

static void state_path(const policy_options *o, char *path, size_t cap)
{
    snprintf(path, cap, "%s/policy.json", o->common.home.state);
}

/* Verify, or install with its folder made. */
static tdm_status begin_trust(const policy_options *o, bool is_install, tdm__str root, const tdm__trust_source *source,
                              tdm__trust **out, tdm__trust_fault *fault, tdm_error *err)
{
    char path[sizeof o->common.home.state + 16];
    if (!is_install)
        return tdm__trust_verify(root, source, o->now_unix_s, out, fault, err);
    state_path(o, path, sizeof path);
    int rc = tdm__dir_make(o->common.home.state, 0700);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be made", o->common.home.state);
    return tdm__trust_install(path, root, source, o->now_unix_s, out, fault, err);
}

static int begin(const policy_options *o, bool is_install)
{
    char *bytes = NULL;
    size_t len = 0;
    tdm_error err = {0};
    tdm__trust *trust = NULL;
    tdm__trust_source source = {0};
    tdm__trust_fault fault = TDM__TRUST_NONE;
    int rc = tdm__file_read(o->root, ROOT_BYTES_MAX, &bytes, &len), code;
    tdm_status s = rc == 0 ? TDM_OK : tdm__fail_os(&err, rc, "the root %s cannot be read", o->root);
    if (s == TDM_OK) {
        s = open_source(o->repo, &source, &err);
        fault = s == TDM_ERR_FORMAT ? TDM__TRUST_FORMAT : TDM__TRUST_NONE;
    }
    if (s == TDM_OK)
        s = begin_trust(o, is_install, (tdm__str){bytes, len}, &source, &trust, &fault, &err);
    code = s == TDM_OK ? print_view(o, tdm__policy_trust_json(trust, o->now_unix_s), tdm__policy_print_trust)
                       : fail_trust(o, fault, &err);
    tdm__trust_destroy(trust);
    tdm__trust_source_fini(&source);
    tdm__free(bytes);
    return code;
}

/* The trust of this home; the exit code in *code on false. */
static bool open_installed(const policy_options *o, tdm__trust **out, int *code)
{
    char path[sizeof o->common.home.state + 16];
    tdm_error err = {0};
    state_path(o, path, sizeof path);
    tdm_status s = tdm__trust_open(path, o->now_unix_s, out, &err);
    if (s == TDM_ERR_NOT_FOUND)
        (void)tdm__fail(&err, s, "no policy is installed in %s (tandem policy install)", o->common.home.state);
    if (s != TDM_OK)
        *code = tdm__command_fail(o->command, &err);
    return s == TDM_OK;
}

static int update(const policy_options *o)
{
    int code;
    tdm_error err = {0};
    tdm__trust *trust = NULL;
    tdm__trust_source source = {0};
    tdm__trust_fault fault = TDM__TRUST_NONE;
    if (!open_installed(o, &trust, &code))
        return code;
    tdm_status s = open_source(o->repo, &source, &err);
    fault = s == TDM_ERR_FORMAT ? TDM__TRUST_FORMAT : TDM__TRUST_NONE;
    if (s == TDM_OK)
        s = tdm__trust_update(trust, &source, o->now_unix_s, &fault, &err);
    code = s == TDM_OK ? print_view(o, tdm__policy_trust_json(trust, o->now_unix_s), tdm__policy_print_trust)
                       : fail_trust(o, fault, &err);
    tdm__trust_source_fini(&source);
    tdm__trust_destroy(trust);
    return code;
}

static int show(const policy_options *o)
{
    int code;
    tdm_error err = {0};
    tdm__trust *trust = NULL;
    json_t *view = NULL;
    if (o->repo && o->market)
        return tdm__command_usage(o->command, "--market is for what is installed, --repo for a repository: give one");
    if (o->repo)
        return print_repository(o);
    if (!open_installed(o, &trust, &code))
        return code;
    if (!o->market)
        code = print_view(o, tdm__policy_trust_json(trust, o->now_unix_s), tdm__policy_print_trust);
    else if (tdm__policy_market_json(trust, o->market, &view, &err) == TDM_OK)
        code = print_view(o, view, tdm__policy_print_market);
    else
        code = tdm__command_fail(o->command, &err);
    tdm__trust_destroy(trust);
    return code;
}

static int run(action a, int argc, char **argv)
{
    policy_options o = {0};
    tdm__option rows[ROWS_MAX + 1];
    const char *args[1];
    size_t n_args;
    unsigned needed;
    int code;
    tdm_error err = {0};
    snprintf(o.command, sizeof o.command, "policy %s", action_names[a]);
    fill_rows(&o, a, rows, &needed);
    if (!tdm__options_parse(o.command, "[OPTIONS]", rows, argc, argv, &o.common, args, 0, &n_args, &code))
        return code;
    for (size_t i = 0; rows[i].name; i++)
        if ((needed & BIT(i)) && !*(const char **)rows[i].out)
            return tdm__command_usage(o.command, "%s is missing: %s", rows[i].name, rows[i].help);
    if (tdm__command_time(o.at, &o.now_unix_s, &err) != TDM_OK)
        return tdm__command_usage(o.command, "--at: %s", err.msg);
    switch (a) {
    case MAKE: return make(&o);
    case SIGN: return sign(&o);
    case BUNDLE: return bundle(&o);
    case VERIFY: return begin(&o, false);
    case INSTALL: return begin(&o, true);
    case UPDATE: return update(&o);
    case SHOW:
    case N_ACTIONS: break;
    }
    return show(&o);
}

int tdm__cmd_policy(int argc, char **argv)
{
    static const char actions[] = "make, sign, bundle, verify, install, update, show";
    if (argc < 2)
        return tdm__command_usage("policy", "an action is missing: %s", actions);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        printf("usage: tandem policy ACTION [OPTIONS]\n\nACTION is one of %s;\n"
               "tandem policy ACTION --help lists its options.\n",
               actions);
        return TDM__EXIT_DONE;
    }
    tdm__nearest near = {.wanted = argv[1], .wanted_len = strlen(argv[1])};
    for (int a = 0; a < N_ACTIONS; a++) {
        if (strcmp(argv[1], action_names[a]) == 0)
            return run((action)a, argc - 1, argv + 1);
        tdm__nearest_offer(&near, action_names[a]);
    }
    if (near.best)
        return tdm__command_usage("policy", "%s is no action, %s is the nearest", argv[1], near.best);
    return tdm__command_usage("policy", "%s is no action: %s", argv[1], actions);
}
