/* tandem/version.h - which version a program was compiled for, and which one it runs with.
 *
 * Within a major version programs compiled for an older one go on working: handles are opaque, option structures say
 * their own size, enumerations and structures that the library fills only grow at their end, no symbol goes. Major
 * version 0 promises this from one minor version to the next only as far as the changelog says so.
 */
#ifndef TANDEM_VERSION_H
#define TANDEM_VERSION_H

#include "tandem/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TDM_VERSION_MAJOR 0
#define TDM_VERSION_MINOR 1
#define TDM_VERSION_PATCH 0

/* "0.1.0" of the library that runs. Never NULL, never to be freed. Any thread. */
TDM_API const char *tdm_version(void);

#ifdef __cplusplus
}
#endif
#endif
