/* fake_quota.c - quotas of the fake service: none. */
#include "request/request.h"

void tdm__service_set_quota(tdm__service *s, const tdm__quota *q)
{
    (void)s;
    (void)q;
}

int tdm__service_quota_wait_s(tdm__service *s, const char *app)
{
    (void)s;
    (void)app;
    return 1;
}
