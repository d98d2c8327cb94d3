"""What the mock phone and desk agree on: markets, partners, the case of the reports, and reasons as a daemon says them.

Nothing is signed and nothing is decided here as the daemons do it: a page is tested for what it does with an answer.
"""

import hashlib
import json
import time

OWN = {"id": "qwen2.5-coder-0.5b", "name": "Qwen2.5-Coder 0.5B"}
PARTNERS = {
    "alibaba": {
        "name": {"en": "Alibaba", "zh": "阿里巴巴"},
        "entity": "DEMO Alibaba Cloud (Hangzhou)",
        "region": "cn-hangzhou",
        "model": {"id": "qwen-max-2025-01-25", "name": "Qwen 2.5 Max"},
    },
    "baidu": {
        "name": {"en": "Baidu", "zh": "百度"},
        "entity": "DEMO Baidu (Beijing)",
        "region": "cn-beijing",
        "model": {"id": "ernie-4.0-turbo", "name": "ERNIE 4.0"},
    },
    "openai": {
        "name": {"en": "ChatGPT", "zh": "ChatGPT"},
        "entity": "DEMO OpenAI OpCo, LLC",
        "region": "us",
        "model": {"id": "gpt-4o-2024-11-20", "name": "GPT-4o"},
    },
}
MARKETS = {
    "CN": ({"en": "mainland China", "zh": "中国大陆"}, ["CN"], ["alibaba", "baidu"], True),
    "HK": ({"en": "Hong Kong", "zh": "中国香港"}, ["HK"], ["openai"], False),
    "US": ({"en": "the United States", "zh": "美国"}, ["US"], ["openai"], False),
    "EU": ({"en": "the European Union", "zh": "欧盟"}, ["DE", "FR", "IT"], ["openai"], False),
}
FEATURES = ["chat", "assistant", "proofread", "rewrite", "summarize", "reply", "prioritise", "visual"]
CASE = "DEMO-CN-2025-0001"


def now(plus=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + plus))


def backend(partner):
    """As the desk shows one; partner "own" is the device's model."""
    model = PARTNERS[partner]["model"] if partner != "own" else OWN
    role = "hand-off" if partner != "own" else "engine"
    names = {"partner": partner, "model": model["id"], "model_name": model["name"], "role": role}
    return {**names, "killed": False, "canary_bp": 10000}


class Rules:
    """What the desk publishes and phones install: back ends of the assistant per market, and the case's entries."""

    def __init__(self):
        self.version = 3
        self.backends = {m: [backend("own"), backend(MARKETS[m][2][0])] for m in MARKETS}
        self.killed = {m: False for m in MARKETS}
        self.entries = [
            ("new", "2025-01-20T09:00:00Z", "maker", {"id": CASE}),
            ("submit", "2025-02-11T09:00:00Z", "maker", {}),
            ("submit", "2025-02-11T10:30:00Z", "provider", {}),
        ]

    def copy(self):
        other = Rules()
        other.__dict__.update(json.loads(json.dumps(self.__dict__)))
        return other


STATES = {
    "new": "draft",
    "submit": "submitted",
    "review": "under_review",
    "approve": "approved",
    "refuse": "refused",
    "withdraw": "withdrawn",
}


def signer(role):
    names = {
        "maker": ("DEMO Phone Maker", "演示手机厂商"),
        "provider": ("DEMO Model Provider", "演示模型提供方"),
        "regulator": ("DEMO Regulator", "演示监管机构"),
    }
    return {"key": "ab12cd34", "role": role, "id": f"demo-{role}", "name": {"en": names[role][0], "zh": names[role][1]}}


def show_case(entries):
    """The case as tandem filing show --json gives it."""
    state, since, questions, verdict, withdrawal = "draft", None, [], None, None
    sections = {"maker": None, "provider": None}
    for action, at, role, more in entries:
        if action in STATES and not (action == "submit" and sections == {"maker": None, "provider": None}):
            state, since = STATES[action], at
        if action == "submit":
            sections[role] = {
                "submitted": at,
                "signer": signer(role),
                "documents": [
                    {
                        "name": f"{role}-safety-assessment.pdf",
                        "sha256": hashlib.sha256(role.encode()).hexdigest(),
                        "bytes": 48213,
                    }
                ],
            }
        elif action == "ask":
            questions.append({"text": more["text"], "at": at, "signer": signer("regulator"), "answer": None})
        elif action == "answer":
            questions[-1]["answer"] = {"text": more["text"], "at": at, "signer": signer("maker"), "documents": []}
        elif action in ("approve", "refuse"):
            verdict = {
                "action": action,
                "at": at,
                "signer": signer("regulator"),
                "text": more.get("text"),
                "conditions": [],
                "expires": None,
                "hypothetical": True,
                "sha256": "00" * 32,
            }
        elif action == "withdraw":
            withdrawal = {"at": at, "signer": signer(role), "text": more.get("text"), "sha256": "00" * 32}
    return {
        "id": entries[0][3]["id"],
        "market": "CN",
        "state": state,
        "since": since,
        "expires": None,
        "demo": True,
        "hypothetical": verdict is not None,
        "signers_checked": True,
        "features": ["assistant", "summarize", "reply"],
        "models": [
            {"partner": "", "model": OWN["id"], "sha256": "1f" * 32},
            {"partner": "alibaba", "model": PARTNERS["alibaba"]["model"]["id"], "date": "2025-01-25"},
        ],
        "filers": {"maker": "demo-maker", "provider": "demo-provider"},
        "sections": sections,
        "questions": questions,
        "verdict": verdict,
        "withdrawal": withdrawal,
        "history": [
            {"n": i + 1, "action": a, "at": at, "signer": signer(role), "sha256": "00" * 32}
            for i, (a, at, role, _) in enumerate(entries)
        ],
        "head": "00" * 32,
    }


REASONS = {
    "NONE": ("nothing stands in the way", "没有任何障碍"),
    "FILING_SUBMITTED": (
        f"case {CASE} was submitted on 2025-02-11 and is not approved",
        f"备案{CASE}已于2025年2月11日提交，尚未获批",
    ),
    "FILING_UNDER_REVIEW": (f"case {CASE} is under review and not approved", f"备案{CASE}审查中，尚未获批"),
    "FILING_WITHDRAWN": (f"case {CASE} was withdrawn", f"备案{CASE}已撤回"),
    "FILING_REFUSED": (f"case {CASE} was refused", f"备案{CASE}已被驳回"),
    "FILING_OTHER_MODEL": (f"case {CASE} covers another model", f"备案{CASE}涵盖的不是该模型"),
    "FEATURE_NOT_OFFERED": ("the policy has no such feature", "策略中没有这项功能"),
    "FEATURE_KILLED": ("the maker has switched this feature off", "厂商已关闭这项功能"),
    "BACKEND_KILLED": ("the maker has switched this partner off for this feature", "厂商已停用该合作伙伴"),
    "CANARY_NOT_CHOSEN": (
        "the partner is being introduced step by step and this device is not among the first",
        "正在逐步开放，本设备不在首批之列",
    ),
    "CONSENT_NEVER": ("the owner said never to this partner", "机主已选择绝不使用该合作伙伴"),
    "NETWORK_OFF": ("the network of this device is off", "本设备的网络已关闭"),
    "PARTNER_NOT_NAMED": ("another partner was asked for by name", "已指名使用另一个合作伙伴"),
}


def sentence(code):
    return {"reason": code, "text": REASONS[code][0], "text_zh": REASONS[code][1]}
