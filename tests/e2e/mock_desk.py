"""The desk in Python, for the stage's test: the stage, both desks, and the supervisor that puts in another phone.

Run by itself it prints the stage's address, with two scripted phones on it.
"""

import secrets
import threading

from mock_phone import MockPhone, Server
from mock_rules import MARKETS, PARTNERS, Rules, backend, now, show_case


def whole(entries):
    """A case as phones take it."""
    return {"_type": "filing-case", "entries": entries}


class MockDesk(Server):
    """The stage, the two desks, and the supervisor: choosing another market starts another MockPhone."""

    def __init__(self, word_s=0.004):
        super().__init__()
        self.key, self.rules, self.word_s = secrets.token_hex(16), Rules(), word_s
        self.faults = {}
        self.retired, self.ended = [], []  # phones that were put away, cases that came to their end
        self.phones = {}
        for name, sold_in in (("left", "CN"), ("right", "US")):
            self.phones[name] = self.start(sold_in)

    def start(self, sold_in):
        phone = MockPhone(sold_in, self.rules, self.url, self.word_s)
        return {"phone": phone, "link": phone.link(), "state": "up", "sold_in": sold_in}

    def close(self):
        for place in self.phones.values():
            place["phone"].close()
        super().close()

    def phone(self, name):
        return self.phones[name]["phone"]

    def is_keyed(self, h):
        if h.headers.get("Authorization") == f"Bearer {self.key}":
            return True
        h.refuse(401, "desk_key_required", "this needs the desk's key")
        return False

    def get_(self, h, body):
        h.page("stage.html", "")

    def get_desk_state(self, h, body):
        if not self.is_keyed(h):
            return
        markets = [
            {
                "id": m,
                "name": name,
                "sold_in": sold_in,
                "partners": [{"id": p, "name": PARTNERS[p]["name"]} for p in partners],
                "features": {"assistant": {"backends": self.rules.backends[m], "killed": self.rules.killed[m]}},
            }
            for m, (name, sold_in, partners, _) in MARKETS.items()
        ]
        h.answer(
            {
                "demo": True,
                "phones": [
                    {"name": n, "url": p["phone"].url, "link": p["link"], "sold_in": p["sold_in"], "state": p["state"]}
                    for n, p in self.phones.items()
                ],
                "markets": markets,
                "cases": [show_case(e) for e in (*self.ended, self.rules.entries)],
                "case_files": {self.rules.entries[0][3]["id"]: whole(self.rules.entries)},
                "bundle_version": self.rules.version,
                "emulators": [
                    {"partner": p, "url": "http://127.0.0.1:8431", "fault": self.faults.get(p, "none")}
                    for p in PARTNERS
                ],
            }
        )

    def get_desk_bundle(self, h, body):
        if self.is_keyed(h):
            h.answer({"version": self.rules.version, "backends": self.rules.backends, "killed": self.rules.killed})

    def post_desk_policy(self, h, body):
        if not self.is_keyed(h):
            return
        market, rules = body["market"], self.rules
        mine = [b for b in rules.backends[market] if b["partner"] == body.get("partner")]
        if body["change"] == "swap":
            rules.backends[market] = [rules.backends[market][0], backend(body["partner"])]
        elif body["change"] in ("kill", "unkill"):
            if "partner" in body:
                mine[0]["killed"] = body["change"] == "kill"
            else:
                rules.killed[market] = body["change"] == "kill"
        elif body["change"] == "canary":
            mine[0]["canary_bp"] = body["canary_bp"]
        rules.version += 1
        h.answer({"bundle_version": rules.version})

    def post_desk_emulator(self, h, body):
        if self.is_keyed(h):
            self.faults[body["partner"]] = body["fault"]
            h.answer({"partner": body["partner"], "fault": body["fault"]})

    def other(self, h, path, body):
        parts = path.strip("/").split("/")
        if body is None or not self.is_keyed(h):
            return None if body is not None else super().other(h, path, body)
        if parts[:2] == ["desk", "filings"]:
            return h.answer(self.act(body))
        if parts[:2] == ["desk", "phones"] and parts[-1] == "link":
            place = self.phones[parts[2]]
            place["link"] = place["phone"].link()
            return h.answer({"link": place["link"]})
        if parts[:2] == ["desk", "phones"]:
            self.phones[parts[2]]["state"] = "starting"
            threading.Timer(0.6, self.replace, (parts[2], body["sold_in"])).start()
            return h.answer({"name": parts[2], "sold_in": body["sold_in"]})
        return super().other(h, path, body)

    def act(self, body):
        """Adds an entry to the case, or files a new one when it has ended."""
        action, role = body["action"], "maker" if body["action"] == "answer" else "regulator"
        if action == "again":
            self.ended.append(self.rules.entries)
            filers = [("submit", now(), filer, {}) for filer in ("maker", "provider")]
            self.rules.entries = [("new", now(), "maker", {"id": f"DEMO-CN-2025-000{len(self.ended) + 1}"}), *filers]
        else:
            self.rules.entries = [*self.rules.entries, (action, now(), role, {k: body[k] for k in body if k == "text"})]
        return whole(self.rules.entries)

    def replace(self, name, sold_in):
        old = self.phones[name]["phone"]
        self.phones[name] = self.start(sold_in)
        self.retired.append(old)
        old.close()


if __name__ == "__main__":
    desk = MockDesk(word_s=0.03)
    print(f"{desk.url}/#key={desk.key}")
    threading.Event().wait()
