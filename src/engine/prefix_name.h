/* prefix_name.h - what a page's file is called, KEY-INDEX.page, and while it is written KEY-INDEX.page.XXXXXX; clearing
 * a name. */
#ifndef TDM_ENGINE_PREFIX_NAME_H
#define TDM_ENGINE_PREFIX_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/prefix_key.h"

enum { TDM__PREFIX_NAME_BYTES = 96 /* with its NUL */ };

void tdm__prefix_name_put(char name[TDM__PREFIX_NAME_BYTES], const tdm__prefix_key *key, size_t index);

/* Whether name begins with what put writes; *rest: what stands behind that, "" for a page. */
bool tdm__prefix_name_get(const char *name, tdm__prefix_key *key, size_t *index, const char **rest);

/* Removes what stands under the name, an empty folder too: nothing may stand in a page's way. name is relative to the
 * folder `dir`, or to AT_FDCWD. 0: it is gone, else errno. */
int tdm__prefix_name_clear(int dir, const char *name);

#endif
