/* named.c - "ask ChatGPT ..", "问阿里巴巴..": a partner that the user names, in English and Chinese.
 *
 * Only at the beginning of a question, only after a word that asks somebody: a question *about* a partner is no
 * question *to* it. The question itself is not changed by it. Names are those of the market's policy, and those that
 * partners of other markets go by: who asks ChatGPT where there is none is told so, and nobody else gets the question.
 */
#include <string.h>

#include "feature/assistant_internal.h"

static const char *const askers[] = {
    "please ask ", "ask ", "please use ", "use ", "hey ", "请让", "请用", "让", "用", "请问问", "问问", "问一下", "问一问", "问",
};

/* Those of share/partners. None is an address: an id that the market has not makes a plan shorter, never longer. */
static const struct {
    const char *name, *id;
} elsewhere[] = {
    {"ChatGPT", "openai"},   {"OpenAI", "openai"},       {"Alibaba", "alibaba"},      {"阿里巴巴", "alibaba"},
    {"Baidu", "baidu"},      {"百度", "baidu"},          {"DeepSeek", "deepseek"},    {"Tencent", "tencent"},
    {"腾讯", "tencent"},     {"ByteDance", "bytedance"}, {"字节跳动", "bytedance"},   {"Doubao", "bytedance"},
    {"豆包", "bytedance"},   {"MiniMax", "minimax"},     {"Zhipu", "zhipu"},          {"智谱", "zhipu"},
};

enum { SHORT_NAME_BYTES = 6 }; /* two Chinese characters: the least that is taken for a name's beginning */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* How many bytes of text name begins with, without case. */
static size_t shared(tdm__str text, const char *name)
{
    size_t n = 0;
    while (n < text.len && name[n] != '\0' && lower(text.ptr[n]) == lower(name[n]))
        n++;
    return n;
}

/* The bytes of name that text begins with as a name: all of it, not followed by more of a word; or the first characters
 * of a Chinese one. 0: it is not named. */
static size_t match(tdm__str text, const char *name)
{
    if (!name || name[0] == '\0')
        return 0;
    size_t n = shared(text, name), len = strlen(name);
    if (n == len)
        return n == text.len || !is_word(name[n - 1]) || !is_word(text.ptr[n]) ? n : 0;
    if ((unsigned char)name[0] < 0xe3) /* no Chinese character */
        return 0;
    n -= n % 3; /* whole characters: those of Chinese have three bytes */
    return n >= SHORT_NAME_BYTES ? n : 0;
}

static size_t match_partner(tdm__str text, const tdm__policy_partner *p)
{
    const char *const names[] = {p->id, p->name_en, p->name_zh};
    size_t best = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = match(text, names[i]);
        best = n > best ? n : best;
    }
    return best;
}

/* What a model is called in the feature's cell is a name too. */
static size_t match_models(tdm__str text, const tdm__policy_cell *cell, const tdm__policy_partner *p)
{
    size_t best = 0;
    for (size_t i = 0; cell && i < cell->n_backends; i++) {
        size_t n = cell->backends[i].partner == p ? match(text, cell->backends[i].model_name) : 0;
        best = n > best ? n : best;
    }
    return best;
}

/* The id behind a name of another market's partner that text begins with; *n: its bytes, or 0. */
static const char *match_elsewhere(tdm__str text, size_t *n)
{
    const char *id = "";
    *n = 0;
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        size_t bytes = match(text, elsewhere[i].name);
        if (bytes > *n) {
            *n = bytes;
            id = elsewhere[i].id;
        }
    }
    return id;
}

static tdm__str skip(tdm__str s, size_t n) { return (tdm__str){s.ptr + n, s.len - n}; }

void tdm__assistant_find_named(const tdm__market_policy *policy, const char *feature, tdm__str question,
                               char out[TDM__NAME_TEXT])
{
    out[0] = '\0';
    if (!policy)
        return;
    while (question.len > 0 && (question.ptr[0] == ' ' || question.ptr[0] == '\n'))
        question = skip(question, 1);
    const tdm__policy_cell *cell = tdm__market_policy_cell(policy, feature);
    size_t best = 0, best_elsewhere = 0;
    const char *other = "";
    for (size_t i = 0; i < sizeof askers / sizeof askers[0]; i++) {
        const size_t len = strlen(askers[i]);
        if (shared(question, askers[i]) != len)
            continue;
        tdm__str rest = skip(question, len);
        while (rest.len > 0 && rest.ptr[0] == ' ')
            rest = skip(rest, 1);
        for (size_t k = 0; k < policy->n_partners; k++) {
            const tdm__policy_partner *p = &policy->partners[k];
            size_t n = match_partner(rest, p), m = match_models(rest, cell, p);
            n = m > n ? m : n;
            if (n > best && strlen(p->id) < TDM__NAME_TEXT) {
                best = n;
                memcpy(out, p->id, strlen(p->id) + 1);
            }
        }
        size_t n = 0;
        const char *id = match_elsewhere(rest, &n);
        if (n > best_elsewhere) {
            best_elsewhere = n;
            other = id;
        }
    }
    if (best == 0)
        memcpy(out, other, strlen(other) + 1);
}
