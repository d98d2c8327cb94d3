/* app_name.h - how long the name of an application may be: one length for its key's file, its share of the model, its
 * quota and the C API. What may stand in it is said where it comes from (api/app_keys.h, tandem/generate.h).
 */
#ifndef TDM_BASE_APP_NAME_H
#define TDM_BASE_APP_NAME_H

enum {
    TDM__APP_NAME_MAX = 64,                    /* bytes */
    TDM__APP_NAME_TEXT = TDM__APP_NAME_MAX + 1 /* with its NUL */
};

#endif
