/* family.c - the table of model families. Sources: the vendors' configuration files and modelling code, checked by
 * the golden logits of each row's model (tests/golden). */
#include "model/family.h"

static const tdm__family families[] = {
    {.arch = "llama",
     .rope = TDM__ROPE_NORM,
     .qkv_bias = TDM__OPTIONAL,
     .rope_factors = TDM__OPTIONAL,
     .rot_is_head_dim = true},
    {.arch = "qwen2",
     .rope = TDM__ROPE_NEOX,
     .qkv_bias = TDM__REQUIRED,
     .rope_factors = TDM__ABSENT,
     .rot_is_head_dim = true},
};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

const tdm__family *tdm__family_find(tdm__str arch)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (tdm__str_eq(arch, tdm__str_from(families[i].arch)))
            return &families[i];
    return NULL;
}

const tdm__family *tdm__family_all(int *n)
{
    *n = N_FAMILIES;
    return families;
}
