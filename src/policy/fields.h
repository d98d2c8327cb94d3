/* fields.h - a JSON object into a C struct by a table of its members, with the place of every mistake.
 *
 * Signed data is read strictly: each member has one kind and its bounds, what is not in the table is refused with the
 * nearest name, what is missing is refused unless the table says that it may be. What is read lies in one arena. The
 * same sentences serve what people wrote: with the YAML text at hand they begin with file and line, else with the name
 * of the document. One owner, no threads.
 */
#ifndef TDM_POLICY_FIELDS_H
#define TDM_POLICY_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "tandem/status.h"

/* How a member is read, and the C type that it is put into. ELSEWHERE: known here, read by the caller. */
typedef enum tdm__field_kind {
    TDM__FIELD_ELSEWHERE = 0,
    TDM__FIELD_TEXT,   /* const char *: min to max bytes, no control characters */
    TDM__FIELD_WORD,   /* const char *: the same, of letters, digits and . _ - : / only */
    TDM__FIELD_DATE,   /* const char *: a day, "2025-01-25" */
    TDM__FIELD_SHA256, /* char[TDM__SHA256_TEXT] */
    TDM__FIELD_INT,    /* any integer type of 2, 4 or 8 bytes: min to max */
    TDM__FIELD_BOOL,   /* bool */
    TDM__FIELD_ENUM,   /* an enum: one of words */
    TDM__FIELD_SET,    /* unsigned: a list of words, their values ORed */
    TDM__FIELD_TIME,   /* int64_t: RFC 3339, to seconds since 1970 */
    TDM__FIELD_WORDS,  /* const char *const *, and their number in a size_t at offset_n: min to max of them */
    TDM__FIELD_OBJECT, /* the members of sub, into the same struct */
    TDM__FIELD_LIST,   /* const T *, a struct of item_size a list's item as sub says; number and bounds as WORDS */
    TDM__FIELD_MAP,    /* const tdm__field_pair *: any names to words; number as WORDS, at most max */
} tdm__field_kind;

/* Ends with name NULL. */
typedef struct tdm__field_word {
    const char *name;
    int value;
} tdm__field_word;

typedef struct tdm__field_pair {
    const char *from;
    int to; /* a word's value */
} tdm__field_pair;

/* A table ends with name NULL. */
typedef struct tdm__field {
    const char *name;
    const char *written; /* what people call it where that differs; "" where they do not write it */
    tdm__field_kind kind;
    bool may_miss; /* the struct keeps what it has, texts become "" */
    size_t offset, size, offset_n, item_size;
    int64_t min, max;
    const tdm__field_word *words;
    const struct tdm__field *sub;
} tdm__field;

/* offset and size of a struct's member */
#define TDM__FIELD_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

enum { TDM__FIELDS_PATH_MAX = 512 };

/* One document as it is read. */
typedef struct tdm__fields {
    const char *what;  /* begins the sentences: "market policy"; with yaml: the file's name */
    tdm__str yaml;     /* what people wrote; ptr NULL when it came as JSON */
    tdm__arena *arena; /* gets what the struct points to */
    tdm_error *err;
    char at[TDM__FIELDS_PATH_MAX]; /* where the reader stands: "features.assistant.backends[1]" */
} tdm__fields;

/* Goes a step down, to a member or to an item of a list; leave with what enter gave. */
size_t tdm__fields_enter(tdm__fields *f, const char *key);
size_t tdm__fields_enter_item(tdm__fields *f, size_t i);
void tdm__fields_leave(tdm__fields *f, size_t mark);

/* "WHAT: AT.key: sentence", or "FILE:LINE: AT.key: sentence". key may be "". Returns code. */
__attribute__((format(printf, 4, 5))) tdm_status tdm__fields_refuse(tdm__fields *f, tdm_status code, const char *key,
                                                                    const char *fmt, ...);

/* Reads the members of object into the struct out, which begins zeroed but for defaults. ERR_FORMAT, ERR_NOMEM. */
tdm_status tdm__fields_read(tdm__fields *f, const json_t *object, const tdm__field *table, void *out);

/* Refuses members that are not in the table, by their names in JSON or, written, by those that people use. */
tdm_status tdm__fields_check_keys(tdm__fields *f, const json_t *object, const tdm__field *table, bool written);

/* Refuses v unless it is an object, or an array of min to max items. */
tdm_status tdm__fields_need_object(tdm__fields *f, const char *key, const json_t *v);
tdm_status tdm__fields_need_array(tdm__fields *f, const char *key, const json_t *v, size_t min, size_t max);

/* n zeroed elements of the arena; NULL with the sentence in err. */
void *tdm__fields_array(tdm__fields *f, size_t n, size_t size);

#endif
