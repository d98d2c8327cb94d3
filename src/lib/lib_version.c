/* lib_version.c - the version, and the allocator of the process. */
#include "base/error.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/allocator.h"
#include "tandem/version.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *tdm_version(void)
{
    return TEXT(TDM_VERSION_MAJOR) "." TEXT(TDM_VERSION_MINOR) "." TEXT(TDM_VERSION_PATCH);
}

tdm_status tdm_set_allocator(const tdm_allocator *allocator, tdm_error *err)
{
    tdm_allocator a = {0};
    TDM_TRY(tdm__lib_options_take(&a, sizeof a, sizeof a, allocator, "tdm_allocator", err));
    const tdm__heap heap = {a.alloc, a.alloc_zeroed, a.alloc_aligned, a.resize, a.release, a.user};
    if (allocator && (!a.alloc || !a.alloc_zeroed || !a.alloc_aligned || !a.resize || !a.release))
        TDM_FAIL(err, TDM_ERR_INVAL, "a function of the allocator is NULL, all five are needed");
    if (!tdm__heap_set(allocator ? &heap : NULL))
        TDM_FAIL(err, TDM_ERR_BUSY, "%zu blocks of the allocator before are in use", tdm__heap_n_blocks());
    return TDM_OK;
}

size_t tdm_allocated_blocks(void) { return tdm__heap_n_blocks(); }
