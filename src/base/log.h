/* log.h - where the library says what no caller asked about: few lines for people, never a user's text.
 *
 * A line is an error that has no caller to go to, or a state that the device was found in. Whoever holds an object
 * hands it the log; there is none of the process. What a request fails with goes to its caller and not here.
 */
#ifndef TDM_BASE_LOG_H
#define TDM_BASE_LOG_H

typedef enum tdm__log_level { TDM__LOG_NONE = 0, TDM__LOG_ERROR, TDM__LOG_WARNING, TDM__LOG_NOTE } tdm__log_level;

/* text is one line without its end, borrowed during the call. Any thread; must not block. */
typedef struct tdm__log {
    void (*fn)(void *user, tdm__log_level level, const char *text); /* NULL: stderr */
    void *user;
} tdm__log;

/* Long lines are cut. log may be NULL: stderr. */
__attribute__((format(printf, 3, 4))) void tdm__log_say(const tdm__log *log, tdm__log_level level, const char *fmt,
                                                       ...);

#endif
