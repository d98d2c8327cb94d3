/* tandem/export.h - what a function of the library is marked with. */
#ifndef TANDEM_EXPORT_H
#define TANDEM_EXPORT_H

/* All other symbols of the shared library are hidden; include/tandem/symbols.txt lists these. */
#if defined(__GNUC__)
#define TDM_API __attribute__((visibility("default")))
#else
#define TDM_API
#endif

#endif
