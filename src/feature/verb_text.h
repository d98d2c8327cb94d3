/* verb_text.h - a text as the verbs cut it: words, sentences, lines. English and Chinese; bytes are UTF-8.
 *
 * A word is a run of letters and digits with what joins them ("don't", "7:30", "18,000", "BN-77310-K"), a whole address
 * (URL, mail, @handle), or one Chinese character: Chinese has no spaces, and a program without a dictionary should not
 * guess. Marks are one character each. White space is between words. Nothing here allocates.
 */
#ifndef TDM_FEATURE_VERB_TEXT_H
#define TDM_FEATURE_VERB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum tdm__word_kind {
    TDM__WORD_NONE = 0,
    TDM__WORD_LATIN,   /* letters of the Latin script */
    TDM__WORD_NUMBER,  /* digits and what stands between them */
    TDM__WORD_MIXED,   /* both */
    TDM__WORD_HAN,     /* one character */
    TDM__WORD_FOREIGN, /* letters of another script */
    TDM__WORD_ADDRESS, /* URL, mail, @handle */
    TDM__WORD_MARK,    /* one character */
} tdm__word_kind;

typedef struct tdm__word {
    tdm__word_kind kind;
    size_t start, end;    /* bytes of the text */
    bool begins_sentence; /* a capital letter says nothing here */
} tdm__word;

typedef struct tdm__words {
    tdm__str text;
    size_t at;
    bool begins;
} tdm__words;

tdm__words tdm__words_of(tdm__str text);
bool tdm__words_next(tdm__words *it, tdm__word *out); /* false at the end */

/* Scripts of letters. */
typedef enum tdm__script {
    TDM__SCRIPT_NONE = 0, /* no letter */
    TDM__SCRIPT_LATIN,
    TDM__SCRIPT_HAN,
    TDM__SCRIPT_KANA,
    TDM__SCRIPT_HANGUL,
    TDM__SCRIPT_RIGHT_TO_LEFT, /* Hebrew, Arabic and their relatives */
    TDM__SCRIPT_OTHER,
} tdm__script;

tdm__script tdm__script_of(uint32_t code_point);
bool tdm__is_mark(uint32_t code_point); /* punctuation and symbols, ASCII or not */

static inline tdm__str tdm__str_sub(tdm__str s, size_t start, size_t end)
{
    return (tdm__str){s.ptr + start, end - start};
}

tdm__str tdm__str_trim(tdm__str s);  /* without white space around, U+3000 too */
size_t tdm__str_n_chars(tdm__str s); /* code points */
bool tdm__str_has(tdm__str s, tdm__str part);
bool tdm__str_starts_fold(tdm__str s, tdm__str prefix); /* ASCII letters of either case */
bool tdm__str_eq_fold(tdm__str a, tdm__str b);
uint32_t tdm__str_last_char(tdm__str s); /* 0 when empty */

/* The end of the sentence that begins at from, with the marks that close it and the white space behind; at most the
 * end of the line. from < text.len. */
size_t tdm__sentence_end(tdm__str text, size_t from);

/* Sentences of a text, white space alone not counted. */
size_t tdm__count_sentences(tdm__str text);

/* "Nina: ", "老周：" at the begin of a chat's line: its length, or 0. */
size_t tdm__speaker_len(tdm__str line);

/* Whether the word, in whatever case, is in a list of words each with a blank behind it. */
bool tdm__str_is_listed(tdm__str word, const char *list);

#endif
