/* verb_urgency.c - tables of words, one a reason. A word counts where it stands as a word (English) or as it is
 * (Chinese). The strongest reason gives the score, others that are there add a little. */
#include "feature/verb_urgency.h"

#include "feature/verb_text.h"

enum { EXTRA = 4, GROUP_COST = 25, SCORE_MAX = 100 };

static const struct {
    const char *name;
    int score;
} reasons[] = {
    [TDM__URGENCY_NONE] = {"", 0},
    [TDM__URGENCY_PERSON_WAITING] = {"person_waiting", 90},
    [TDM__URGENCY_SECURITY_CODE] = {"security_code", 84},
    [TDM__URGENCY_DEADLINE] = {"deadline", 76},
    [TDM__URGENCY_DIRECT_QUESTION] = {"direct_question", 64},
    [TDM__URGENCY_CALENDAR] = {"calendar", 56},
    [TDM__URGENCY_MONEY] = {"money", 50},
    [TDM__URGENCY_FYI] = {"fyi", 25},
    [TDM__URGENCY_GROUP_CHATTER] = {"group_chatter", 14},
    [TDM__URGENCY_PROMOTION] = {"promotion", 5},
};

static const char *const waiting[] = {
    "waiting for you",
    "waiting outside",
    "i am standing",
    "i'm standing",
    "in front of the door",
    "locked out",
    "i'm here",
    "i am here",
    "right now",
    "need to know now",
    "urgent",
    "urgently",
    "asap",
    "as soon as possible",
    "call me",
    "call me back",
    "emergency",
    "pick up",
    "pick me up",
    "hurry",
    "immediately",
    "马上",
    "赶紧",
    "赶快",
    "快点",
    "紧急",
    "急用",
    "在等你",
    "等你",
    "在门口",
    "家门口",
    "忘带钥匙",
    "没带钥匙",
    "回电",
    "速回",
    "立刻",
    "接一下",
};
static const char *const security[] = {"security code", "verification code", "one-time", "login code", "passcode",
                                       "otp",           "your code is",      "验证码",   "动态码",     "校验码",
                                       "登录码"};
static const char *const deadline[] = {
    "before",   "by tomorrow", "by noon",       "by monday", "by tuesday", "by wednesday", "by thursday", "by friday",
    "deadline", "due",         "no later than", "expires",   "last day",   "until today",  "之前",        "截止",
    "到期",     "最晚",        "逾期",          "尽快",      "今天内",     "过期"};
static const char *const calendar[] = {
    "meeting", "appointment", "review",   "interview",   "calendar", "delayed", "departure", "gate", "cancelled",
    "dentist", "flight",      "boarding", "tomorrow at", "reminder", "会议",    "开会",      "日历", "航班",
    "登机",    "延误",        "起飞",     "复诊",        "预约",     "面试",    "提醒",      "日程", "取消"};
static const char *const money[] = {"bill",   "invoice", "payment", "pay",  "transfer", "balance", "charged",
                                    "refund", "overdue", "账单",    "电费", "水费",     "缴纳",    "缴费",
                                    "转账",   "付款",    "欠费",    "余额", "扣款",     "退款"};
static const char *const promotion[] = {
    "% off",         "off all",      "sale", "only today", "discount",  "free gift", "win",      "coins",
    "special offer", "limited time", "deal", "deals",      "subscribe", "shop now",  "play now", "recipes",
    "抢购",          "五折",         "八折", "折起",       "满减",      "优惠",      "特价",     "限时",
    "领取",          "金币",         "促销", "会员日",     "红包雨",    "仅限今天",  "一看就会", "立减"};
static const char *const chatter[] = {"group", "photos", "photo",  "sent",   "neighbours", "reacted",
                                      "liked", "群",     "发送了", "张照片", "点赞",       "表情"};

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool has_phrase(tdm__str s, tdm__str phrase)
{
    for (size_t i = 0; i + phrase.len <= s.len; i++) {
        if (!tdm__str_starts_fold(tdm__str_sub(s, i, s.len), phrase))
            continue;
        const bool went = i > 0 && is_letter(s.ptr[i - 1]) && is_letter(phrase.ptr[0]);
        const bool goes =
            i + phrase.len < s.len && is_letter(s.ptr[i + phrase.len]) && is_letter(phrase.ptr[phrase.len - 1]);
        if (!went && !goes)
            return true;
    }
    return false;
}

static bool has_any(tdm__str s, const char *const *phrases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has_phrase(s, tdm__str_from(phrases[i])))
            return true;
    return false;
}

#define HAS(s, table) has_any((s), (table), sizeof(table) / sizeof *(table))

static bool has_question(tdm__str s)
{
    return memchr(s.ptr, '?', s.len) || tdm__str_has(s, TDM_STR("？"));
}

static bool has_digit(tdm__str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
            return true;
    return false;
}

const char *tdm__urgency_name(tdm__urgency_reason r)
{
    return reasons[r].name;
}
int tdm__urgency_score(tdm__urgency_reason r)
{
    return reasons[r].score;
}

tdm__urgency tdm__urgency_find(tdm__str from, tdm__str text)
{
    const bool has[] = {
        [TDM__URGENCY_PERSON_WAITING] = HAS(text, waiting),
        [TDM__URGENCY_SECURITY_CODE] = HAS(text, security) && has_digit(text),
        [TDM__URGENCY_DEADLINE] = HAS(text, deadline) && has_digit(text),
        [TDM__URGENCY_DIRECT_QUESTION] = text.len > 0 && has_question(text),
        [TDM__URGENCY_CALENDAR] = HAS(text, calendar) || HAS(from, calendar),
        [TDM__URGENCY_MONEY] = HAS(text, money),
    };
    const bool is_group = HAS(text, chatter) || HAS(from, chatter);
    const bool is_personal = has[TDM__URGENCY_PERSON_WAITING] || has[TDM__URGENCY_SECURITY_CODE];
    if (!is_personal && HAS(text, promotion))
        return (tdm__urgency){TDM__URGENCY_PROMOTION, reasons[TDM__URGENCY_PROMOTION].score, false};
    tdm__urgency u = {0};
    for (tdm__urgency_reason r = TDM__URGENCY_PERSON_WAITING; r <= TDM__URGENCY_MONEY; r++) {
        if (has[r] && u.reason == TDM__URGENCY_NONE)
            u = (tdm__urgency){r, reasons[r].score, false};
        else if (has[r])
            u.score += EXTRA;
    }
    if (u.reason == TDM__URGENCY_NONE) {
        u.reason = is_group ? TDM__URGENCY_GROUP_CHATTER : TDM__URGENCY_FYI;
        return (tdm__urgency){u.reason, reasons[u.reason].score, !is_group};
    }
    if (is_group && !is_personal)
        u.score -= GROUP_COST;
    u.score = u.score > SCORE_MAX ? SCORE_MAX : u.score;
    return u;
}
