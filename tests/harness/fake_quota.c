/* fake_quota.c - quotas of the fake service: none; who was refused all the same waits a number that tests know. */
#include "request/request.h"

void tdm__service_set_quota(tdm__service *s, const tdm__quota *q)
{
    (void)s;
    (void)q;
}

void tdm__service_get_quota(tdm__service *s, tdm__quota *out)
{
    (void)s;
    *out = (tdm__quota){0};
}

int tdm__service_quota_wait_s(tdm__service *s, const char *app)
{
    (void)s;
    (void)app;
    return 1234;
}
