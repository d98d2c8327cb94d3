/* assistant_unbuilt.c - stands in until assistant.c is there; goes with its arrival. */
#include "base/error.h"
#include "feature/assistant.h"

tdm_status tdm__assistant_create(tdm__service *s, tdm__device *d, tdm__assistant **out, tdm_error *err)
{
    (void)s;
    (void)d;
    (void)err;
    *out = NULL;
    return TDM_OK;
}

void tdm__assistant_destroy(tdm__assistant *a) { (void)a; }

tdm_status tdm__assistant_start(tdm__assistant *a, const tdm__assistant_ask *ask, tdm__assistant_fn fn, void *user,
                                tdm__answer **out, tdm_error *err)
{
    (void)a;
    (void)ask;
    (void)fn;
    (void)user;
    *out = NULL;
    TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "the assistant is not built");
}

void tdm__answer_cancel(tdm__answer *w) { (void)w; }
void tdm__answer_destroy(tdm__answer **w) { (void)w; }
