/* cmd_device.c - tandem device: a maker's tool for device records, and everybody's to look at one.
 *
 * show prints what a record says and, where there is a keyring, whether it is believed; verify is the answer as an
 * exit code: 0 believed, 3 not in force (not begun, ended, a demonstration's under a real policy), 4 not what a maker
 * signed. Without a keyring nobody can verify, so verify fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "cli/command.h"
#include "os/file.h"
#include "os/heap.h"
#include "route/record.h"

typedef struct make_options {
    const char *key_path, *sku, *sold_in, *profile, *device_pub, *expires, *out, *device, *at;
    bool is_demo;
} make_options;

static const char *fault_name(tdm__record_fault f)
{
    switch (f) {
    case TDM__RECORD_FINE:
        return "fine";
    case TDM__RECORD_FORMAT:
        return "format";
    case TDM__RECORD_SIGNATURE:
        return "signature";
    case TDM__RECORD_KEY_UNKNOWN:
        return "key_unknown";
    case TDM__RECORD_KEY_REVOKED:
        return "key_revoked";
    case TDM__RECORD_NOT_YET_VALID:
        return "not_yet_valid";
    case TDM__RECORD_EXPIRED:
        return "expired";
    case TDM__RECORD_DEMO:
        return "demo";
    }
    return "format";
}

static int fault_exit(tdm__record_fault f)
{
    if (f == TDM__RECORD_FINE)
        return TDM__EXIT_DONE;
    const bool is_good_but_not_in_force =
        f == TDM__RECORD_NOT_YET_VALID || f == TDM__RECORD_EXPIRED || f == TDM__RECORD_DEMO;
    return is_good_but_not_in_force ? TDM__EXIT_REFUSED : TDM__EXIT_INTEGRITY;
}

/* A pseudonym of the device's key: the same key is the same device, and nothing else of it can be told. */
static void name_device(const make_options *o, tdm__device_record *r)
{
    if (o->device)
        snprintf(r->device, sizeof r->device, "%s", o->device);
    else
        snprintf(r->device, sizeof r->device, "%s%.32s", o->is_demo ? "DEMO-" : "", r->device_key.id);
}

/* ERR_INVAL for values that are none. */
static tdm_status fill_record(const make_options *o, tdm__device_record *r, tdm_error *err)
{
    if (strlen(o->sold_in) >= sizeof r->sold_in)
        TDM_FAIL(err, TDM_ERR_INVAL, "--sold-in is %s, an ISO 3166-1 code of two upper-case letters is needed",
                 o->sold_in);
    if (!tdm__device_profile_parse(o->profile, &r->profile))
        TDM_FAIL(err, TDM_ERR_INVAL, "--profile is %s, one of adult, child, managed is needed", o->profile);
    if (strlen(o->sku) >= sizeof r->sku || (o->device && strlen(o->device) >= sizeof r->device))
        TDM_FAIL(err, TDM_ERR_INVAL, "--sku or --device has more than %zu characters", sizeof r->sku - 1);
    if (tdm__rfc3339_parse(tdm__str_from(o->expires), &r->expires_unix_s, err) != TDM_OK ||
        tdm__command_time(o->at, &r->issued_unix_s, err) != TDM_OK)
        return TDM_ERR_INVAL;
    TDM_TRY(tdm__public_key_load(o->device_pub, &r->device_key, err));
    snprintf(r->sold_in, sizeof r->sold_in, "%s", o->sold_in);
    snprintf(r->sku, sizeof r->sku, "%s", o->sku);
    r->is_demo = o->is_demo;
    name_device(o, r);
    return TDM_OK;
}

static tdm_status make_record(const make_options *o, char **json, tdm_error *err)
{
    tdm__device_record r = {0};
    tdm__secret_key key;
    TDM_TRY(fill_record(o, &r, err));
    TDM_TRY(tdm__key_load(o->key_path, &key, err));
    tdm_status s = tdm__device_record_make(&r, &key, json, err);
    tdm__key_wipe(&key);
    return s;
}

static int make(int argc, char **argv)
{
    make_options o = {0};
    const tdm__option rows[] = {
        {"--key", "K", "the maker's key (NAME.key)", TDM__OPTION_TEXT, &o.key_path, 0, 0},
        {"--sku", "S", "the model of the device", TDM__OPTION_TEXT, &o.sku, 0, 0},
        {"--sold-in", "CC", "where it is sold (ISO 3166-1, two upper-case letters)", TDM__OPTION_TEXT, &o.sold_in, 0,
         0},
        {"--profile", "P", "its owner's: adult, child or managed", TDM__OPTION_TEXT, &o.profile, 0, 0},
        {"--device-pub", "P", "the device's public key (NAME.pub)", TDM__OPTION_TEXT, &o.device_pub, 0, 0},
        {"--expires", "T", "when the record ends", TDM__OPTION_TEXT, &o.expires, 0, 0},
        {"--out", "F", "the file to write", TDM__OPTION_TEXT, &o.out, 0, 0},
        {"--device", "ID", "the device's pseudonym (default: made from its key)", TDM__OPTION_TEXT, &o.device, 0, 0},
        {"--demo", NULL, "a demonstration's record", TDM__OPTION_FLAG, &o.is_demo, 0, 0},
        {"--at", "T", "when it is issued (default: now)", TDM__OPTION_TEXT, &o.at, 0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("device make", "--key K --sku S .. --out F", rows, argc, argv, &common, args, 0, &n_args,
                            &code))
        return code;
    for (size_t i = 0; i < 7; i++) /* the first rows are needed */
        if (!*(const char **)rows[i].out)
            return tdm__command_usage("device make", "%s is missing: %s", rows[i].name, rows[i].help);
    char *json = NULL;
    tdm_error err = {0};
    tdm_status s = make_record(&o, &json, &err);
    if (s == TDM_ERR_INVAL)
        return tdm__command_usage("device make", "%s", err.msg);
    if (s == TDM_OK) {
        int rc = tdm__file_write_atomic(o.out, json, strlen(json), 0644);
        s = rc == 0 ? TDM_OK : tdm__fail_os(&err, rc, "%s cannot be written", o.out);
    }
    tdm__free(json);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("device make", &err);
}

typedef struct judged {
    tdm__device_record record;
    bool is_checked;
    tdm__record_fault fault;
    tdm_error why;
} judged;

/* False: nothing could be read, the exit code is *code. */
static bool judge(const char *command, const char *path, const tdm__command_keys *keys, int64_t now, judged *j,
                  int *code)
{
    char *bytes = NULL;
    size_t len = 0;
    json_t *envelope = NULL;
    int rc = tdm__file_read(path, TDM__RECORD_BYTES_MAX, &bytes, &len);
    if (rc != 0) {
        (void)tdm__fail_os(&j->why, rc, "%s cannot be read", path);
        *code = tdm__command_fail(command, &j->why);
        return false;
    }
    tdm_status s = tdm__device_record_parse((tdm__str){bytes, len}, &j->record, &envelope, &j->why);
    tdm__free(bytes);
    if (s != TDM_OK) {
        tdm__command_fail(command, &j->why);
        *code = s == TDM_ERR_NOMEM ? TDM__EXIT_FAILED : TDM__EXIT_INTEGRITY;
        return false;
    }
    j->is_checked = keys->keyring != NULL;
    if (j->is_checked)
        j->fault = tdm__device_record_verify(envelope, &j->record, keys->keyring, keys->is_demo, now, &j->why);
    json_decref(envelope);
    return true;
}

static int print_json(const char *command, const judged *j, const char *issued, const char *expires)
{
    const tdm__device_record *r = &j->record;
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s}", "device", r->device, "sku", r->sku,
                  "sold_in", r->sold_in, "profile", tdm__device_profile_name(r->profile), "issued", issued, "expires",
                  expires, "demo", r->is_demo, "device_key", r->device_key.id, "signer", r->signer, "sha256", r->sha256,
                  "state", j->is_checked ? fault_name(j->fault) : "not_checked", "text", j->why.msg);
    return tdm__command_print_json(command, root);
}

static int print_record(const char *command, const judged *j, bool as_json)
{
    const tdm__device_record *r = &j->record;
    char issued[TDM__RFC3339_TEXT], expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(r->issued_unix_s, issued);
    tdm__rfc3339_put(r->expires_unix_s, expires);
    if (as_json)
        return print_json(command, j, issued, expires);
    printf("device     %s%s\nsku        %s\nsold in    %s\nprofile    %s\n", r->device,
           r->is_demo ? ", a demonstration's" : "", r->sku, r->sold_in, tdm__device_profile_name(r->profile));
    printf("issued     %s\nexpires    %s\ndevice key %s\nsigned by  %s\nsha256     %s\n", issued, expires,
           r->device_key.id, r->signer, r->sha256);
    if (!j->is_checked)
        printf("state      not checked: no keyring was given and no policy is installed\n");
    else
        printf("state      %s%s%s\n", fault_name(j->fault), j->why.msg[0] ? ": " : "", j->why.msg);
    return TDM__EXIT_DONE;
}

static int look(bool is_verify, int argc, char **argv)
{
    const char *command = is_verify ? "device verify" : "device show", *keys_path = NULL, *at = NULL;
    const tdm__option rows[] = {
        {"--keys", "F", "whom to believe: a keys.json (default: the installed policy's)", TDM__OPTION_TEXT, &keys_path,
         0, 0},
        {"--at", "T", "the clock to judge by", TDM__OPTION_TEXT, &at, 0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    int64_t now;
    tdm_error err = {0};
    if (!tdm__options_parse(command, "F [--keys F] [--at T]", rows, argc, argv, &common, args, 1, &n_args, &code))
        return code;
    if (n_args == 0)
        return tdm__command_usage(command, "F is missing: a device record's file");
    if (tdm__command_time(at, &now, &err) != TDM_OK)
        return tdm__command_usage(command, "--at: %s", err.msg);
    tdm__command_keys keys;
    judged j = {0};
    if (tdm__command_keys_open(&common, keys_path, &keys, &err) != TDM_OK) {
        code = tdm__command_fail(command, &err);
    } else if (judge(command, args[0], &keys, now, &j, &code)) {
        code = print_record(command, &j, common.json);
        if (is_verify && !j.is_checked)
            code = tdm__command_fail(command, &(tdm_error){TDM_ERR_NOT_FOUND, "there is no keyring to verify against: "
                                                                              "give --keys, or install a policy"});
        else if (is_verify && code == TDM__EXIT_DONE)
            code = fault_exit(j.fault);
    }
    tdm__command_keys_close(&keys);
    return code;
}

int tdm__cmd_device(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "make") == 0)
        return make(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "show") == 0)
        return look(false, argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "verify") == 0)
        return look(true, argc - 1, argv + 1);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: tandem device make|show|verify [OPTIONS]\n\n"
               "tandem device ACTION --help lists the options of one.\n");
        return TDM__EXIT_DONE;
    }
    return tdm__command_usage("device", "an action is needed: make, show or verify");
}
