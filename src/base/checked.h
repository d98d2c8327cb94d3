/* checked.h - arithmetic on sizes that come from files and from callers: each returns false instead of wrapping. */
#ifndef TDM_BASE_CHECKED_H
#define TDM_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool tdm__mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tdm__add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool tdm__mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool tdm__add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

static inline size_t tdm__min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t tdm__max_size(size_t a, size_t b) { return a > b ? a : b; }

/* n rounded up to a multiple of align, a power of two; the caller has made sure that it cannot wrap. */
static inline size_t tdm__align_up(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

#endif
