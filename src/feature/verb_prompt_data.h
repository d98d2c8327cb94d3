/* verb_prompt_data.h - the files of share/prompts as bytes; the build writes the definitions (tools/embed.c). */
#ifndef TDM_FEATURE_VERB_PROMPT_DATA_H
#define TDM_FEATURE_VERB_PROMPT_DATA_H

#include <stddef.h>

#define TDM__PROMPT_FILES(X)                                                                                           \
    X(PROOFREAD, proofread, en)                                                                                        \
    X(PROOFREAD, proofread, zh)                                                                                        \
    X(REWRITE, rewrite, en)                                                                                            \
    X(REWRITE, rewrite, zh)                                                                                            \
    X(SUMMARIZE, summarize, en)                                                                                        \
    X(SUMMARIZE, summarize, zh)                                                                                        \
    X(REPLY, reply, en)                                                                                                \
    X(REPLY, reply, zh)                                                                                                \
    X(PRIORITISE, prioritise, en)                                                                                      \
    X(PRIORITISE, prioritise, zh)

#define TDM__PROMPT_DECLARE(verb, name, language)                                                                      \
    extern const unsigned char tdm__prompt_##name##_##language[];                                                      \
    extern const size_t tdm__prompt_##name##_##language##_len;
TDM__PROMPT_FILES(TDM__PROMPT_DECLARE)
#undef TDM__PROMPT_DECLARE

#endif
