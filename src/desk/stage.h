/* stage.h - the stage's page, embedded at build time from share/console/stage.html, and its policy. */
#ifndef TDM_DESK_STAGE_H
#define TDM_DESK_STAGE_H

#include <stddef.h>

extern const unsigned char tdm__stage_page[];
extern const size_t tdm__stage_page_len;

/* Nothing from elsewhere; scripts and styles only by hash; frames only of this machine's phones. */
extern const char tdm__stage_csp[];

#endif
