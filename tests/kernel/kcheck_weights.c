/* kcheck_weights.c - random rows of every tensor type, with finite scales of usual size. */
#include "kcheck.h"

#include <string.h>

/* Where the halves of a block lie. */
static const struct {
    tdm__type type;
    size_t half[2];
} halves[] = {
    {TDM__TYPE_F16, {0, 0}},  {TDM__TYPE_Q4_0, {0, 0}},   {TDM__TYPE_Q4_1, {0, 2}},     {TDM__TYPE_Q5_0, {0, 0}},
    {TDM__TYPE_Q5_1, {0, 2}}, {TDM__TYPE_Q8_0, {0, 0}},   {TDM__TYPE_Q2_K, {80, 82}},   {TDM__TYPE_Q3_K, {108, 108}},
    {TDM__TYPE_Q4_K, {0, 2}}, {TDM__TYPE_Q5_K, {0, 2}},   {TDM__TYPE_Q6_K, {208, 208}},
};

void kcheck_fill_weights(kcheck *c, tdm__type type, void *out, size_t bytes)
{
    uint8_t *data = out;
    size_t block_bytes = tdm__type_get((uint32_t)type)->block_bytes;
    kcheck_fill_bytes(c, data, bytes);
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
        for (size_t at = 0; halves[i].type == type && at < bytes; at += block_bytes)
            for (size_t h = 0; h < 2; h++) {
                uint16_t half = tdm__f32_to_f16(kcheck_random_float(c) * 0.1f);
                memcpy(data + at + halves[i].half[h], &half, sizeof half);
            }
    for (size_t at = 0; type == TDM__TYPE_F32 && at < bytes; at += 4) {
        float f = kcheck_random_float(c);
        memcpy(data + at, &f, sizeof f);
    }
    for (size_t at = 1; type == TDM__TYPE_BF16 && at < bytes; at += 2)
        data[at] = (uint8_t)(0x3e | (data[at] & 0x80)); /* about 0.2 */
}
