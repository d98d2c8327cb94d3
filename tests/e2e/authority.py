"""An authority of a demonstration: its input, its keys, its repository, all made by tandem; and a thief with some keys.

The thief writes with securesystemslib and cryptography, not with tandem: what tandem takes or refuses was then written
by somebody else's code.
"""

import hashlib
import json
import shutil

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.formats import encode_canonical

from conftest import ROOT

ROLES = {
    "root": (["root1", "root2", "root3"], 2, 365),
    "targets": (["targets"], 1, 90),
    "snapshot": (["snapshot"], 1, 7),
    "timestamp": (["timestamp"], 1, 1),
    "market-CN": (["cn"], 1, 90),
    "market-US": (["us"], 1, 90),
}
ORDER = ["root", "market-CN", "market-US", "targets", "snapshot", "timestamp"]


class Authority:
    """run gives (code, stdout, stderr) of tandem; all lies below path."""

    def __init__(self, tandem, path):
        self.tandem, self.path = tandem, path
        self.input, self.repo, self.metadata = path / "in", path / "repo", path / "repo" / "metadata"
        self.roles = {name: (list(keys), n, days) for name, (keys, n, days) in ROLES.items()}
        self.demo = True

    def run(self, *args):
        return self.tandem.run("policy", *args)

    def done(self, *args):
        code, out, err = self.run(*args)
        assert code == 0, (args, err)
        return out

    def keygen(self, name):
        if not (self.input / "keys" / f"{name}.key").exists():
            code, _, err = self.tandem.run("keygen", "--out", self.input / "keys" / name)
            assert code == 0, err

    def write_roles(self):
        rows = []
        for name, (keys, n, days) in self.roles.items():
            for key in keys:
                self.keygen(key)
            paths = ", ".join(f"keys/{key}.pub" for key in keys)
            rows.append(f"  {name}: {{keys: [{paths}], threshold: {n}, expires_days: {days}}}\n")
        text = f"demo: {str(self.demo).lower()}\nroles:\n" + "".join(rows)
        (self.input / "roles.yaml").write_text(text)

    def write_input(self):
        """The shipped markets, which name stand-ins, with the stand-ins of all partners."""
        for market in ("CN", "US"):
            folder = self.input / "markets" / market
            shutil.copytree(ROOT / "share" / "demo" / "partners", folder / "partners")
            shutil.copytree(ROOT / "share" / "packs", folder / "packs")
            shutil.copy(ROOT / "share" / "markets" / f"{market}.yaml", folder / "policy.yaml")
            (folder / "prompts").mkdir()
            (folder / "prompts" / "ask.yaml").write_text("name: ask\ntext: |\n  two\n  lines\n")
        self.keygen("cac")
        (self.input / "keys.yaml").write_text(
            "- {id: DEMO-CAC, name: {en: Demo regulator, zh: 演示监管机构}, role: regulator, pub: keys/cac.pub,\n"
            "   markets: [CN], valid_from: 2025-01-01T00:00:00Z, valid_to: 2040-01-01T00:00:00Z, revoked: false}\n"
        )
        self.write_roles()

    def make(self, *more):
        return json.loads(self.done("make", "--in", self.input, "--repo", self.repo, "--json", *more))

    def sign(self, role, key, *more):
        key_path = self.input / "keys" / f"{key}.key"
        return self.done("sign", "--repo", self.repo, "--role", role, "--key", key_path, "--json", *more)

    def sign_all(self, *more, but_timestamp=False):
        staged = json.loads(self.done("show", "--repo", self.repo, "--json"))["staged"]
        for role in ORDER:
            keys, threshold, _ = self.roles.get(role, ([], 0, 0))
            if role in staged and not (but_timestamp and role == "timestamp"):
                for key in keys[:threshold]:
                    self.sign(role, key, *more)

    def release(self, *more):
        self.make(*more)
        self.sign_all(*more)

    def change_policy(self, market="CN", version=2):
        """A new version of a market's policy, and with it of its role, the snapshot and the timestamp."""
        path = self.input / "markets" / market / "policy.yaml"
        text = path.read_text()
        assert "\nversion: " in text
        before, after = text.split("\nversion: ", 1)
        path.write_text(f"{before}\nversion: {version}\n{after.split(chr(10), 1)[1]}")

    def change_keyring(self, year):
        """A new version of keys.json, and with it of targets."""
        path = self.input / "keys.yaml"
        head, tail = path.read_text().split("valid_to: ", 1)
        path.write_text(f"{head}valid_to: {year}{tail[4:]}")

    @property
    def first_root(self):
        return self.metadata / "1.root.json"

    def verify(self, *more):
        return self.run("verify", "--repo", self.repo, "--root", self.first_root, *more)

    def install(self, *more):
        return self.done("install", "--repo", self.repo, "--root", self.first_root, *more)

    def update(self, *more):
        return self.run("update", "--repo", self.repo, *more)

    def trusted(self, *more):
        """What is believed; without the clock, which goes on by itself."""
        found = json.loads(self.done("show", "--json", *more))
        del found["time"]
        return found


class Thief:
    """Somebody who can write into the repository and has stolen keys."""

    def __init__(self, authority):
        self.a = authority

    def key(self, name):
        seed = json.loads((self.a.input / "keys" / f"{name}.key").read_text())["seed"]
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        public = json.loads((self.a.input / "keys" / f"{name}.pub").read_text())
        keyid = hashlib.sha256(encode_canonical(public).encode()).hexdigest()
        return private, public, keyid

    def name(self, role, version=None):
        if role == "timestamp":
            return self.a.metadata / "timestamp.json"
        return self.a.metadata / f"{version or self.version(role)}.{role}.json"

    def version(self, role):
        return max(int(p.name.split(".")[0]) for p in self.a.metadata.glob(f"*.{role}.json"))

    def load(self, role, version=None):
        return json.loads(self.name(role, version).read_text())["signed"]

    def signature(self, signed, key):
        private, _, keyid = self.key(key)
        return {"keyid": keyid, "sig": private.sign(encode_canonical(signed).encode()).hex()}

    def store(self, role, signed, keys, version=None):
        """Signs with the stolen keys and writes; the bytes."""
        document = {"signatures": [self.signature(signed, key) for key in keys], "signed": signed}
        text = json.dumps(document, separators=(",", ":"))
        self.name(role, version or signed["version"]).write_text(text)
        return text.encode()

    def meta(self, role, version=None):
        data = self.name(role, version).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        found = version or json.loads(data)["signed"]["version"]
        return {"version": found, "length": len(data), "hashes": {"sha256": digest}}

    def raise_timestamp(self, by=1, **meta):
        """A new timestamp over the newest snapshot, or over meta."""
        signed = self.load("timestamp")
        signed["version"] += by
        signed["meta"]["snapshot.json"] = meta or self.meta("snapshot")
        self.store("timestamp", signed, ["timestamp"])

    def raise_snapshot(self, by=1, drop=(), **roles):
        """A new snapshot over roles: name -> meta; then the timestamp."""
        signed = self.load("snapshot")
        signed["version"] += by
        for role, meta in roles.items():
            signed["meta"][f"{role.replace('_', '-')}.json"] = meta
        for name in drop:
            del signed["meta"][name]
        self.store("snapshot", signed, ["snapshot"])
        self.raise_timestamp()

    def raise_role(self, role, key, change):
        """A new version of targets or a market, changed, all the way up."""
        signed = self.load(role)
        signed["version"] += 1
        change(signed)
        self.store(role, signed, [key])
        self.raise_snapshot(**{role.replace("-", "_"): self.meta(role)})

    def target_file(self, path, role):
        """Where the newest version of a target lies."""
        digest = self.load(role)["targets"][path]["hashes"]["sha256"]
        folder, _, base = path.rpartition("/")
        return self.a.repo / "targets" / folder / f"{digest}.{base}"

    def put_target(self, path, content):
        """Writes a file and gives what a role would say about it."""
        digest = hashlib.sha256(content).hexdigest()
        folder, _, base = path.rpartition("/")
        (self.a.repo / "targets" / folder).mkdir(parents=True, exist_ok=True)
        (self.a.repo / "targets" / folder / f"{digest}.{base}").write_bytes(content)
        return {"length": len(content), "hashes": {"sha256": digest}}
