/* thread_count.h - how many threads compute: never more than there are processors for them.
 *
 * Members of a team wait for each other many times a token, so one without a processor slows all others down. What is
 * asked for comes from people and programs that may not know the affinity mask or the container they run in.
 */
#ifndef TDM_ENGINE_THREAD_COUNT_H
#define TDM_ENGINE_THREAD_COUNT_H

#include <stdbool.h>

#include "base/log.h"

/* wanted, or as many as the process may use (os/cpu.h) where that is 0 or more than those; a line to the log, NULL for
 * standard error, says what was taken off, unless is_quiet. */
int tdm__thread_count(int wanted, bool is_quiet, const tdm__log *log);

#endif
