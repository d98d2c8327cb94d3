/* desk.h - the demonstration's regulator's and maker's desks, and the stage that frames the two phones.
 *
 * A process of its own. It opens demo keys only (a root that is no demo's is refused) and never an owner's; what it
 * signs goes to the phones through the page, each phone verifies it. Its functions need the desk's own key, which
 * `./dev run` prints as the fragment of the page's address.
 */
#ifndef TDM_DESK_DESK_H
#define TDM_DESK_DESK_H

#include <stdbool.h>

#include "tandem/status.h"

typedef struct tdm__desk_options {
    const char *listen;        /* "127.0.0.1:8400" */
    const char *authority_dir; /* the demo authority: in/ (YAML), keys/, repo/, cases/, desk.key, phones/ */
    bool quiet;
} tdm__desk_options;

tdm_status tdm__desk_run(const tdm__desk_options *o, tdm_error *err);

#endif
