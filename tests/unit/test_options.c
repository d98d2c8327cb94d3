/* test_options.c - the command line: what the rows say is read, what they do not is refused in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "os/cpu.h"
#include "base/nearest.h"

enum { ARGS_MAX = 3 };

/* What one line of arguments gave. */
typedef struct parsed {
    bool go_on, flag;
    const char *text;
    size_t count;
    uint64_t seed;
    double real;
    tdm__texts texts;
    tdm__common common;
    const char *args[ARGS_MAX];
    size_t n_args;
    int code;
    char said[1024]; /* standard error */
} parsed;

static parsed parse(int argc, char **argv)
{
    parsed p = {.count = 7, .real = 0.5};
    const tdm__option rows[] = {
        {"--flag", NULL, "a flag", TDM__OPTION_FLAG, &p.flag, 0, 0},
        {"--text", "TEXT", "a text", TDM__OPTION_TEXT, &p.text, 0, 0},
        {"-n", "N", "a count", TDM__OPTION_COUNT, &p.count, 0, 100},
        {"--seed", "N", "any number", TDM__OPTION_U64, &p.seed, 0, 0},
        {"--temp", "T", "a real number", TDM__OPTION_REAL, &p.real, 0, 2},
        {"--doc", "FILE", "any number of texts", TDM__OPTION_TEXTS, &p.texts, 0, 0},
        {0},
    };
    int stderr_kept = dup(STDERR_FILENO);
    FILE *capture = tmpfile();
    assert_true(stderr_kept >= 0 && capture && dup2(fileno(capture), STDERR_FILENO) >= 0);
    p.go_on = tdm__options_parse("test", "[FILE]", rows, argc, argv, &p.common, p.args, ARGS_MAX, &p.n_args, &p.code);
    fflush(stderr);
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
    rewind(capture);
    p.said[fread(p.said, 1, sizeof p.said - 1, capture)] = '\0';
    fclose(capture);
    return p;
}

#define PARSE(...) \
    parse((int)(sizeof(char *[]){"test", __VA_ARGS__} / sizeof(char *)), (char *[]){"test", __VA_ARGS__, NULL})

static int set_home(void **state)
{
    (void)state;
    return setenv("TANDEM_HOME", "/h", 1);
}

static void values_are_read_in_each_form(void **state)
{
    (void)state;
    parsed p = PARSE("--flag", "--text=a=b", "-n", "100", "--seed", "18446744073709551615", "--temp", "1.5", "file",
                     "--json", "--threads", "1", "-c", "4096", "--parallel=2", "--isa", "scalar",
                     "--prefix", "public", "--kv=q8");
    assert_true(p.go_on && p.flag && p.common.json && !p.common.quiet);
    assert_string_equal(p.text, "a=b");
    assert_int_equal(p.count, 100);
    assert_true(p.seed == UINT64_MAX && p.real == 1.5);
    assert_int_equal(p.common.n_threads, 1);
    assert_int_equal(p.common.n_ctx, 4096);
    assert_int_equal(p.common.n_parallel, 2);
    assert_int_equal(p.common.isa_max, TDM__ISA_SCALAR);
    assert_int_equal(p.common.prefix_scope, TDM__PREFIX_PUBLIC);
    assert_int_equal(p.common.kv_type, TDM__KV_Q8);
    assert_int_equal(p.n_args, 1);
    assert_string_equal(p.args[0], "file");
    assert_string_equal(p.said, "");
}

static void absent_options_keep_their_defaults(void **state)
{
    (void)state;
    parsed p = PARSE("-");
    assert_true(p.go_on && !p.flag && !p.text && p.count == 7 && p.real == 0.5);
    assert_int_equal(p.common.isa_max, tdm__cpu_isa());
    assert_int_equal(p.common.kv_type, TDM__KV_F16);
    assert_string_equal(p.args[0], "-"); /* standard input is an argument */
    assert_string_equal(p.common.home.state, "/h/state");
    assert_string_equal(p.common.home.cache, "/h/cache");
    assert_string_equal(p.common.home.config, "/h/config");
}

static void the_last_of_several_wins_and_two_dashes_end_options(void **state)
{
    (void)state;
    parsed p = PARSE("-n", "1", "-n", "2", "--text", "--flag", "--", "--flag", "-n");
    assert_true(p.go_on && !p.flag);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.text, "--flag"); /* a value may look like an option */
    assert_int_equal(p.n_args, 2);
    assert_string_equal(p.args[1], "-n");
}

static void texts_are_all_kept_in_their_order(void **state)
{
    (void)state;
    parsed p = PARSE("--doc", "b", "file", "--doc=a", "--doc", "b");
    assert_true(p.go_on);
    assert_int_equal(p.texts.n, 3);
    assert_string_equal(p.texts.items[0], "b");
    assert_string_equal(p.texts.items[1], "a");
    assert_string_equal(p.texts.items[2], "b");
    char *argv[2 + TDM__TEXTS_MAX] = {"test"};
    for (size_t i = 1; i < sizeof argv / sizeof argv[0]; i++)
        argv[i] = "--doc=x";
    assert_int_equal(parse(1 + TDM__TEXTS_MAX, argv).texts.n, TDM__TEXTS_MAX);
    p = parse(2 + TDM__TEXTS_MAX, argv);
    assert_true(!p.go_on && p.code == TDM__EXIT_USAGE);
    assert_non_null(strstr(p.said, "--doc comes more than 64 times"));
}

static void wrong_calls_are_refused_in_one_line(void **state)
{
    (void)state;
    static const struct {
        char *argv[6];
        const char *said;
    } wrong[] = {
        {{"test", "--flg"}, "--flg is no option, --flag is the nearest"},
        {{"test", "--threds=2"}, "--threds is no option, --threads is the nearest"},
        {{"test", "-x"}, "-x is no option ("},
        {{"test", "--text"}, "--text needs a value (TEXT)"},
        {{"test", "--flag=1"}, "--flag takes no value"},
        {{"test", "-n", "101"}, "-n is 101, a whole number from 0 to 100 is needed"},
        {{"test", "-n", "-1"}, "-n is -1, a whole number from 0 to 100 is needed"},
        {{"test", "-n", " 1"}, "-n is  1, a whole number"},
        {{"test", "-n", "1x"}, "-n is 1x, a whole number"},
        {{"test", "-n", ""}, "-n is , a whole number"},
        {{"test", "-n", "99999999999999999999"}, "a whole number from 0 to 100 is needed"},
        {{"test", "--seed", "18446744073709551616"}, "a whole number from 0 to 18446744073709551615 is needed"},
        {{"test", "--temp", "2.01"}, "--temp is 2.01, a number from 0 to 2 is needed"},
        {{"test", "--temp", "nan"}, "--temp is nan, a number from 0 to 2 is needed"},
        {{"test", "--temp", "1,5"}, "--temp is 1,5, a number"},
        {{"test", "--prefix", "some"}, "--prefix is some, one of all, public, off is needed"},
        {{"test", "--isa", "sse"}, "--isa is sse, one of scalar, avx2, avx512, vnni is needed"},
        {{"test", "--kv", "q4"}, "--kv is q4, one of f16, q8 is needed"},
        {{"test", "--kv="}, "--kv is , one of f16, q8 is needed"},
        {{"test", "--threads", "0"}, "--threads is 0, a whole number from 1 to 1024 is needed"},
        {{"test", "--home", ""}, "--home is empty, a folder is needed"},
        {{"test", "a", "b", "c", "d"}, "d is one argument too many, at most 3 are taken"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *argv[6];
        int argc = 0;
        memcpy(argv, wrong[i].argv, sizeof argv);
        while (argc < 6 && argv[argc])
            argc++;
        parsed p = parse(argc, argv);
        const char *newline = strchr(p.said, '\n');
        if (p.go_on || p.code != TDM__EXIT_USAGE || strncmp(p.said, "tandem test: ", 13) != 0 ||
            !strstr(p.said, wrong[i].said) || !newline || newline[1] != '\0')
            fail_msg("\"%s\" was expected, \"%s\" was said", wrong[i].said, p.said);
    }
}

static void home_follows_option_variable_and_xdg(void **state)
{
    (void)state;
    tdm__home h;
    tdm_error err;
    setenv("TANDEM_HOME", "/variable", 1);
    assert_int_equal(tdm__home_resolve("/option", &h, &err), TDM_OK);
    assert_string_equal(h.cache, "/option/cache");
    assert_int_equal(tdm__home_resolve(NULL, &h, &err), TDM_OK);
    assert_string_equal(h.cache, "/variable/cache");
    setenv("TANDEM_HOME", "", 1);
    setenv("HOME", "/home/u", 1);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("XDG_STATE_HOME", "relative", 1); /* ignored, as the specification wants */
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(tdm__home_resolve(NULL, &h, &err), TDM_OK);
    assert_string_equal(h.cache, "/xdg/tandem");
    assert_string_equal(h.state, "/home/u/.local/state/tandem");
    assert_string_equal(h.config, "/home/u/.config/tandem");
    unsetenv("HOME");
    assert_int_equal(tdm__home_resolve(NULL, &h, &err), TDM_ERR_INVAL);
}

static const char *nearest_of(const char *wanted)
{
    static const char *const names[] = {"chat", "serve", "info", "perplexity", "tokenize", "-n"};
    tdm__nearest near = {.wanted = wanted, .wanted_len = strlen(wanted)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        tdm__nearest_offer(&near, names[i]);
    return near.best ? near.best : "";
}

static void slips_find_their_name_and_other_words_none(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("caht"), "chat");
    assert_string_equal(nearest_of("chatt"), "chat");
    assert_string_equal(nearest_of("sevre"), "serve");
    assert_string_equal(nearest_of("cart"), "");
    assert_string_equal(nearest_of("serv"), "serve");
    assert_string_equal(nearest_of("perplexty"), "perplexity");
    assert_string_equal(nearest_of("tokenise"), "tokenize");
    assert_string_equal(nearest_of("-m"), "");
    assert_string_equal(nearest_of(""), "");
    assert_string_equal(nearest_of("a-word-longer-than-any-name-could-possibly-be"), "");
}

static void threads_beyond_the_processors_are_taken_off_in_one_line(void **state)
{
    (void)state;
    char want[64];
    const size_t most = (size_t)tdm__cpu_count();
    parsed p = PARSE("--threads", "1024");
    assert_true(p.go_on);
    assert_int_equal(p.common.n_threads, most);
    snprintf(want, sizeof want, "1024 threads are asked for, this process may use %zu ", most);
    assert_non_null(strstr(p.said, want));
    assert_ptr_equal(strchr(p.said, '\n'), p.said + strlen(p.said) - 1);
    p = PARSE("--threads", "1024", "--quiet");
    assert_int_equal(p.common.n_threads, most);
    assert_string_equal(p.said, "");
    p = PARSE("--threads", "1");
    assert_int_equal(p.common.n_threads, 1);
    assert_string_equal(p.said, "");
    p = PARSE("file");
    assert_int_equal(p.common.n_threads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_are_read_in_each_form, set_home),
        cmocka_unit_test_setup(absent_options_keep_their_defaults, set_home),
        cmocka_unit_test_setup(the_last_of_several_wins_and_two_dashes_end_options, set_home),
        cmocka_unit_test_setup(texts_are_all_kept_in_their_order, set_home),
        cmocka_unit_test_setup(wrong_calls_are_refused_in_one_line, set_home),
        cmocka_unit_test(threads_beyond_the_processors_are_taken_off_in_one_line),
        cmocka_unit_test(home_follows_option_variable_and_xdg),
        cmocka_unit_test(slips_find_their_name_and_other_words_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
