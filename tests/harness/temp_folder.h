/* temp_folder.h - a folder for one test program, gone with all that is in it at the end. */
#ifndef TDM_HARNESS_TEMP_FOLDER_H
#define TDM_HARNESS_TEMP_FOLDER_H

enum { TDM__TEMP_FOLDER_TEXT = 64 };

/* Aborts when it cannot be made. */
void tdm__temp_folder_make(char path[TDM__TEMP_FOLDER_TEXT]);
void tdm__temp_folder_remove(const char *path);

#endif
