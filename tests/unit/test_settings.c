/* test_settings.c - the table of settings: what a file may say, what a flag, and what the docs say of it.
 *
 * TANDEM_TEST_DAEMON_DOC names docs/formats/daemon.md. With TANDEM_TEST_WRITE the table between its marks is written
 * anew instead of compared.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "api/settings.h"
#include "os/file.h"
#include "os/heap.h"
#include "temp_folder.h"

static char folder[TDM__TEMP_FOLDER_TEXT];
static tdm__settings loaded;
static tdm_error err;

static int make_folder(void **state)
{
    (void)state;
    tdm__temp_folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    tdm__temp_folder_remove(folder);
    return 0;
}

/* The file's path, in a static buffer. */
static const char *written(const char *yaml)
{
    static char path[TDM__TEMP_FOLDER_TEXT + 16];
    snprintf(path, sizeof path, "%s/daemon.yaml", folder);
    assert_int_equal(tdm__file_write_atomic(path, yaml, strlen(yaml), 0600), 0);
    return path;
}

static tdm_status load(const char *yaml, const tdm__settings_flags *flags)
{
    static const tdm__settings_flags none;
    err = (tdm_error){0};
    return tdm__settings_load(yaml ? written(yaml) : NULL, flags ? flags : &none, &loaded, &err);
}

static void each_row_is_whole_and_its_default_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        tdm__setting_value v;
        assert_non_null(row->key);
        assert_non_null(row->flag);
        assert_non_null(row->help);
        assert_true((row->value == NULL) == (row->kind == TDM__SETTING_FLAG));
        assert_int_equal(tdm__setting_parse(row, row->key, row->initial, &v, &err), TDM_OK);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(row->key, tdm__settings_table[j].key);
            assert_string_not_equal(row->flag, tdm__settings_table[j].flag);
        }
    }
    assert_int_equal(load(NULL, NULL), TDM_OK);
    assert_string_equal(tdm__settings_text(&loaded, TDM__SET_LISTEN), "127.0.0.1:8420");
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_DRAIN_TIME), 30000);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_BODY_SIZE), 1 << 20);
}

static void a_file_is_read_and_flags_win_over_it(void **state)
{
    (void)state;
    tdm__settings_flags flags = {0};
    flags.texts[TDM__SET_QUEUE] = "7";
    flags.texts[TDM__SET_KEYS_REQUIRED] = "true";
    assert_int_equal(load("# a comment\nlisten: \"127.0.0.1:9000\"\nqueue: 5\nparallel: 8\nhosts: [a.lan, 'b.lan:80']\n"
                          "drain_time: 2min\nhead_timeout: 1500ms\nbody_size: 64KiB\nlog: json\nmodel: /m/x y.gguf\n",
                          &flags),
                     TDM_OK);
    assert_string_equal(tdm__settings_text(&loaded, TDM__SET_LISTEN), "127.0.0.1:9000");
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_QUEUE), 7);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_PARALLEL), 8);
    assert_string_equal(tdm__settings_text(&loaded, TDM__SET_HOSTS), "a.lan b.lan:80");
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_DRAIN_TIME), 120000);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_HEAD_TIMEOUT), 1500);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_BODY_SIZE), 65536);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_KEYS_REQUIRED), 1);
    assert_string_equal(tdm__settings_text(&loaded, TDM__SET_MODEL), "/m/x y.gguf");
}

static void a_file_of_comments_sets_nothing(void **state)
{
    (void)state;
    assert_int_equal(load("# queue: 5\n\n  # and so on\r\n#", NULL), TDM_OK);
    assert_int_equal(tdm__settings_number(&loaded, TDM__SET_QUEUE), 64);
}

static void what_is_wrong_has_its_line_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"queue: 010\n", ":1: queue is '010', a whole number is needed"},
        {"\nqueue: -1\n", ":2: queue is '-1', a whole number is needed"},
        {"queue: 1.5\n", ":1: queue is no single value"},
        {"queue: 4097\n", ":1: queue is 4097, 0 to 4096 is allowed"},
        {"queue: 18446744073709551616\n", ":1: "},
        {"queue: \"99999999999999999999\"\n", "a whole number is needed"},
        {"queue: 0x10\n", "a whole number is needed"},
        {"queue: 1_000\n", "a whole number is needed"},
        {"queue: +5\n", "a whole number is needed"},
        {"queue: yes\n", "queue is 'yes'"},
        {"queue: null\n", ":1: queue is no single value"},
        {"queue:\n", ":1: "},
        {"queue: [1]\n", "no single value"},
        {"queue: {a: 1}\n", "no single value"},
        {"drain_time: 30\n", ":1: drain_time is '30', a time with its unit (500ms, 30s, 2min, 1h) is needed"},
        {"drain_time: 30 s\n", "a time with its unit"},
        {"drain_time: 030s\n", "a time with its unit"},
        {"drain_time: 1.5s\n", "a time with its unit"},
        {"drain_time: 30S\n", "a time with its unit"},
        {"drain_time: 30m\n", "a time with its unit"},
        {"drain_time: 2h\n", "drain_time is 2h, 10ms to 60min is allowed"},
        {"drain_time: 9223372036854775807h\n", "a time with its unit"},
        {"body_size: 1MB\n", "a size with its unit (4096B, 64KiB, 1MiB)"},
        {"body_size: 512MiB\n", "body_size is 512MiB, 4KiB to 64MiB is allowed"},
        {"body_size: 1048576\n", "a size with its unit"},
        {"keys_required: yes\n", "keys_required is 'yes', true or false is needed"},
        {"keys_required: 1\n", "true or false"},
        {"log: xml\n", "log is 'xml', one of text|json is needed"},
        {"log: true\n", "no single value"},
        {"log: tex\n", "one of text|json"},
        {"log: text|json\n", "one of text|json"},
        {"model: 5\n", "no single value"},
        {"hosts: a.lan\n", "hosts is no list"},
        {"hosts: [a b]\n", "item 1 of hosts is no name"},
        {"hosts: [x.lan, 5]\n", "item 2 of hosts is no name"},
        {"hosts: [\"\"]\n", "item 1 of hosts is no name"},
        {"hosts: [UPPER.lan]\n", "'UPPER.lan' is no name of a host"},
        {"hosts: [\"*\"]\n", "'*' cannot be given for all names"},
        {"hosts: [\"*.lan:80\"]\n", "'*.lan:80' cannot be given for all names"},
        {"hosts: [0.0.0.0]\n", "'0.0.0.0' is no address of one machine"},
        {"hosts: [\"0.0.0.0:8420\"]\n", "'0.0.0.0' is no address of one machine"},
        {"hosts: [\"0\"]\n", "'0' is no address of one machine"},
        {"hosts: [\"10.0.0.010\"]\n", "'10.0.0.010' is no address of one machine"},
        {"hosts: [\"0x7f.0x1\"]\n", "'0x7f.0x1' is no address of one machine"},
        {"hosts: [255.255.255.255]\n", "'255.255.255.255' is no address of one machine"},
        {"hosts: [\"::\"]\n", "'::' is no name of a host"},
        {"hosts: [\"[::]\"]\n", "'[::]' is no name of a host"},
        {"hosts: [\".\"]\n", "'.' is no name of a host"},
        {"hosts: [a..lan]\n", "'a..lan' is no name of a host"},
        {"hosts: [\"a.lan:0\"]\n", "'a.lan:0' is no name of a host"},
        {"hosts: [\"a.lan:65536\"]\n", "'a.lan:65536' is no name of a host"},
        {"hosts: [\"a.lan:\"]\n", "'a.lan:' is no name of a host"},
        {"behind_tls_proxy: 0.0.0.0\n", "0.0.0.0 is no address of one machine: nobody connects from it"},
        {"behind_tls_proxy: \"::\"\n", ":: is no address of one machine"},
        {"behind_tls_proxy: \"::ffff:0.0.0.0\"\n", "0.0.0.0 is no address of one machine"},
        {"behind_tls_proxy: 239.1.2.3\n", "239.1.2.3 is no address of one machine"},
        {"behind_tls_proxy: \"ff02::1\"\n", "ff02::1 is no address of one machine"},
        {"behind_tls_proxy: \"*\"\n", "is no numeric address"},
        {"listen: 127.0.0.1\n", "is no numeric address with a port"},
        {"listen: 8420\n", "no single value"},
        {"a: &x 1\nb: *x\n", ":1: "},
        {"queue: &x 1\n", "the anchor &x is not taken"},
        {"queue: *x\n", ":1: "},
        {"queue: !!int 5\n", "tag"},
        {"queue: 1\nqueue: 2\n", ":2: 'queue' stands here for the second time; the first is on line 1"},
        {"queue: 1\n---\nqueue: 2\n", "second document"},
        {"- queue\n", "settings are written as KEY: VALUE"},
        {"queue\n", "settings are written as KEY: VALUE"},
        {"", "nothing is written here"},
        {"queu: 5\n", ":1: 'queu' is no setting, the nearest is queue"},
        {"\n\ntls-cert: x\n", ":3: 'tls-cert' is no setting, the nearest is tls_cert"},
        {"zzzzzzzzzz: 5\n", ":1: 'zzzzzzzzzz' is no setting (tandem serve --print-config"},
        {"partners:\n  openai:\n    host: evil.example\n", ":1: 'partners': whom this device may speak to"},
        {"partner_host: evil.example\n", "a configuration names no partner"},
        {"tls_cert: a\n", "--tls-cert is given without --tls-key"},
        {"stage: http://192.168.1.1:8400\n", "is not http://ADDRESS:PORT of this machine's loopback"},
        {"model: \"a\\x01b\"\n", ":1: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(load(cases[i].yaml, NULL) < 0);
        if (!strstr(err.msg, cases[i].says) || strchr(err.msg, '\n'))
            fail_msg("%s -> %s", cases[i].yaml, err.msg);
    }
}

static void a_host_is_a_name_or_the_address_of_one_machine(void **state)
{
    (void)state;
    assert_int_equal(load("hosts: [a, b.lan, \"c.lan.\", x_1.lan, 10.0.0.1, \"10.0.0.1:443\", 4.example, 0x.lan, "
                          "\"d.lan:65535\"]\n", NULL), TDM_OK);
    assert_string_equal(tdm__settings_text(&loaded, TDM__SET_HOSTS),
                        "a b.lan c.lan. x_1.lan 10.0.0.1 10.0.0.1:443 4.example 0x.lan d.lan:65535");
}

/* Opening a pipe for reading waits for its writer: the test would hang. */
static void a_configuration_that_is_no_regular_file_is_refused_at_once(void **state)
{
    (void)state;
    static const tdm__settings_flags none;
    char pipe_path[TDM__TEMP_FOLDER_TEXT + 8];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    const char *const paths[] = {pipe_path, folder, "/dev/zero"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(tdm__settings_load(paths[i], &none, &loaded, &err), TDM_ERR_INVAL);
        assert_non_null(strstr(err.msg, "is no regular file"));
    }
}

/* A socket of both families shows an IPv4 peer as IPv4. */
static void a_proxy_is_named_in_the_form_of_a_peer(void **state)
{
    (void)state;
    tdm__reach r;
    assert_int_equal(load("behind_tls_proxy: \"::ffff:10.0.0.1\"\n", NULL), TDM_OK);
    assert_int_equal(tdm__settings_check(&loaded, &r, &err), TDM_OK);
    assert_string_equal(r.only_from, "10.0.0.1");
}

static void a_partner_in_a_configuration_is_an_error_however_it_is_written(void **state)
{
    (void)state;
    static const char *const files[] = {"partner: openai\n", "partners: []\n", "partners.openai.host: x\n",
                                        "\"partner\\u005fendpoint\": x\n", "? partners\n: 1\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_true(load(files[i], NULL) < 0);
        assert_non_null(strstr(err.msg, "partner"));
    }
}

static void a_flag_is_named_as_it_was_given(void **state)
{
    (void)state;
    tdm__settings_flags flags = {0};
    flags.texts[TDM__SET_DRAIN_TIME] = "5";
    assert_true(load(NULL, &flags) == TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "--drain-time is '5'"));
}

static void what_is_printed_is_read_back(void **state)
{
    (void)state;
    static tdm__settings first;
    tdm__buf text;
    assert_int_equal(load("hosts: [a.lan, b.lan]\nmodel: \"/m/quote \\\" back \\\\ \xc3\xa9.gguf\"\ndrain_time: 90s\n"
                          "head_timeout: 1001ms\nidle_timeout: 1h\nbody_size: 5000B\nlog: json\nkeys_required: true\n",
                          NULL),
                     TDM_OK);
    first = loaded;
    tdm__buf_init(&text, 65536);
    assert_int_equal(tdm__settings_put(&text, &first), TDM_OK);
    assert_int_equal(load(tdm__buf_cstr(&text), NULL), TDM_OK);
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        assert_int_equal(first.values[i].number, loaded.values[i].number);
        assert_string_equal(first.values[i].text, loaded.values[i].text);
    }
    assert_int_equal(tdm__settings_find_fixed(&first, &loaded), TDM__N_SETTINGS);
    tdm__buf_fini(&text);
}

static void what_cannot_change_is_found(void **state)
{
    (void)state;
    static tdm__settings before;
    assert_int_equal(load(NULL, NULL), TDM_OK);
    before = loaded;
    assert_int_equal(load("queue: 5\n", NULL), TDM_OK);
    assert_int_equal(tdm__settings_find_fixed(&before, &loaded), TDM__SET_QUEUE);
    assert_int_equal(load("drain_time: 5s\nlog: json\nhosts: [x.lan]\n", NULL), TDM_OK);
    assert_int_equal(tdm__settings_find_fixed(&before, &loaded), TDM__N_SETTINGS);
}

static void only_loopback_is_reached_without_keys(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool is_outside, has_tls;
    } cases[] = {
        {"listen: \"127.0.0.1:0\"\n", false, false},
        {"listen: \"127.9.9.9:0\"\n", false, false},
        {"listen: \"[::1]:0\"\n", false, false},
        {"listen: \"127.0.0.1:0\"\ntls_cert: a\ntls_key: b\n", false, true},
        {"listen: \"0.0.0.0:0\"\ntls_cert: a\ntls_key: b\n", true, true},
        {"listen: \"[::ffff:127.0.0.1]:0\"\ntls_cert: a\ntls_key: b\n", true, true},
        {"listen: \"127.0.0.1:0\"\nbehind_tls_proxy: 10.0.0.1\n", true, false},
        {"listen: \"[::]:0\"\nbehind_tls_proxy: fd00:0::1\n", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdm__reach r;
        assert_int_equal(load(cases[i].yaml, NULL), TDM_OK);
        assert_int_equal(tdm__settings_check(&loaded, &r, &err), TDM_OK);
        assert_int_equal(r.is_outside, cases[i].is_outside);
        assert_int_equal(r.has_tls, cases[i].has_tls);
    }
    assert_string_equal(loaded.values[TDM__SET_BEHIND_TLS_PROXY].text, "fd00:0::1");
    static const char *const refused[] = {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1", "[fe80::1]:1",
                                          "128.0.0.1:1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        tdm__settings_flags flags = {0};
        flags.texts[TDM__SET_LISTEN] = refused[i];
        assert_int_equal(load(NULL, &flags), TDM_ERR_UNSUPPORTED);
    }
}

/* ---- the page ---- */

static const char begin_mark[] = "<!-- settings: made by tests/unit/test_settings.c -->\n", end_mark[] = "<!-- end -->";

static void put_range(tdm__buf *out, const tdm__setting *row)
{
    if (row->kind == TDM__SETTING_COUNT || row->kind == TDM__SETTING_TIME || row->kind == TDM__SETTING_SIZE) {
        tdm__setting_put(out, row, &(tdm__setting_value){.number = row->min});
        tdm__buf_append_z(out, " .. ");
        tdm__setting_put(out, row, &(tdm__setting_value){.number = row->max});
    } else if (row->kind == TDM__SETTING_CHOICE) {
        for (const char *p = row->value; *p; p++)
            tdm__buf_append_z(out, *p == '|' ? ", " : (char[]){*p, '\0'});
    } else {
        tdm__buf_append_z(out, row->kind == TDM__SETTING_FLAG    ? "true, false"
                               : row->kind == TDM__SETTING_NAMES ? "list of names"
                                                                 : "text");
    }
}

static void put_table(tdm__buf *out)
{
    tdm__buf_append_z(out, "| key | flag | values | default | reload | |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        tdm__buf_printf(out, "| `%s` | `%s` | ", row->key, row->flag);
        put_range(out, row);
        tdm__buf_printf(out, " | %s | %s | %s |\n", row->initial, row->is_reloadable ? "yes" : "", row->help);
    }
}

static void the_page_has_the_table_as_it_is(void **state)
{
    (void)state;
    const char *path = getenv("TANDEM_TEST_DAEMON_DOC");
    char *text = NULL;
    size_t len;
    if (!path)
        skip();
    assert_int_equal(tdm__file_read(path, 1 << 20, &text, &len), 0);
    char *begin = strstr(text, begin_mark), *end = strstr(text, end_mark);
    assert_true(begin && end && begin < end);
    begin += sizeof begin_mark - 1;
    tdm__buf table, whole;
    tdm__buf_init(&table, 1 << 16);
    put_table(&table);
    if (getenv("TANDEM_TEST_WRITE")) {
        tdm__buf_init(&whole, 1 << 20);
        tdm__buf_append(&whole, text, (size_t)(begin - text));
        tdm__buf_append(&whole, table.ptr, table.len);
        tdm__buf_append_z(&whole, end);
        assert_int_equal(tdm__file_write_atomic(path, whole.ptr, whole.len, 0644), 0);
        tdm__buf_fini(&whole);
    } else {
        *end = '\0';
        assert_string_equal(begin, tdm__buf_cstr(&table));
    }
    tdm__buf_fini(&table);
    tdm__free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_whole_and_its_default_is_allowed),
        cmocka_unit_test(a_file_is_read_and_flags_win_over_it),
        cmocka_unit_test(a_file_of_comments_sets_nothing),
        cmocka_unit_test(what_is_wrong_has_its_line_and_what_is_allowed),
        cmocka_unit_test(a_host_is_a_name_or_the_address_of_one_machine),
        cmocka_unit_test(a_configuration_that_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test(a_proxy_is_named_in_the_form_of_a_peer),
        cmocka_unit_test(a_partner_in_a_configuration_is_an_error_however_it_is_written),
        cmocka_unit_test(a_flag_is_named_as_it_was_given),
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(what_cannot_change_is_found),
        cmocka_unit_test(only_loopback_is_reached_without_keys),
        cmocka_unit_test(the_page_has_the_table_as_it_is),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
