/* half.c - IEEE half precision in plain C, bit for bit what the processors' own conversions give.
 *
 * Used by the reference kernels and where single values are read from a file; the x86 kernels convert in hardware
 * and are compared with this. A signalling NaN becomes quiet and keeps its payload, as in hardware.
 */
#include <string.h>

#include "kernel/quant.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float tdm__f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 0x1fu, mantissa = h & 0x3ffu;
    if (exponent == 0x1f)
        return float_of(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0));
    if (exponent == 0) { /* a multiple of 2^-24, exact in float */
        float magnitude = (float)mantissa * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_of(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/* v / 2^shift, rounded to nearest, ties to even. */
static uint32_t shift_round_even(uint32_t v, uint32_t shift)
{
    uint32_t kept = v >> shift, rest = v & ((1u << shift) - 1), half = 1u << (shift - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t tdm__f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu, h;
    if (magnitude > 0x7f800000u)
        h = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
    else if (magnitude >= 0x47800000u) /* 2^16 and more */
        h = 0x7c00u;
    else if (magnitude >= 0x38800000u) /* 2^-14 and more: normal; a carry may reach the exponent, up to infinity */
        h = shift_round_even(magnitude - ((127u - 15u) << 23), 13);
    else if (magnitude >= 0x33000000u) /* 2^-25 and more: a multiple of 2^-24 */
        h = shift_round_even((magnitude & 0x7fffffu) | 0x800000u, 126 - (magnitude >> 23));
    else
        h = 0;
    return (uint16_t)(sign | h);
}
