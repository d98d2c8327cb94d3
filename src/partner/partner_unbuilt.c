/* partner_unbuilt.c - stands in until partner.c is there; goes with its arrival. */
#include "base/error.h"
#include "partner/partner.h"

tdm_status tdm__partner_chat(const tdm__partner_call *c, tdm__partner_result *result, tdm_error *err)
{
    (void)c;
    *result = (tdm__partner_result){.fault = TDM__PARTNER_UNREACHABLE};
    TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "partners are not built");
}
