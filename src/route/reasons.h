/* reasons.h - the closed list of reasons for which something is off or a candidate was refused.
 *
 * A code is part of the interface and of the journal: never reused, never renamed (docs/formats/reasons.md). The
 * sentence is for people; %P is the partner's name, %F the filing's id, %D a date, %M a model, %K the market.
 */
#ifndef TDM_ROUTE_REASONS_H
#define TDM_ROUTE_REASONS_H

#define TDM_REASON_MAP(X)                                                                                             \
    X(NONE, 0, "nothing stands in the way")                                                                           \
    /* the device */                                                                                                  \
    X(RECORD_INVALID, 1, "this device's record is not signed by a key that the policy trusts")                        \
    X(RECORD_EXPIRED, 2, "this device's record ended on %D")                                                          \
    X(RECORD_NOT_YET_VALID, 3, "this device's record begins on %D")                                                   \
    X(RECORD_KEY_REVOKED, 4, "the key that signed this device's record was revoked")                                  \
    X(RECORD_DEMO, 5, "a demonstration's record and a real policy do not go together")                                \
    X(MARKET_UNKNOWN, 6, "no market's policy covers the region in which this device was sold")                        \
    /* the policy */                                                                                                  \
    X(POLICY_MISSING, 10, "the signed policy of the market in which this device was sold is not here")                \
    X(POLICY_STALE, 11, "the signed policy of %K ended on %D and no newer one has come")                              \
    X(POLICY_CLOCK, 12, "this device's clock was set back, so nobody can tell whether the policy of %K is in force")  \
    X(POLICY_INVALID, 13, "the policy that is here does not verify")                                                  \
    X(POLICY_GRACE, 14, "the signed policy of %K ended on %D: until it is renewed only this device answers")          \
    /* the feature */                                                                                                 \
    X(FEATURE_NOT_OFFERED, 20, "the policy of %K has no such feature")                                                \
    X(FEATURE_KILLED, 21, "the maker has switched this feature off in %K")                                            \
    X(FEATURE_NO_BACKEND, 22, "the policy of %K names nothing that could answer")                                     \
    /* a candidate: its filing */                                                                                     \
    X(FILING_MISSING, 30, "no case was filed in %K for this feature with %M")                                         \
    X(FILING_DRAFT, 31, "case %F is a draft and was not submitted")                                                   \
    X(FILING_SUBMITTED, 32, "case %F was submitted on %D and is not approved")                                        \
    X(FILING_UNDER_REVIEW, 33, "case %F is under review since %D and not approved")                                   \
    X(FILING_REFUSED, 34, "case %F was refused on %D")                                                                \
    X(FILING_WITHDRAWN, 35, "case %F was withdrawn on %D")                                                            \
    X(FILING_EXPIRED, 36, "the approval of case %F ended on %D")                                                      \
    X(FILING_OTHER_MODEL, 37, "case %F covers another model than %M")                                                 \
    /* a candidate: the policy */                                                                                     \
    X(BACKEND_KILLED, 40, "the maker has switched %P off for this feature in %K")                                     \
    X(CANARY_NOT_CHOSEN, 41, "%P is being introduced step by step and this device is not among the first")            \
    X(PROFILE_LOCKED, 42, "%P is locked for this profile")                                                            \
    X(PARTNER_NOT_ACCREDITED, 43, "%P has no accreditation in %K")                                                    \
    X(ACCREDITATION_EXPIRED, 44, "the accreditation of %P in %K ended on %D")                                         \
    X(SHAPE_OWN_ONLY, 45, "%K allows the device's own model only")                                                    \
    X(SHAPE_PARTNER_ONLY, 46, "%K allows a partner's model only")                                                     \
    X(ROLE_NOT_BUILT, 47, "the role that the policy gives to %P is not built")                                        \
    X(PARTNER_NOT_NAMED, 48, "another partner was asked for by name")                                                 \
    X(PARTNER_UNKNOWN, 49, "the partner that was asked for is not one of %K")                                         \
    /* a candidate: the owner */                                                                                      \
    X(CONSENT_NEVER, 50, "the owner said never to %P for this feature")                                               \
    X(CONSENT_REVOKED, 51, "the owner took back the consent to %P")                                                   \
    X(ATTACHMENTS_LOCKED, 52, "attachments do not go to %P")                                                          \
    /* a candidate: here and now */                                                                                   \
    X(MODEL_NOT_HERE, 60, "this device's model is not here yet")                                                      \
    X(MODEL_OTHER, 61, "this device's model is not the one that the policy of %K names")                              \
    X(TOO_LONG_FOR_DEVICE, 62, "the text is longer than this device's model can read")                                \
    X(NETWORK_OFF, 63, "the network of this device is off")                                                           \
    X(PARTNER_DOWN, 64, "%P does not answer at present")                                                              \
    X(DEVICE_FAILED, 65, "this device's model does not work: it has failed")                                          \
    /* what was said */                                                                                               \
    X(SCREEN_INPUT, 70, "the question has a term that the screening pack of %K stops")                                \
    X(SCREEN_OUTPUT, 71, "the answer had a term that the screening pack of %K stops")

typedef enum tdm__reason {
#define TDM_REASON_ENUM(name, value, text) TDM__REASON_##name = (value),
    TDM_REASON_MAP(TDM_REASON_ENUM)
#undef TDM_REASON_ENUM
} tdm__reason;

/* "FILING_SUBMITTED"; never NULL. */
const char *tdm__reason_name(tdm__reason r);

/* The sentence with its placeholders; never NULL. */
const char *tdm__reason_template(tdm__reason r);

/* NONE for a name that is none. */
tdm__reason tdm__reason_from_name(const char *name);

#endif
