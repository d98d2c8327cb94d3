/* thread.h - starts a thread that takes no signals but those of its own faults.
 *
 * SIGTERM and the like are for the program's main thread. Faults (SIGBUS of a file that was cut, see map.h) stay
 * unblocked: the system ends a process whose thread faults while the signal is blocked, whatever its handler.
 */
#ifndef TDM_OS_THREAD_H
#define TDM_OS_THREAD_H

#include <pthread.h>

/* As pthread_create with default attributes: 0 or an errno value. */
int tdm__thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);

#endif
