/* case_folder.h - the cases of one device or desk: DIR/ID.json, each replaced as a whole and only by a longer one.
 *
 * Nothing here opens anything: the cases are handed to the rules.
 */
#ifndef TDM_FILING_CASE_FOLDER_H
#define TDM_FILING_CASE_FOLDER_H

#include "filing/filing.h"

enum { TDM__CASES_MAX = 256 };

typedef struct tdm__case_folder {
    tdm__filing_case **cases; /* by id */
    size_t n;
} tdm__case_folder;

/* One case of a file. keys NULL: the signers are not checked, as by create_unchecked. Sentences begin with the path. */
tdm_status tdm__case_file_read(const char *path, const tdm__keyring *keys, int64_t now_unix_s, tdm__filing_case **out,
                               tdm_error *err);

/* Reads what is there. A file that is no good case counts as no case (nothing opens by it): the status and *err are the
 * first such file's, named, and *out holds the good ones all the same. *out may always be given to fini. A folder that
 * is missing is empty. */
tdm_status tdm__case_folder_read(const char *dir, const tdm__keyring *keys, int64_t now_unix_s, tdm__case_folder *out,
                                 tdm_error *err);
/* The same without a keyring (filing.h's create_unchecked): to look at, never to open anything by. */
tdm_status tdm__case_folder_read_unchecked(const char *dir, int64_t now_unix_s, tdm__case_folder *out, tdm_error *err);
void tdm__case_folder_fini(tdm__case_folder *f);

/* Verifies json as a case, checks growth against the file that is there, replaces it as a whole (mode 0600). A file
 * that is there and is no case is not replaced: nobody could tell what would be rolled back. Writers wait for each
 * other (DIR/.lock). Durable when it returns; a crash leaves the old case or the new one. */
tdm_status tdm__case_folder_put(const char *dir, tdm__str json, const tdm__keyring *keys, int64_t now_unix_s,
                                tdm_error *err);

#endif
