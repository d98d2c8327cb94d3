/* console.h - the chat page, embedded at build time from share/console/index.html. */
#ifndef TDM_API_CONSOLE_H
#define TDM_API_CONSOLE_H

#include <stddef.h>

extern const unsigned char tdm__console_page[];
extern const size_t tdm__console_page_len;

/* Its Content-Security-Policy: nothing from elsewhere; scripts and styles only by the hash of what is in the page. */
extern const char tdm__console_csp[];

#endif
