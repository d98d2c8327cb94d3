/* weights_tree.h - a small folder tree of our own (what pip leaves), measured and removed. Symbolic links are removed,
 * never followed; a tree deeper than TDM__TREE_DEPTH_MAX is left alone below that. */
#ifndef TDM_NET_WEIGHTS_TREE_H
#define TDM_NET_WEIGHTS_TREE_H

#include <stdint.h>

enum { TDM__TREE_DEPTH_MAX = 8 };

/* The size of the largest regular file in it; 0 when there is none or it cannot be read. */
uint64_t tdm__tree_largest(const char *path);

/* 0 or an errno value; a tree that is not there is removed already. */
int tdm__tree_remove(const char *path);

#endif
