/* rfc3339.c - the calendar in both directions, without the C library's: timegm is in no standard, and strptime takes
 * spaces, signs and missing digits. Days are counted as in Howard Hinnant's "chrono-compatible low-level date
 * algorithms": years begin in March, so that the leap day is a year's last.
 */
#include "base/rfc3339.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

enum { SECONDS_A_DAY = 86400, DAYS_TO_1970 = 719468 /* from 0000-03-01 */, DAYS_400_YEARS = 146097 };

static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    int64_t era = y / 400, year_of_era = y % 400;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    return era * DAYS_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

/* The number in text[from .. from + n), which are digits. */
static int64_t number_at(const char *text, size_t from, size_t n)
{
    int64_t v = 0;
    for (size_t i = from; i < from + n; i++)
        v = v * 10 + (text[i] - '0');
    return v;
}

static bool has_shape(tdm__str text)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    if (text.len != sizeof shape - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (shape[i] == '0' ? text.ptr[i] < '0' || text.ptr[i] > '9' : text.ptr[i] != shape[i])
            return false;
    return true;
}

tdm_status tdm__rfc3339_parse(tdm__str text, int64_t *unix_s, tdm_error *err)
{
    const int shown = text.len < 40 ? (int)text.len : 40;
    if (!has_shape(text))
        TDM_FAIL(err, TDM_ERR_FORMAT, "\"%.*s\" is no time of the form 2025-02-11T08:00:00Z", shown,
                 text.len ? text.ptr : "");
    int64_t year = number_at(text.ptr, 0, 4), month = number_at(text.ptr, 5, 2), day = number_at(text.ptr, 8, 2);
    int64_t hour = number_at(text.ptr, 11, 2), minute = number_at(text.ptr, 14, 2), s = number_at(text.ptr, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
        minute > 59 || s > 59)
        TDM_FAIL(err, TDM_ERR_FORMAT, "\"%.*s\" is a time that does not exist, or before 1970", shown, text.ptr);
    *unix_s = days_of_date(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + s;
    return TDM_OK;
}

void tdm__rfc3339_put(int64_t unix_s, char out[TDM__RFC3339_TEXT])
{
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    int64_t t = unix_s < 0 ? 0 : unix_s > last ? last : unix_s;
    int64_t days = t / SECONDS_A_DAY + DAYS_TO_1970, s = t % SECONDS_A_DAY;
    int64_t era = days / DAYS_400_YEARS, day_of_era = days % DAYS_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_400_YEARS - 1)) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153; /* from March */
    int64_t year = era * 400 + year_of_era + (m >= 10);
    unsigned fields[] = {(unsigned)year,
                         (unsigned)(m < 10 ? m + 3 : m - 9),
                         (unsigned)(day_of_year - (153 * m + 2) / 5 + 1),
                         (unsigned)(s / 3600),
                         (unsigned)(s / 60 % 60),
                         (unsigned)(s % 60)};
    snprintf(out, TDM__RFC3339_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ", fields[0] % 10000, fields[1] % 100,
             fields[2] % 100, fields[3] % 100, fields[4] % 100, fields[5] % 100);
}
