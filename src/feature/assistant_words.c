/* assistant_words.c - what the assistant says of itself, in English and Chinese; reasons of a decision have their own
 * sentences (route/reasons.h). */
#include <stdio.h>
#include <string.h>

#include "feature/assistant_internal.h"

typedef struct pair {
    const char *en, *zh; /* %P: the partner's name */
} pair;

static const pair words[TDM__WORDS_N] = {
    [TDM__WORDS_NONE] = {"", ""},
    [TDM__WORDS_UNSURE_ALONE] = {"this device's model is not sure of this answer, and there is no partner to ask",
                                 "本机模型对此回答没有把握，且没有可询问的合作伙伴"},
    [TDM__WORDS_PARTNER_FAILED] = {"%P did not answer, so this device's own model did", "%P没有回答，因此由本机模型作答"},
    [TDM__WORDS_OFFER_NAMED] = {"you named %P; nothing has been sent yet", "您指名了%P；目前没有发送任何内容"},
    [TDM__WORDS_OFFER_POLICY] = {"%P can answer this; nothing has been sent yet", "%P可以回答；目前没有发送任何内容"},
    [TDM__WORDS_OFFER_TOO_LONG] = {"the text is too long for this device's model, %P can read it; nothing has been "
                                   "sent yet",
                                   "文本超出本机模型的可读长度，%P可以处理；目前没有发送任何内容"},
    [TDM__WORDS_OFFER_ABSTAINED] = {"this device's model would rather not answer, %P can be asked; nothing has been "
                                    "sent yet",
                                    "本机模型不愿贸然作答，可以询问%P；目前没有发送任何内容"},
    [TDM__WORDS_DECLINED] = {"nothing was sent to %P", "没有向%P发送任何内容"},
};

static const struct {
    const char *code;
    pair text;
} errors[] = {
    {"model_loading", {"this device's model is still being loaded", "本机模型仍在加载"}},
    {"model_failed", {"this device's model does not work", "本机模型无法工作"}},
    {"too_long", {"the text is longer than this device's model can read", "文本超出本机模型的可读长度"}},
    {"partner_unreachable", {"the partner could not be reached", "无法连接合作伙伴"}},
    {"partner_timeout", {"the partner did not answer in time", "合作伙伴未及时回答"}},
    {"partner_cut", {"the partner's answer broke off", "合作伙伴的回答中断"}},
    {"partner_not_api", {"what came is not an answer of the partner's interface", "收到的内容不是合作伙伴接口的回答"}},
    {"partner_auth", {"the partner does not accept this device's key", "合作伙伴不接受本设备的密钥"}},
    {"partner_quota", {"the allowance at the partner is used up", "合作伙伴的额度已用完"}},
    {"partner_rate", {"the partner asks to wait a little", "合作伙伴要求稍后再试"}},
    {"partner_refused", {"the partner's own filter stopped this", "合作伙伴的过滤器拦截了此内容"}},
    {"partner_territory", {"the partner does not serve this place", "合作伙伴不在此地区提供服务"}},
    {"partner_bad_request", {"the partner does not understand the request", "合作伙伴无法理解该请求"}},
    {"partner_server", {"the partner has a fault of its own", "合作伙伴自身发生故障"}},
    {"partner_too_long",
     {"the question is longer than the partner can read, or its answer than can be taken", "问题或回答过长，无法处理"}},
    {"consent_revoked",
     {"the consent was taken back while the partner answered; no more of it was taken",
      "合作伙伴回答期间同意被撤回；未再接收其内容"}},
    {"rules_changed",
     {"the rules changed while the partner answered; no more of it was taken",
      "合作伙伴回答期间规则发生变化；未再接收其内容"}},
    {"busy", {"too many answers are under way", "正在进行的回答过多"}},
    {"internal", {"the answer failed", "回答失败"}},
};

static const char *pick(const pair *p, const char *language) { return strcmp(language, "zh") == 0 ? p->zh : p->en; }

void tdm__answer_note(tdm__answer *w, tdm__words which)
{
    const char *template = pick(&words[which], w->language), *place = strstr(template, "%P");
    if (place)
        snprintf(w->note, sizeof w->note, "%.*s%s%s", (int)(place - template), template, w->target.partner_name,
                 place + 2);
    else
        snprintf(w->note, sizeof w->note, "%s", template);
}

const char *tdm__error_words(const char *code, const char *language)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].code, code) == 0)
            return pick(&errors[i].text, language);
    return pick(&errors[sizeof errors / sizeof errors[0] - 1].text, language);
}
