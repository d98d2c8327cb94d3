/* cmd_filing.c - tandem filing: approval cases as files, made, continued and looked at.
 *
 * Each action has the options that it uses and no others, so none is passed over. An action reads the case, adds one
 * signed entry and replaces the file as a whole; what the rules of filing.h do not allow is exit code 3, a case that
 * is not what was signed 4. Without a keyring (--keys, or the installed policy) who the signers are is not checked,
 * which show says; a phone always checks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/filing_options.h"
#include "filing/case_folder.h"
#include "os/file.h"
#include "os/heap.h"

enum {
    SHOW = TDM__FILING_WITHDRAW + 1, /* actions that sign nothing */
    LIST,
    N_ACTIONS,
    ROWS_MAX = 24,
};

#define BIT(action) (1u << (action))
#define ENTRIES (BIT(SHOW) - 2) /* all actions that sign */

static const char *action_name(int action)
{
    return action == SHOW ? "show" : action == LIST ? "list" : tdm__filing_action_name((tdm__filing_action)action);
}

/* The options of an action. */
static void fill_rows(filing_options *o, int action, tdm__option rows[ROWS_MAX])
{
    const struct {
        tdm__option row;
        unsigned actions;
    } all[] = {
        {{"--case", "F", "the case's file; list: a folder of cases", TDM__OPTION_TEXT, &o->case_path, 0, 0},
         ENTRIES | BIT(SHOW) | BIT(LIST)},
        {{"--key", "K", "the signer's key (NAME.key)", TDM__OPTION_TEXT, &o->key_path, 0, 0}, ENTRIES},
        {{"--keys", "F", "whom to believe: a keys.json (default: the installed policy's)", TDM__OPTION_TEXT,
          &o->keys_path, 0, 0},
         ENTRIES | BIT(SHOW) | BIT(LIST)},
        {{"--at", "T", "the clock: the new entry's date, and what is checked against", TDM__OPTION_TEXT, &o->at, 0, 0},
         ENTRIES | BIT(SHOW) | BIT(LIST)},
        {{"--id", "ID", "the case's id (letters, digits, dashes)", TDM__OPTION_TEXT, &o->id, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--market", "M", "the market it is for: CN, US, ..", TDM__OPTION_TEXT, &o->market, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--feature", "F", "a feature it is about (several)", TDM__OPTION_TEXTS, &o->features, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--model", "M", "own model: NAME=SHA256, a catalogue name or a file (several)", TDM__OPTION_TEXTS, &o->models,
          0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--partner", "P", "the partner whose model it is about", TDM__OPTION_TEXT, &o->partner, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--partner-model", "ID", "what the partner's model is called by", TDM__OPTION_TEXT, &o->partner_model, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--partner-date", "D", "the model's date as the partner declares it (YYYY-MM-DD)", TDM__OPTION_TEXT,
          &o->partner_date, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--maker", "NAME", "the maker: its id or name in the keyring", TDM__OPTION_TEXT, &o->maker, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--provider", "NAME", "the model's provider: its id or name in the keyring", TDM__OPTION_TEXT, &o->provider,
          0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--demo", NULL, "a demonstration's case (its id begins with DEMO-)", TDM__OPTION_FLAG, &o->is_demo, 0, 0},
         BIT(TDM__FILING_NEW)},
        {{"--section", "S", "maker or provider (default: by the key's role)", TDM__OPTION_TEXT, &o->section, 0, 0},
         BIT(TDM__FILING_SUBMIT)},
        {{"--doc", "F", "a document; its name, length and SHA-256 are filed (several)", TDM__OPTION_TEXTS,
          &o->documents, 0, 0},
         BIT(TDM__FILING_SUBMIT) | BIT(TDM__FILING_ANSWER)},
        {{"--text", "T", "what is asked, answered, or the reason", TDM__OPTION_TEXT, &o->text, 0, 0},
         BIT(TDM__FILING_ASK) | BIT(TDM__FILING_ANSWER) | BIT(TDM__FILING_REFUSE) | BIT(TDM__FILING_WITHDRAW)},
        {{"--conditions", "T", "a condition of the approval (several)", TDM__OPTION_TEXTS, &o->conditions, 0, 0},
         BIT(TDM__FILING_APPROVE)},
        {{"--expires", "T", "when the approval ends (default: never)", TDM__OPTION_TEXT, &o->expires, 0, 0},
         BIT(TDM__FILING_APPROVE)},
        {{"--hypothetical", NULL, "say that no regulator said this (a demonstration's always do)", TDM__OPTION_FLAG,
          &o->is_hypothetical, 0, 0},
         BIT(TDM__FILING_APPROVE)},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].actions & BIT(action))
            rows[n++] = all[i].row;
    rows[n] = (tdm__option){0};
}

/* Exit codes: what is not as it was signed is 4, a wrong value 2, what is not allowed 3 as everywhere. */
static int fail_as(const char *command, int code, const tdm_error *err)
{
    tdm__command_fail(command, err);
    return code;
}

static int fail_read(const char *command, const tdm_error *err)
{
    const bool is_spoilt = err->code == TDM_ERR_INTEGRITY || err->code == TDM_ERR_FORMAT || err->code == TDM_ERR_LIMIT;
    return is_spoilt ? fail_as(command, TDM__EXIT_INTEGRITY, err) : tdm__command_fail(command, err);
}

static int fail_entry(const char *command, const tdm_error *err)
{
    return err->code == TDM_ERR_FORMAT ? fail_as(command, TDM__EXIT_USAGE, err) : tdm__command_fail(command, err);
}

static tdm_status read_case(tdm__str json, const tdm__keyring *keys, int64_t now, tdm__filing_case **out,
                            tdm_error *err)
{
    return keys ? tdm__filing_case_create(json, keys, now, out, err)
                : tdm__filing_case_create_unchecked(json, now, out, err);
}

static int print_case(const char *command, const tdm__common *common, const tdm__filing_case *c, int64_t now,
                      void (*print)(const json_t *view))
{
    json_t *view = tdm__filing_case_json(c, now);
    if (common->json || !view)
        return tdm__command_print_json(command, view);
    print(view);
    json_decref(view);
    return TDM__EXIT_DONE;
}

/* Says what the new entry came to. */
static int report(const char *command, const tdm__common *common, const char *json, const tdm__keyring *keys,
                  int64_t now)
{
    tdm__filing_case *c = NULL;
    tdm_error err = {0};
    if (read_case(tdm__str_from(json), keys, now, &c, &err) != TDM_OK)
        return tdm__command_fail(command, &err);
    const bool is_half = tdm__filing_case_has_section(c, "maker") != tdm__filing_case_has_section(c, "provider");
    int code = print_case(command, common, c, now, tdm__filing_print_line);
    if (!common->quiet && is_half && tdm__filing_case_state(c, now) == TDM__FILING_DRAFT)
        fprintf(stderr, "%s stays a draft: the %s's section is missing\n", tdm__filing_case_id(c),
                tdm__filing_case_has_section(c, "maker") ? "provider" : "maker");
    if (!common->quiet && !keys)
        fprintf(stderr, "the signers were not checked: no --keys, and no policy is installed here\n");
    tdm__filing_case_destroy(c);
    return code;
}

/* Adds an entry to the case at o->case_path; earlier is NULL for a new one. */
static int add_entry(const char *command, const filing_options *o, int action, const tdm__common *common,
                     const tdm__filing_case *earlier, const tdm__keyring *keys, int64_t now)
{
    tdm__secret_key key;
    json_t *fields = NULL;
    char *json = NULL;
    tdm_error err = {0};
    if (tdm__key_load(o->key_path, &key, &err) != TDM_OK)
        return tdm__command_fail(command, &err);
    if (tdm__filing_fields(o, (tdm__filing_action)action, &key.public_key, keys, &fields, &err) != TDM_OK) {
        tdm__key_wipe(&key);
        return err.code == TDM_ERR_INVAL ? tdm__command_usage(command, "%s", err.msg)
                                         : tdm__command_fail(command, &err);
    }
    tdm_status s = tdm__filing_case_extend(earlier, (tdm__filing_action)action, fields, &key, keys, now, &json, &err);
    tdm__key_wipe(&key);
    json_decref(fields);
    if (s != TDM_OK)
        return fail_entry(command, &err);
    int rc = tdm__file_write_atomic(o->case_path, json, strlen(json), 0644), code;
    if (rc != 0) {
        (void)tdm__fail_os(&err, rc, "%s cannot be written", o->case_path);
        code = tdm__command_fail(command, &err);
    } else {
        code = report(command, common, json, keys, now);
    }
    tdm__free(json);
    return code;
}

static int act(const char *command, const filing_options *o, int action, const tdm__common *common,
               const tdm__keyring *keys, int64_t now)
{
    tdm__filing_case *c = NULL;
    tdm_error err = {0};
    if (!o->case_path)
        return tdm__command_usage(command, "--case is missing: the case's file");
    if (action != SHOW && !o->key_path)
        return tdm__command_usage(command, "--key is missing: the signer's key");
    if (action == TDM__FILING_NEW) {
        if (access(o->case_path, F_OK) == 0)
            return tdm__command_usage(command, "%s exists already", o->case_path);
        return add_entry(command, o, action, common, NULL, keys, now);
    }
    if (tdm__case_file_read(o->case_path, keys, now, &c, &err) != TDM_OK)
        return fail_read(command, &err);
    int code = action == SHOW ? print_case(command, common, c, now, tdm__filing_print)
                              : add_entry(command, o, action, common, c, keys, now);
    tdm__filing_case_destroy(c);
    return code;
}

static int list(const char *command, const filing_options *o, const tdm__common *common, const tdm__keyring *keys,
                int64_t now)
{
    char installed[sizeof common->home.state + 16];
    tdm__case_folder f;
    tdm_error err = {0};
    snprintf(installed, sizeof installed, "%s/filings", common->home.state);
    const char *dir = o->case_path ? o->case_path : installed;
    tdm_status s =
        keys ? tdm__case_folder_read(dir, keys, now, &f, &err) : tdm__case_folder_read_unchecked(dir, now, &f, &err);
    int code = s == TDM_OK ? TDM__EXIT_DONE : fail_read(command, &err), printed = TDM__EXIT_DONE;
    json_t *all = common->json ? json_array() : NULL;
    for (size_t i = 0; i < f.n; i++)
        if (common->json)
            json_array_append_new(all, tdm__filing_case_json(f.cases[i], now));
        else
            print_case(command, common, f.cases[i], now, tdm__filing_print_line);
    if (common->json)
        printed = tdm__command_print_json(command, json_pack("{s:o}", "filings", all));
    tdm__case_folder_fini(&f);
    return code != TDM__EXIT_DONE ? code : printed;
}

static int run(int action, int argc, char **argv)
{
    char command[32];
    filing_options o = {0};
    tdm__option rows[ROWS_MAX];
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    int64_t now;
    tdm_error err = {0};
    snprintf(command, sizeof command, "filing %s", action_name(action));
    fill_rows(&o, action, rows);
    if (!tdm__options_parse(command, "--case F [--keys F] [OPTIONS]", rows, argc, argv, &common, args, 0, &n_args,
                            &code))
        return code;
    if (tdm__command_time(o.at, &now, &err) != TDM_OK)
        return tdm__command_usage(command, "--at: %s", err.msg);
    tdm__command_keys keys;
    if (tdm__command_keys_open(&common, o.keys_path, &keys, &err) != TDM_OK)
        code = fail_read(command, &err);
    else if (action == LIST)
        code = list(command, &o, &common, keys.keyring, now);
    else
        code = act(command, &o, action, &common, keys.keyring, now);
    tdm__command_keys_close(&keys);
    return code;
}

int tdm__cmd_filing(int argc, char **argv)
{
    static const char actions[] = "new, submit, review, ask, answer, approve, refuse, withdraw, show, list";
    if (argc < 2)
        return tdm__command_usage("filing", "an action is missing: %s", actions);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        printf("usage: tandem filing ACTION [OPTIONS]\n\nACTION is one of %s;\n"
               "tandem filing ACTION --help lists its options.\n",
               actions);
        return TDM__EXIT_DONE;
    }
    tdm__nearest near = {.wanted = argv[1], .wanted_len = strlen(argv[1])};
    for (int a = TDM__FILING_NEW; a < N_ACTIONS; a++) {
        if (strcmp(argv[1], action_name(a)) == 0)
            return run(a, argc - 1, argv + 1);
        tdm__nearest_offer(&near, action_name(a));
    }
    if (near.best)
        return tdm__command_usage("filing", "%s is no action, %s is the nearest", argv[1], near.best);
    return tdm__command_usage("filing", "%s is no action: %s", argv[1], actions);
}
