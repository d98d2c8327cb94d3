/* catalogue_builtin.h - share/models.json as bytes; the build writes the definition (tools/embed.c). */
#ifndef TDM_NET_CATALOGUE_BUILTIN_H
#define TDM_NET_CATALOGUE_BUILTIN_H

#include <stddef.h>

extern const unsigned char tdm__catalogue_builtin[];
extern const size_t tdm__catalogue_builtin_len;

#endif
