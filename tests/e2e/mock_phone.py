"""A phone in Python, for the pages' tests: it speaks docs/formats/phone-api.md with scripted rules.

It stands in for the daemon so that a page is tested for what it does with each answer. What the question says chooses
the answer: "unsure" and "weekend" abstain, "!retract" takes back, "!cut" fails at the partner, "!fail" on the device,
"!long" is long, "!html" answers with markup.
"""

import contextlib
import hashlib
import http.server
import json
import pathlib
import re
import secrets
import sys
import threading
import time

from mock_rules import CASE, FEATURES, MARKETS, OWN, PARTNERS, now, sentence, show_case

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import embed_page  # noqa: E402


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.owner_of.handle(self, None)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.owner_of.handle(self, json.loads(raw))

    def answer(self, value, status=200):
        self.send(status, "application/json", json.dumps(value).encode())

    def refuse(self, status, code, message):
        self.answer(
            {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status
        )

    def send(self, status, content_type, body, headers=()):
        self.send_response(status)
        for name, value in (("Content-Type", content_type), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def page(self, name, stage, ancestors=None):
        text, _ = embed_page.read_page(ROOT / "share/console" / name)
        csp = embed_page.policy(text)
        if ancestors or stage:
            csp = csp.replace("frame-ancestors 'none'", "frame-ancestors " + (ancestors or stage))
        self.send(
            200,
            "text/html; charset=utf-8",
            text.replace(b"{{STAGE}}", stage.encode()),
            (("Content-Security-Policy", csp), ("Cache-Control", "no-store")),
        )


class Server:
    """A thread with a server on a free port of loopback."""

    def __init__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.owner_of = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.asked = []  # (path, headers, body) of each POST
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def handle(self, h, body):
        path = h.path.split("?")[0]
        name = ("get" if body is None else "post") + re.sub(r"\W", "_", path)
        if body is not None:
            self.asked.append((path, dict(h.headers), body))
        if not (work := getattr(self, name, None)):
            work = lambda h, body: self.other(h, path, body)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            work(h, body)

    def other(self, h, path, body):
        h.refuse(404, "not_found", f"there is no {path}")


class MockPhone(Server):
    """One phone. rules: what it has installed. word_s: seconds a word of an answer takes."""

    def __init__(self, sold_in, rules, stage="", word_s=0.004, ancestors=None):
        self.sold_in, self.rules, self.stage, self.word_s = sold_in, rules.copy(), stage, word_s
        self.market = next((m for m, v in MARKETS.items() if sold_in in v[1]), "ZZ")
        self.network_off, self.percent = False, 100
        self.consents, self.receipts, self.offers, self.links, self.sessions = {}, [], {}, {}, set()
        self.sent = []  # (partner, text): what left
        self.offer_life_s = 300
        self.ancestors = ancestors  # who may frame the page, when it is not only the stage
        super().__init__()

    def link(self):
        token = secrets.token_hex(16)
        self.links[token] = "new"
        return token

    def is_owner(self, h):
        if h.headers.get("Authorization", "").removeprefix("Bearer ") in self.sessions:
            return True
        h.refuse(401, "owner_required", "this needs the owner's key or a session")
        return False

    # ---- the rules, as far as a page can tell ----

    def candidates(self, named=""):
        """[(backend, reason)] of the assistant."""
        state = show_case(self.rules.entries)["state"]
        is_filed = MARKETS[self.market][3] if self.market in MARKETS else False
        out = []
        for b in self.rules.backends.get(self.market, []):
            partner = b["partner"] if b["partner"] != "own" else None
            why = "NONE"
            if self.rules.killed.get(self.market):
                why = "FEATURE_KILLED"
            elif is_filed and state != "approved":
                why = "FILING_" + state.upper()
            elif is_filed and partner not in (None, "alibaba"):
                why = "FILING_OTHER_MODEL"
            elif b["killed"]:
                why = "BACKEND_KILLED"
            elif partner and self.network_off:
                why = "NETWORK_OFF"
            elif partner and b["canary_bp"] == 0:
                why = "CANARY_NOT_CHOSEN"
            elif partner and self.consents.get(partner) == "never":
                why = "CONSENT_NEVER"
            elif named and partner != named:
                why = "PARTNER_NOT_NAMED"
            out.append((b, why))
        return out

    def row(self, backend):
        """What a step of the plan and a refused candidate have in common."""
        partner, is_filed = PARTNERS.get(backend["partner"]), MARKETS[self.market][3]
        return {
            "candidate": f"{backend['partner']}:{backend['model']}",
            "backend": backend["partner"],
            "partner": partner and {"id": backend["partner"], "name": partner["name"], "emulated": True},
            "role": backend["role"],
            "model": backend["model"],
            "model_name": partner["model"]["name"] if partner else OWN["name"],
            "filing": CASE if is_filed else None,
            "hypothetical": is_filed and show_case(self.rules.entries)["hypothetical"],
            "emulated": bool(partner),
        }

    def decide(self, named=""):
        """The document of docs/formats/decision.md, as far as a page reads it."""
        found = self.candidates(named)
        plan = [{**self.row(b), "needs_consent": b["partner"] != "own"} for b, why in found if why == "NONE"]
        refused = [{**self.row(b), **sentence(why)} for b, why in found if why != "NONE"]
        off = sentence("NONE" if plan else refused[0]["reason"])
        policy = {"version": self.rules.version, "sha256": "c0ffee" * 10 + "beef", "demo": True}
        head = {
            "decision": secrets.token_hex(16),
            "feature": "assistant",
            "market": self.market,
            "off": not plan,
            **off,
        }
        return {**head, "plan": plan, "refused": refused, "policy": policy}

    # ---- what the page reads ----

    def get_(self, h, body):
        h.page("index.html", self.stage, self.ancestors)

    def get_healthz(self, h, body):
        state = "ready" if self.percent == 100 else "downloading"
        h.answer(
            {"state": state, "percent": self.percent, "model": OWN["name"] if state == "ready" else "", "running": 0},
            200 if state == "ready" else 503,
        )

    def get_v1_device(self, h, body):
        if self.market == "ZZ":  # no market covers the region: no policy either
            record = {"state": "MARKET_UNKNOWN", "expires": "2027-12-31T00:00:00Z", "demo": True}
            return h.answer(
                {"device": "DEMO-7f31", "sku": "DEMO-A1", "sold_in": self.sold_in, "profile": "adult", "record": record}
                | {"market": None, "policy": None, "partners": [], "filings": [], "network": "on"}
            )
        case, name = show_case(self.rules.entries), (
            MARKETS[self.market][0] if self.market in MARKETS else {"en": "ZZ", "zh": "ZZ"}
        )
        filings = [{k: case[k] for k in ("id", "state", "since", "features", "hypothetical", "demo")}]
        h.answer(
            {
                "device": "DEMO-7f31",
                "sku": f"DEMO-A1/{self.sold_in}",
                "sold_in": self.sold_in,
                "profile": "adult",
                "record": {"state": "fine", "expires": "2027-12-31T00:00:00Z", "demo": True},
                "market": {"id": self.market, "name": name, "demo": True},
                "needs_label": self.market == "CN",
                "policy": {
                    "version": self.rules.version,
                    "sha256": "c0ffee" * 10 + "beef",
                    "freshness": "fresh",
                    "expires": "2026-12-31T00:00:00Z",
                },
                "trust_version": 12,
                "model": {"name": OWN["name"], "sha256": "1f" * 32, "state": "ready", "percent": self.percent},
                "network": "off" if self.network_off else "on",
                "partners": [
                    {
                        "id": b["partner"],
                        "name": PARTNERS[b["partner"]]["name"],
                        "emulated": True,
                        "features": ["assistant"],
                    }
                    for b in self.rules.backends.get(self.market, [])
                    if b["partner"] != "own"
                ],
                "filings": filings if self.market == "CN" else [],
            }
        )

    def get_v1_features(self, h, body):
        out = {}
        for name in FEATURES:
            found = self.candidates() if name in ("assistant", "chat", "summarize", "reply") else []
            open_ = [b for b, why in found if why == "NONE"]
            partner = next((b["partner"] for b in open_ if b["partner"] != "own"), None)
            state = "off" if not open_ else "on" if partner else "device_only"
            why = "FEATURE_NOT_OFFERED" if not found else next((w for _, w in found if w != "NONE"), "NONE")
            out[name] = {
                "state": state,
                **sentence("NONE" if state == "on" else why),
                "filing": CASE if self.market == "CN" else None,
                "partner": partner and {"id": partner, "name": PARTNERS[partner]["name"], "emulated": True},
            }
        h.answer(out)

    # ---- the owner ----

    def post_v1_owner_session(self, h, body):
        state = self.links.get(body["link"])
        if state != "new":
            return h.refuse(
                403, "link_used" if state else "link_unknown", "this link was used" if state else "no such link"
            )
        self.links[body["link"]] = "used"
        self.sessions.add(key := secrets.token_hex(16))
        h.answer({"session": key, "expires": now(12 * 3600)})

    def get_v1_consents(self, h, body):
        if self.is_owner(h):
            h.answer(
                {
                    "consents": [
                        {"partner": p, "feature": "assistant", "mode": m, "since": now()}
                        for p, m in self.consents.items()
                    ]
                }
            )

    def post_v1_consents(self, h, body):
        if self.is_owner(h):
            self.consents.pop(body["partner"], None)
            if body["mode"] != "ask":
                self.consents[body["partner"]] = body["mode"]
            h.answer({"consents": []})

    def get_v1_receipts(self, h, body):
        if self.is_owner(h):
            h.answer({"receipts": self.receipts[::-1]})

    def post_v1_receipts_erase(self, h, body):
        if self.is_owner(h):
            n = len(self.receipts)
            self.receipts = [] if body.get("all") else [r for r in self.receipts if r["id"] != body["id"]]
            h.answer({"erased": n - len(self.receipts)})

    def post_v1_policy(self, h, body):
        if self.is_owner(h):
            if body["version"] < self.rules.version:
                return h.refuse(
                    409, "rollback", f"the bundle has version {body['version']}, this phone {self.rules.version}"
                )
            self.rules.version, self.rules.backends, self.rules.killed = (
                body["version"],
                body["backends"],
                body["killed"],
            )
            kept = {b["partner"] for b in self.rules.backends[self.market]}
            self.consents = {p: m for p, m in self.consents.items() if p in kept}
            h.answer({"version": body["version"], "market_version": body["version"]})

    def post_v1_filings(self, h, body):
        if self.is_owner(h):
            mine, theirs = self.rules.entries, body["entries"]
            is_shorter = theirs[0][3]["id"] == mine[0][3]["id"] and len(theirs) < len(mine)
            if body.get("_type") != "filing-case" or is_shorter:
                return h.refuse(409, "filing_refused", "this case is shorter than the one that is here")
            self.rules.entries = body["entries"]
            h.answer(show_case(self.rules.entries))

    def post_v1_network(self, h, body):
        if self.is_owner(h):
            self.network_off = body["off"]
            h.answer({"off": self.network_off})

    # ---- the assistant ----

    def post_v1_assistant(self, h, body):
        if "offer" in body and not self.is_owner(h):
            return
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.send_header("Connection", "close")
        h.end_headers()
        h.close_connection = True

        def event(name, data):
            h.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
            h.wfile.flush()

        if "offer" in body:
            self.go_on(event, body)
        else:
            self.begin(event, body)

    def say(self, event, text, source):
        for piece in (
            re.findall(r"\s*\S{1,3}|\s+", text) if re.search("[一-鿿]", text) else re.findall(r"\s*\S+|\s+", text)
        ):
            event("text", {"text": piece, "source": source, "label": False})
            time.sleep(self.word_s)

    def done(self, event, state, source="own", reason="NONE", text="", **more):
        partner = PARTNERS.get(source)
        event(
            "done",
            {
                "state": state,
                "source": source,
                "model": partner["model"] if partner else OWN,
                "emulated": bool(partner),
                "filing": CASE if self.market == "CN" and state == "answered" else None,
                "label": "由人工智能生成 · AI-generated" if self.market == "CN" and state == "answered" else None,
                "reason": reason,
                "text": text,
                "timings": {"prompt_tokens": 31, "prompt_ms": 120, "decode_tokens": 64, "decode_ms": 900},
                **more,
            },
        )

    def begin(self, event, body):
        question, named = body["messages"][-1]["content"], body.get("partner", "")
        decision, zh = self.decide(named), body.get("lang") == "zh"
        plan = [step["backend"] for step in decision["plan"]]
        if not plan:
            event("decision", {**decision, "path": "off"})
            why = decision["refused"][0]
            return self.done(event, "off", "off", why["reason"], why["text_zh" if zh else "text"])
        partner = next((p for p in plan if p != "own"), None)
        unsure = "unsure" in question or "没把握" in question or "weekend" in question or "周末" in question
        cause = "named" if named and partner else "abstained" if unsure and partner else None
        event("decision", {**decision, "path": partner if cause else "own"})
        if cause and self.consents.get(partner) != "always":
            offer, p = secrets.token_hex(8), PARTNERS[partner]
            sent = json.dumps(
                {"model": p["model"]["id"], "messages": [{"role": "user", "content": question}], "stream": True},
                ensure_ascii=False,
            )
            self.offers[offer] = (partner, question, time.time() + self.offer_life_s)
            event(
                "offer",
                {
                    "id": offer,
                    "cause": cause,
                    "partner": {
                        "id": partner,
                        "name": p["name"],
                        "legal_entity": p["entity"],
                        "region": p["region"],
                        "emulated": True,
                    },
                    "model": p["model"],
                    "filing": {"id": CASE, "hypothetical": True} if self.market == "CN" else None,
                    "leaves": {
                        "text": question,
                        "bytes": len(sent.encode()),
                        "sha256": hashlib.sha256(sent.encode()).hexdigest(),
                        "body": sent,
                        "earlier_turns": body["messages"][:-1],
                        "attachments": [],
                        "identifiers": [],
                    },
                    "consent": {"modes": ["once", "always", "never"]},
                    "expires": now(self.offer_life_s),
                },
            )
            return self.done(event, "offered", partner)
        if cause:
            return self.send_to(event, partner, question, zh)
        if "!fail" in question:
            event("error", {"code": "model_failed", "text": "this device's model does not work: it has failed"})
            return self.done(event, "failed")
        own = (
            "本机先回答。这是一个由设备自带的小模型写出的回答，没有任何内容离开本机。"
            if zh
            else "Here is a short answer from the small model on this phone. **Nothing** left it:\n\n"
            "- it is quick\n- it is private\n- it works without a network"
        ) + (" long" * 200 if "!long" in question else "")
        if "!html" in question:
            own = "<img src=x onerror=alert(1)> <script>alert(2)</script>"
        self.say(event, own, "own")
        if "!retract" in question:
            event(
                "retract",
                {
                    "reason": "SCREEN_OUTPUT",
                    "text": "the answer had a term that the screening pack stops",
                    "rule": "demo-1",
                },
            )
            return self.done(event, "stopped", reason="SCREEN_OUTPUT")
        self.done(event, "answered")

    def go_on(self, event, body):
        partner, question, until = self.offers.pop(body["offer"], (None, None, 0))
        zh = body.get("lang") == "zh"
        if not partner or time.time() > until:
            event("error", {"code": "consent_revoked", "text": "this offer has ended"})
            return self.done(event, "failed")
        if body["consent"] in ("always", "never"):
            self.consents[partner] = body["consent"]
        event("decision", {**self.decide(partner), "path": partner if body["consent"] != "never" else "own"})
        if body["consent"] == "never":
            return self.done(event, "declined", "own", "CONSENT_NEVER", "")
        self.send_to(event, partner, question, zh)

    def send_to(self, event, partner, question, zh):
        self.sent.append((partner, question))
        time.sleep(20 * self.word_s)
        if "!cut" in question:
            event("error", {"code": "partner_cut", "text": "the partner's answer broke off"})
            return self.done(event, "failed", partner)
        text = (
            f"[EMULATED] 这是{PARTNERS[partner]['name']['zh']}替身的回答：先去公园散步，再找一家安静的书店，傍晚在河边吃饭。"
            if zh
            else f"[EMULATED] The stand-in of {PARTNERS[partner]['name']['en']} answers: a slow breakfast, the museum, "
            "a walk along the river, and a table for two at seven."
        )
        self.say(event, text, partner)
        receipt = {
            "id": secrets.token_hex(16),
            "decision": secrets.token_hex(16),
            "partner": partner,
            "feature": "assistant",
            "model": PARTNERS[partner]["model"]["name"],
            "filing": CASE if self.market == "CN" else "",
            "what": "question",
            "bytes_sent": 141 + len(question.encode()),
            "bytes_received": 2210,
            "sha256_sent": "5e" * 32,
            "at": now(),
            "outcome": "answered",
            "emulated": True,
        }
        self.receipts.append(receipt)
        event("receipt", receipt)
        self.done(event, "answered", partner)
