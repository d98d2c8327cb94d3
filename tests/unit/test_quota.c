/* test_quota.c - an app's share slides by minutes, and what one app does is nothing to another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "usage/quota.h"

enum { NOW = 1800000000, HOUR = 3600, MINUTE = 60 };

static tdm__quota_ledger *ledger(uint64_t tokens, size_t at_once)
{
    tdm__quota_ledger *l = NULL;
    assert_int_equal(tdm__quota_create(&l, NULL), TDM_OK);
    tdm__quota_set(l, &(tdm__quota){.tokens_per_hour = tokens, .requests_at_once = at_once});
    return l;
}

static tdm_status spend(tdm__quota_ledger *l, const char *app, uint64_t n, int64_t now)
{
    tdm_status s = tdm__quota_enter(l, app, now, NULL);
    if (s == TDM_OK)
        tdm__quota_leave(l, app, n, now);
    return s;
}

static void without_limits_everything_passes(void **state)
{
    (void)state;
    tdm__quota_ledger *l = ledger(0, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(spend(l, "a", UINT32_MAX, NOW), TDM_OK);
    assert_int_equal(tdm__quota_wait_s(l, "a", NOW), 1);
    tdm__quota_destroy(l);
}

static void a_used_share_comes_back_as_its_minutes_pass(void **state)
{
    (void)state;
    tdm__quota_ledger *l = ledger(100, 0);
    tdm_error err = {0};
    assert_int_equal(spend(l, "a", 60, NOW), TDM_OK);
    assert_int_equal(spend(l, "a", 60, NOW + 10 * MINUTE), TDM_OK); /* 60 < 100: the last one may pass it */
    assert_int_equal(tdm__quota_enter(l, "a", NOW + 11 * MINUTE, &err), TDM_ERR_QUOTA);
    assert_string_equal(err.msg, "app a has used 120 tokens within the hour, 100 are allowed");
    int wait_s = tdm__quota_wait_s(l, "a", NOW + 11 * MINUTE);
    assert_in_range(wait_s, 48 * MINUTE, 49 * MINUTE);
    assert_int_equal(spend(l, "a", 1, NOW + 11 * MINUTE + wait_s - 1), TDM_ERR_QUOTA);
    assert_int_equal(spend(l, "a", 1, NOW + 11 * MINUTE + wait_s), TDM_OK);
    assert_int_equal(spend(l, "b", 1, NOW), TDM_OK);
    assert_int_equal(spend(l, "a", 99, NOW + 3 * HOUR), TDM_OK); /* long after: all is forgotten */
    assert_int_equal(spend(l, "a", 1, NOW + 3 * HOUR), TDM_OK);
    tdm__quota_destroy(l);
}

static void a_clock_that_is_set_back_gives_nothing_back(void **state)
{
    (void)state;
    tdm__quota_ledger *l = ledger(100, 0);
    assert_int_equal(spend(l, "a", 100, NOW), TDM_OK);
    assert_int_equal(spend(l, "a", 1, NOW - HOUR), TDM_ERR_QUOTA);
    assert_int_equal(spend(l, "a", 1, NOW), TDM_ERR_QUOTA);
    tdm__quota_destroy(l);
}

static void requests_at_once_are_counted_for_each_app(void **state)
{
    (void)state;
    tdm__quota_ledger *l = ledger(0, 2);
    tdm_error err = {0};
    assert_int_equal(tdm__quota_enter(l, "", NOW, NULL), TDM_OK);
    assert_int_equal(tdm__quota_enter(l, "", NOW, NULL), TDM_OK);
    assert_int_equal(tdm__quota_enter(l, "", NOW, &err), TDM_ERR_QUOTA);
    assert_string_equal(err.msg, "app the device's own has 2 requests running, 2 at once are allowed");
    assert_int_equal(tdm__quota_enter(l, "b", NOW, NULL), TDM_OK);
    tdm__quota_leave(l, "", 0, NOW);
    assert_int_equal(tdm__quota_enter(l, "", NOW, NULL), TDM_OK);
    tdm__quota_destroy(l);
}

/* Names without number must not cost memory without bound, nor push out one that runs. */
static void more_apps_than_places_take_those_of_the_idle(void **state)
{
    (void)state;
    tdm__quota_ledger *l = ledger(10, 0);
    char name[16];
    assert_int_equal(tdm__quota_enter(l, "runs", NOW, NULL), TDM_OK);
    for (int i = 0; i < 3 * TDM__QUOTA_APPS_MAX; i++) {
        snprintf(name, sizeof name, "app%d", i);
        assert_int_equal(spend(l, name, 10, NOW + i * MINUTE), TDM_OK);
        assert_int_equal(spend(l, name, 1, NOW + i * MINUTE), TDM_ERR_QUOTA); /* it has its place */
    }
    tdm__quota_leave(l, "runs", 10, NOW + HOUR);
    assert_int_equal(spend(l, "runs", 1, NOW + HOUR), TDM_ERR_QUOTA);
    tdm__quota_destroy(l);
    l = ledger(0, 0);
    for (int i = 0; i < TDM__QUOTA_APPS_MAX; i++) {
        snprintf(name, sizeof name, "app%d", i);
        assert_int_equal(tdm__quota_enter(l, name, NOW, NULL), TDM_OK);
    }
    assert_int_equal(tdm__quota_enter(l, "one more", NOW, NULL), TDM_ERR_BUSY);
    tdm__quota_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_everything_passes),
        cmocka_unit_test(a_used_share_comes_back_as_its_minutes_pass),
        cmocka_unit_test(a_clock_that_is_set_back_gives_nothing_back),
        cmocka_unit_test(requests_at_once_are_counted_for_each_app),
        cmocka_unit_test(more_apps_than_places_take_those_of_the_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
