/* tandem/tandem.h - all of the public interface but the engine layer.
 *
 *     runtime.h     one device with its rules; the conventions of all headers stand there
 *     model.h       a model file
 *     generate.h    answers; verbs.h: typed help with texts; assistant.h: hand-off to a partner with consent
 *     allocator.h, sampling.h, status.h, version.h
 *
 * Two layers. Generate, verbs and assistant go by the rules of the device's market, always. The raw text of a model,
 * without policy, is session.h: who wants it includes it by name, and it can be left out of a build
 * (-Dengine_api=false).
 */
#ifndef TANDEM_TANDEM_H
#define TANDEM_TANDEM_H

#include "tandem/allocator.h"
#include "tandem/assistant.h"
#include "tandem/generate.h"
#include "tandem/model.h"
#include "tandem/runtime.h"
#include "tandem/sampling.h"
#include "tandem/status.h"
#include "tandem/verbs.h"
#include "tandem/version.h"

#endif
