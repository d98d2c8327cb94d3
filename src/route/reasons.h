/* reasons.h - the closed list of reasons for which something is off or a candidate was refused.
 *
 * A code is part of the interface and of the journal: never reused, never renamed (docs/formats/reasons.md). The
 * sentences are for people, in English and Chinese; %P is the partner's name (or this device's model), %F the filing's
 * id, %D a date, %M a model, %K the market. One table has all four, so that a code without a sentence does not compile.
 */
#ifndef TDM_ROUTE_REASONS_H
#define TDM_ROUTE_REASONS_H

#define TDM_REASON_MAP(X)                                                                                             \
    X(NONE, 0, "nothing stands in the way", "没有任何障碍")                                                           \
    /* the device */                                                                                                  \
    X(RECORD_INVALID, 1, "this device's record is not signed by a key that the policy trusts",                        \
      "本设备的记录没有由策略信任的密钥签名")                                                                         \
    X(RECORD_EXPIRED, 2, "this device's record ended on %D", "本设备的记录已于%D到期")                                \
    X(RECORD_NOT_YET_VALID, 3, "this device's record begins on %D", "本设备的记录自%D起生效")                         \
    X(RECORD_KEY_REVOKED, 4, "the key that signed this device's record was revoked",                                  \
      "为本设备的记录签名的密钥已被吊销")                                                                             \
    X(RECORD_DEMO, 5, "a demonstration's record and a real policy do not go together",                                \
      "演示用的设备记录与正式策略不能混用")                                                                           \
    X(MARKET_UNKNOWN, 6, "no market's policy covers the region in which this device was sold",                        \
      "没有任何市场的策略涵盖本设备的销售地区")                                                                       \
    X(RECORD_MISSING, 7, "this device's record is not here, although its policy is",                                  \
      "本设备已有策略，但缺少设备记录")                                                                               \
    /* the policy */                                                                                                  \
    X(POLICY_MISSING, 10, "the signed policy of the market in which this device was sold is not here",                \
      "本设备销售地市场的签名策略尚未就位")                                                                           \
    X(POLICY_STALE, 11, "the signed policy of %K ended on %D and no newer one has come",                              \
      "%K的签名策略已于%D到期，且没有更新的策略")                                                                     \
    X(POLICY_CLOCK, 12, "this device's clock was set back, so nobody can tell whether the policy of %K is in force",  \
      "本设备的时钟被调回，无法判断%K的策略是否有效")                                                                 \
    X(POLICY_INVALID, 13, "the policy that is here does not verify", "现有的策略未通过验证")                          \
    X(POLICY_GRACE, 14, "the signed policy of %K ended on %D: until it is renewed only this device answers",          \
      "%K的签名策略已于%D到期：更新之前只由本设备作答")                                                               \
    /* the feature */                                                                                                 \
    X(FEATURE_NOT_OFFERED, 20, "the policy of %K has no such feature", "%K的策略中没有这项功能")                      \
    X(FEATURE_KILLED, 21, "the maker has switched this feature off in %K", "厂商已在%K关闭这项功能")                  \
    X(FEATURE_NO_BACKEND, 22, "the policy of %K names nothing that could answer", "%K的策略没有指定可以作答的模型")   \
    X(FEATURE_NOT_BUILT, 23, "this version of tandem does not have this feature", "此版本的tandem没有这项功能")       \
    /* a candidate: its filing */                                                                                     \
    X(FILING_MISSING, 30, "no case was filed in %K for this feature with %M", "在%K没有为这项功能与%M提交备案")       \
    X(FILING_DRAFT, 31, "case %F is a draft and was not submitted", "备案%F仍是草稿，尚未提交")                       \
    X(FILING_SUBMITTED, 32, "case %F was submitted on %D and is not approved", "备案%F已于%D提交，尚未获批")          \
    X(FILING_UNDER_REVIEW, 33, "case %F is under review since %D and not approved",                                   \
      "备案%F自%D起审查中，尚未获批")                                                                                 \
    X(FILING_REFUSED, 34, "case %F was refused on %D", "备案%F已于%D被驳回")                                          \
    X(FILING_WITHDRAWN, 35, "case %F was withdrawn on %D", "备案%F已于%D撤回")                                        \
    X(FILING_EXPIRED, 36, "the approval of case %F ended on %D", "备案%F的批准已于%D到期")                            \
    X(FILING_OTHER_MODEL, 37, "case %F covers another model than %M", "备案%F涵盖的不是%M")                           \
    X(FILING_NOT_YET, 38, "the approval of case %F begins on %D", "备案%F的批准自%D起生效")                           \
    /* a candidate: the policy */                                                                                     \
    X(BACKEND_KILLED, 40, "the maker has switched %P off for this feature in %K", "厂商已在%K为这项功能停用%P")       \
    X(CANARY_NOT_CHOSEN, 41, "%P is being introduced step by step and this device is not among the first",            \
      "%P正在逐步开放，本设备不在首批之列")                                                                           \
    X(PROFILE_LOCKED, 42, "%P is locked for this profile", "此使用者类型不能使用%P")                                  \
    X(PARTNER_NOT_ACCREDITED, 43, "%P has no accreditation in %K", "%P在%K没有资质")                                  \
    X(ACCREDITATION_EXPIRED, 44, "the accreditation of %P in %K ended on %D", "%P在%K的资质已于%D到期")               \
    X(SHAPE_OWN_ONLY, 45, "%K allows the device's own model only", "%K只允许使用设备自带的模型")                      \
    X(SHAPE_PARTNER_ONLY, 46, "%K allows a partner's model only", "%K只允许使用合作伙伴的模型")                       \
    X(ROLE_NOT_BUILT, 47, "the role that the policy gives to %P is not built", "策略赋予%P的角色尚未实现")            \
    X(PARTNER_NOT_NAMED, 48, "another partner was asked for by name", "已指名使用另一个合作伙伴")                     \
    X(PARTNER_UNKNOWN, 49, "the partner that was asked for is not one of %K for this feature",                        \
      "所指名的合作伙伴在%K不提供这项功能")                                                                           \
    /* a candidate: the owner */                                                                                      \
    X(CONSENT_NEVER, 50, "the owner said never to %P for this feature", "机主已选择这项功能绝不使用%P")               \
    X(CONSENT_REVOKED, 51, "the owner took back the consent to %P", "机主已撤回对%P的同意")                           \
    X(ATTACHMENTS_LOCKED, 52, "attachments do not go to %P from this profile", "此使用者类型的附件不会发送给%P")      \
    /* a candidate: here and now */                                                                                   \
    X(MODEL_NOT_HERE, 60, "this device's model is not here yet", "本机模型尚未就位")                                  \
    X(MODEL_OTHER, 61, "this device's model is not the one that the policy of %K names",                              \
      "本机模型不是%K的策略所指定的模型")                                                                             \
    X(TOO_LONG_FOR_DEVICE, 62, "the text is longer than this device's model can read", "文本超出本机模型的可读长度")  \
    X(NETWORK_OFF, 63, "the network of this device is off", "本设备的网络已关闭")                                     \
    X(PARTNER_DOWN, 64, "%P does not answer at present", "%P目前没有响应")                                            \
    X(DEVICE_FAILED, 65, "this device's model does not work: it has failed", "本机模型出现故障，无法工作")            \
    /* what was said */                                                                                               \
    X(SCREEN_INPUT, 70, "the question has a term that the screening pack of %K stops",                                \
      "问题中含有%K的审核词库所拦截的词语")                                                                           \
    X(SCREEN_OUTPUT, 71, "the answer had a term that the screening pack of %K stops",                                 \
      "回答中含有%K的审核词库所拦截的词语")

typedef enum tdm__reason {
#define TDM_REASON_ENUM(name, value, en, zh) TDM__REASON_##name = (value),
    TDM_REASON_MAP(TDM_REASON_ENUM)
#undef TDM_REASON_ENUM
} tdm__reason;

/* "FILING_SUBMITTED"; never NULL ("NONE" for a value that is no reason). */
const char *tdm__reason_name(tdm__reason r);

typedef enum tdm__language { TDM__LANGUAGE_EN = 0, TDM__LANGUAGE_ZH } tdm__language;

/* The sentence with its placeholders; never NULL. */
const char *tdm__reason_template(tdm__reason r, tdm__language language);

/* NONE for a name that is none. */
tdm__reason tdm__reason_from_name(const char *name);

#endif
