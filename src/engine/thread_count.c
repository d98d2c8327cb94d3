/* thread_count.c - a number, and the line that says why it is another one. */
#include "engine/thread_count.h"

#include "os/cpu.h"

int tdm__thread_count(int wanted, bool is_quiet, const tdm__log *log)
{
    const int most = tdm__cpu_count();
    if (wanted > most && !is_quiet)
        tdm__log_say(log, TDM__LOG_NOTE, "%d threads are asked for, this process may use %d processor%s: %d %s used",
                     wanted, most, most == 1 ? "" : "s", most, most == 1 ? "is" : "are");
    return wanted > 0 && wanted < most ? wanted : most;
}
