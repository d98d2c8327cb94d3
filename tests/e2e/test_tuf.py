"""Repositories between tandem and python-tuf, both ways; the canonical form byte for byte; what the maker promises.

The attacks of TUF's specification: test_tuf_attacks.py.
"""

import datetime
import json
import os
import pathlib
import random
import shutil
import subprocess
import time
import urllib.parse

import pytest

pytest.importorskip("tuf", reason="python-tuf is not installed: tests/requirements.txt")

from authority import Authority, Thief
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import FetcherInterface, Updater

FRESH = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)


class FileFetcher(FetcherInterface):
    """python-tuf's way to get a file: from this disk."""

    def _fetch(self, url):
        path = pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(url).path))
        if not path.exists():
            raise DownloadHTTPError(f"{path} is not there", 404)
        yield path.read_bytes()


def updater(repo, root, folder):
    for name in ("metadata", "targets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Updater(
        str(folder / "metadata"),
        f"file://{repo}/metadata/",
        str(folder / "targets"),
        f"file://{repo}/targets/",
        FileFetcher(),
        bootstrap=root.read_bytes(),
    )


@pytest.fixture
def authority(tandem, tmp_path):
    a = Authority(tandem, tmp_path)
    a.write_input()
    return a


def published(a):
    return json.loads(a.done("show", "--repo", a.repo, "--json"))["published"]


# tandem -> python-tuf


def test_python_tuf_downloads_every_target_of_a_repository_made_by_tandem(authority, tmp_path):
    authority.release()
    verified = json.loads(authority.verify("--json")[1])
    u = updater(authority.repo, authority.first_root, tmp_path / "client")
    u.refresh()
    assert len(verified["targets"]) == 23  # keys.json, and of both markets: policy, 8 partners, a pack, a prompt
    for path, about in verified["targets"].items():
        info = u.get_targetinfo(path)
        assert info is not None, path
        data = pathlib.Path(u.download_target(info)).read_bytes()
        assert len(data) == about["bytes"] and info.hashes["sha256"] == about["sha256"]
        assert json.loads(data)["_type"] in ("keys", "market-policy", "partner-profile", "pack", "prompt")
    assert u.get_targetinfo("markets/CN/policy.yaml") is None


def test_python_tuf_follows_rotations_and_updates_made_by_tandem(authority, tmp_path):
    authority.release()
    first = tmp_path / "first.root.json"
    shutil.copy(authority.first_root, first)
    updater(authority.repo, first, tmp_path / "client").refresh()
    authority.roles["timestamp"] = (["timestamp-b"], 1, 1)
    authority.roles["snapshot"] = (["snapshot-b"], 1, 7)
    authority.roles["market-CN"] = (["cn-b"], 1, 90)
    authority.write_roles()
    authority.change_policy()
    authority.release()
    u = updater(authority.repo, first, tmp_path / "client")
    u.refresh()
    info = u.get_targetinfo("markets/CN/policy.json")
    assert json.loads(pathlib.Path(u.download_target(info)).read_bytes())["version"] == 2
    assert published(authority)["root"]["version"] == 2


def test_metadata_files_and_what_is_signed_are_the_canonical_form_of_securesystemslib(authority):
    authority.release()
    files = sorted(authority.metadata.glob("*.json"))
    assert len(files) == 6
    for path in files:
        raw = path.read_bytes()
        assert raw == encode_canonical(json.loads(raw)).encode(), path
        assert Metadata.from_bytes(raw).signed_bytes == encode_canonical(json.loads(raw)["signed"]).encode()


def test_key_ids_are_those_that_securesystemslib_computes(authority):
    authority.release()
    private, public, keyid = Thief(authority).key("root1")
    key = CryptoSigner(private).public_key
    assert key.keyid == keyid and key.to_dict() == public
    assert keyid in json.loads(authority.first_root.read_text())["signed"]["roles"]["root"]["keyids"]


def test_python_tuf_refuses_what_is_not_complete(authority, tmp_path):
    """The oracle can fail: one signature less, and it says so."""
    authority.release()
    document = json.loads(authority.first_root.read_text())
    document["signatures"].pop()
    broken = tmp_path / "root.json"
    broken.write_text(json.dumps(document))
    with pytest.raises(RepositoryError):
        updater(authority.repo, broken, tmp_path / "client").refresh()


# python-tuf -> tandem


class Foreign:
    """A repository made by python-tuf: market CN delegated, root threshold 2 of 3, files as python-tuf writes them."""

    def __init__(self, path):
        self.path = path
        self.keys = {n: CryptoSigner.generate_ed25519() for n in ("r1", "r2", "r3", "t", "s", "ts", "cn")}
        self.files = {
            "keys.json": b'{"_type": "keys", "demo": false, "keys": []}\n',
            "markets/CN/policy.json": b'{"_type": "market-policy"}',
            "markets/CN/partners/x.json": '{"_type": "partner-profile", "name": "阿里"}'.encode(),
        }

    def target(self, path):
        data = self.files[path]
        info = TargetFile.from_data(path, data, ["sha256"])
        folder, _, base = path.rpartition("/")
        (self.path / "targets" / folder).mkdir(parents=True, exist_ok=True)
        (self.path / "targets" / folder / f"{info.hashes['sha256']}.{base}").write_bytes(data)
        return info

    def write(self, name, signed, *keys):
        md = Metadata(signed)
        for key in keys:
            md.sign(self.keys[key], append=True)
        (self.path / "metadata").mkdir(parents=True, exist_ok=True)
        data = md.to_bytes()
        (self.path / "metadata" / name).write_bytes(data)
        return MetaFile.from_data(signed.version, data, ["sha256"])

    def make(self):
        root = Root(expires=FRESH, consistent_snapshot=True)
        for key, role in (("r1", "root"), ("r2", "root"), ("r3", "root"), ("t", "targets"), ("s", "snapshot")):
            root.add_key(self.keys[key].public_key, role)
        root.add_key(self.keys["ts"].public_key, "timestamp")
        root.roles["root"].threshold = 2
        cn = self.keys["cn"].public_key
        role = DelegatedRole("market-CN", [cn.keyid], 1, True, ["markets/CN/*", "markets/CN/*/*"])
        targets = Targets(expires=FRESH, delegations=Delegations({cn.keyid: cn}, {"market-CN": role}))
        market = Targets(expires=FRESH)
        targets.targets["keys.json"] = self.target("keys.json")
        for path in ("markets/CN/policy.json", "markets/CN/partners/x.json"):
            market.targets[path] = self.target(path)
        self.write("1.root.json", root, "r1", "r3")
        snapshot = Snapshot(expires=FRESH)
        snapshot.meta["targets.json"] = self.write("1.targets.json", targets, "t")
        snapshot.meta["market-CN.json"] = self.write("1.market-CN.json", market, "cn")
        timestamp = Timestamp(expires=FRESH)
        timestamp.snapshot_meta = self.write("1.snapshot.json", snapshot, "s")
        self.write("timestamp.json", timestamp, "ts")
        return self


def test_tandem_verifies_a_repository_made_by_python_tuf(tandem, tmp_path):
    foreign = Foreign(tmp_path / "foreign").make()
    root = foreign.path / "metadata" / "1.root.json"
    code, out, err = tandem.run("policy", "verify", "--repo", foreign.path, "--root", root, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert {p: t["bytes"] for p, t in found["targets"].items()} == {p: len(b) for p, b in foreign.files.items()}
    assert found["demo"] is False and found["markets"]["CN"]["version"] == 1


def test_tandem_counts_signatures_of_python_tuf_to_the_threshold(tandem, tmp_path):
    foreign = Foreign(tmp_path / "foreign").make()
    root = foreign.path / "metadata" / "1.root.json"
    document = json.loads(root.read_text())
    document["signatures"].pop()
    root.write_text(json.dumps(document))
    code, _, err = tandem.run("policy", "verify", "--repo", foreign.path, "--root", root)
    assert code == 4 and "SIGNATURES" in err


def test_tandem_bundles_a_repository_made_by_python_tuf_byte_for_byte(tandem, tmp_path):
    foreign = Foreign(tmp_path / "foreign").make()
    bundle = tmp_path / "bundle.json"
    code, _, err = tandem.run("policy", "bundle", "--repo", foreign.path, "--out", bundle)
    assert code == 0, err
    files = json.loads(bundle.read_text())["files"]
    for name, text in files.items():
        path = foreign.path / name if name.startswith("targets/") else foreign.path / "metadata" / name
        assert path.read_bytes() == text.encode()
    assert len(files) == 8
    root = foreign.path / "metadata" / "1.root.json"
    assert tandem.run("policy", "verify", "--repo", bundle, "--root", root)[0] == 0


# the maker


def test_the_same_input_at_the_same_time_gives_the_same_bytes(authority):
    at = ("--at", "2026-01-02T03:04:05Z")
    authority.release(*at)
    before = {p.name: p.read_bytes() for p in authority.metadata.iterdir()}
    shutil.rmtree(authority.repo)
    authority.release(*at)
    assert {p.name: p.read_bytes() for p in authority.metadata.iterdir()} == before


def test_versions_go_up_only_where_something_changed(authority):
    authority.release()
    assert authority.make()["staged"] == {}
    authority.change_policy("CN")
    staged = authority.make()["staged"]
    assert {role: about["version"] for role, about in staged.items()} == {
        "market-CN": 2,
        "snapshot": 2,
        "timestamp": 2,
    }
    authority.sign_all()
    versions = {role: about["version"] for role, about in published(authority).items()}
    assert versions == {"root": 1, "targets": 1, "market-US": 1, "market-CN": 2, "snapshot": 2, "timestamp": 2}


def test_what_is_half_over_is_made_anew(authority):
    authority.release("--at", "2026-01-01T00:00:00Z")
    later = authority.make("--at", "2026-01-05T00:00:00Z")["staged"]
    assert sorted(later) == ["snapshot", "timestamp"]


def test_a_new_root_needs_the_old_threshold_and_its_own(authority):
    authority.release()
    authority.install()
    authority.roles["root"] = (["root3", "root4", "root5"], 2, 365)
    authority.write_roles()
    assert sorted(authority.make()["staged"]) == ["root", "timestamp"]
    missing = []
    for key in ("root4", "root5", "root3", "root1"):
        missing.append(json.loads(authority.sign("root", key))["staged"]["root"]["missing"])
    assert missing == [2, 2, 1, 0]  # the third one counts for both
    authority.sign("timestamp", "timestamp")
    assert authority.update()[0] == 0
    assert published(authority)["root"]["version"] == 2


def test_a_removed_market_stays_in_the_snapshot_and_comes_back_one_version_higher(authority):
    authority.release()
    authority.install()
    kept = authority.input / "markets" / "US", authority.path / "US"
    shutil.move(*kept)
    role = authority.roles.pop("market-US")
    authority.write_roles()
    authority.release()
    assert authority.update()[0] == 0
    assert sorted(authority.trusted()["markets"]) == ["CN"]
    shutil.move(*reversed(kept))
    authority.roles["market-US"] = role
    authority.write_roles()
    authority.release()
    assert authority.update()[0] == 0
    assert authority.trusted()["markets"]["US"]["version"] == 2


def test_the_timestamp_is_renewed_while_a_release_waits(authority):
    authority.release()
    authority.install()
    authority.change_policy()
    authority.make()
    authority.sign("timestamp", "timestamp")
    authority.sign("timestamp", "timestamp")
    assert authority.update()[0] == 0
    assert authority.trusted()["version"] == 3 and authority.trusted()["markets"]["CN"]["version"] == 1
    authority.sign_all()
    assert authority.update()[0] == 0
    assert authority.trusted()["version"] == 4 and authority.trusted()["markets"]["CN"]["version"] == 2


def test_signatures_out_of_turn_and_by_others_are_refused(authority):
    authority.make()
    sign = ("sign", "--repo", authority.repo, "--role")
    keys = authority.input / "keys"
    code, _, err = authority.run(*sign, "snapshot", "--key", keys / "snapshot.key")
    assert code == 1 and "not snapshot's turn" in err
    code, _, err = authority.run(*sign, "timestamp", "--key", keys / "timestamp.key")
    assert code == 1 and "not timestamp's turn" in err
    code, _, err = authority.run(*sign, "root", "--key", keys / "cn.key")
    assert code == 3 and "none of root's" in err
    code, _, err = authority.run(*sign, "../x", "--key", keys / "cn.key")
    assert code == 1 and "is no role" in err


def test_a_maker_signs_nothing_over_a_repository_that_somebody_changed(authority):
    authority.release()
    thief = Thief(authority)
    signed = thief.load("snapshot")
    signed["meta"]["market-CN.json"]["version"] = 7
    thief.store("snapshot", signed, [])
    code, _, err = authority.run("make", "--in", authority.input, "--repo", authority.repo)
    assert code == 4 and "snapshot has 0 good signatures" in err


MISTAKES = [
    ("roles.yaml", "threshold: 2", "threshold: 4", "roles.yaml:3: roles.root.threshold"),
    ("roles.yaml", "threshold: 2", "treshold: 2", "did you mean 'threshold'"),
    ("roles.yaml", "keys/root2.pub", "keys/root1.pub", "the same key"),
    ("roles.yaml", "  snapshot:", "  snapshots:", "did you mean 'snapshot'"),
    ("roles.yaml", "  market-US:", "  market-UK:", "market-US"),
    ("roles.yaml", "expires_days: 365", "expires_days: 0", "roles.yaml:3"),
    ("keys.yaml", "role: regulator", "role: regulatr", "keys.yaml:1"),
    ("keys.yaml", "pub: keys/cac.pub", "pub: keys/none.pub", "none.pub cannot be read"),
    ("keys.yaml", "id: DEMO-CAC", "id: DEMO-CAC, demo: false, id: X", "second time"),
    ("markets/CN/policy.yaml", "market: CN", "market: US", "the folder is CN"),
    ("markets/CN/policy.yaml", "demo: true", "demo: false", "demo is false here and true in roles.yaml"),
    ("markets/CN/policy.yaml", "packs/demo.yaml", "packs/other.yaml", "no file for markets/CN/packs/other.json"),
    ("markets/CN/policy.yaml", "partners/alibaba.yaml", "partners/alibab.yaml", "no file for markets/CN/partners"),
    ("markets/CN/policy.yaml", "partners/alibaba.yaml", "partners/baidu.yaml", "partners/baidu.json, is of baidu"),
    ("markets/CN/policy.yaml", "emulated: true", "emulated: false", "is false here and true in its profile"),
    ("markets/CN/packs/demo.yaml", "name: demo", "_type: prompt\nname: demo", "_type must be pack"),
    ("markets/CN/packs/demo.yaml", "name: demo", "name: &a demo", "demo.yaml:3"),
]


@pytest.mark.parametrize("file,before,after,sentence", MISTAKES)
def test_mistakes_in_yaml_are_named_with_their_place(authority, file, before, after, sentence):
    path = authority.input / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    code, _, err = authority.run("make", "--in", authority.input, "--repo", authority.repo)
    assert code == 1 and sentence in err and file.rpartition("/")[2] in err, err
    assert not authority.repo.exists()


@pytest.mark.parametrize("name", ["packs/run.sh", "packs/Big.yaml", "packs/a.json", "notes.txt", "lib/x.yaml"])
def test_a_target_cannot_carry_code(authority, name):
    path = authority.input / "markets" / "CN" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    code, _, err = authority.run("make", "--in", authority.input, "--repo", authority.repo)
    assert code == 1 and "can be here" in err


def test_a_target_beyond_its_limit_is_refused(authority):
    path = authority.input / "markets" / "CN" / "prompts" / "ask.yaml"
    path.write_text("text: " + "x" * (1 << 20) + "\n")
    code, _, err = authority.run("make", "--in", authority.input, "--repo", authority.repo)
    assert code == 1 and "1048576 are the most" in err


def test_show_tells_what_is_installed_and_one_markets_policy(authority):
    code, _, err = authority.run("show")
    assert code == 1 and "no policy is installed" in err
    authority.release()
    authority.install()
    found = authority.trusted()
    assert found["demo"] and not found["suspect"] and found["markets"]["US"]["state"] == "in_time"
    cn = json.loads(authority.done("show", "--market", "CN", "--json"))
    assert cn["policy"]["market"] == "CN" and cn["sha256"] == found["targets"]["markets/CN/policy.json"]["sha256"]
    text = authority.done("show", "--market", "CN")
    assert "alibaba" in text and "EMULATED" in text and "a demonstration's" in text
    code, _, err = authority.run("show", "--market", "JP")
    assert code == 1 and "JP" in err


def test_demo_never_changes(authority):
    authority.release()
    authority.demo = False
    authority.write_roles()
    for market in ("CN", "US"):
        path = authority.input / "markets" / market / "policy.yaml"
        path.write_text(path.read_text().replace("demo: true", "demo: false"))
    code, _, err = authority.run("make", "--in", authority.input, "--repo", authority.repo)
    assert code == 1 and "never changes" in err


# killed

WRITES = "mkdir linkat write fchmod fsync rename renameat2 unlinkat unlink rmdir".split()


def killed_at_random(tandem, args):
    """A whole run, then 40 that are killed somewhere on their way; yields after each."""
    start = time.monotonic()
    tandem.run(*args)
    longest = time.monotonic() - start
    yield "whole"
    for i in range(40):
        p = subprocess.Popen([tandem.program, *map(str, args)], env=tandem.env, stdout=-3, stderr=-3)
        time.sleep(random.Random(i).uniform(0, 1.2 * longest))
        p.kill()
        p.wait()
        yield i


def killed_before_each_write(tandem, args):
    """Kills a run before its first mkdir, its second one, .. and so for each call that changes the disk."""
    for call in WRITES:
        for n in range(1, 100):
            inject = f"inject={call}:signal=SIGKILL:when={n}"
            trace = ["strace", "-f", "-qqq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
            run = [*trace, tandem.program, *map(str, args)]
            code = subprocess.run(run, env=tandem.env, stdout=-3, stderr=-3, check=False).returncode
            yield f"{call} {n}"
            if code == 0:
                break
            assert code == -9, (call, n, code)


WAYS = [
    killed_at_random,
    pytest.param(
        killed_before_each_write,
        marks=pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    ),
]


@pytest.fixture
def rotation(authority):
    """The hardest step: root, targets, snapshot and timestamp keys change at once. The last signature is missing."""
    authority.release()
    shutil.copytree(authority.repo, authority.path / "published")
    for role in ("timestamp", "snapshot", "targets"):
        authority.roles[role] = ([f"{role}-b"], *authority.roles[role][1:])
    authority.write_roles()
    authority.change_policy()
    authority.make()
    authority.sign_all(but_timestamp=True)
    shutil.copytree(authority.repo, authority.path / "waiting")
    return authority


@pytest.mark.parametrize("killed", WAYS)
def test_a_killed_publication_leaves_the_old_repository_or_the_new_one(rotation, tandem, killed):
    a = rotation
    first = a.path / "published" / "metadata" / "1.root.json"
    key = a.input / "keys" / "timestamp-b.key"
    sign = ("policy", "sign", "--repo", a.repo, "--role", "timestamp", "--key", key)
    verify = ("verify", "--repo", a.repo, "--root", first, "--json")

    def begin_again():
        shutil.rmtree(a.repo)
        shutil.copytree(a.path / "waiting", a.repo)

    seen = {1: 0, 2: 0}
    begin_again()
    for step in killed(tandem, sign):
        found = json.loads(a.done(*verify))
        assert found["version"] == found["markets"]["CN"]["version"], step
        seen[found["version"]] += 1
        if found["version"] == 1:  # nothing that was left stands in the way
            assert tandem.run(*sign)[0] == 0, step
            assert json.loads(a.done(*verify))["version"] == 2, step
        begin_again()
    print(f"old {seen[1]}, new {seen[2]}")
    assert seen[1] > 0, "no kill came in time"


@pytest.mark.parametrize("killed", WAYS)
def test_a_killed_update_leaves_the_old_state_or_the_new_one(rotation, tandem, killed):
    a = rotation
    a.sign("timestamp", "timestamp-b")
    published = a.path / "published"
    a.done("install", "--repo", published, "--root", published / "metadata" / "1.root.json")
    state = tandem.home / "state" / "policy.json"
    old = state.read_bytes()
    seen = {1: 0, 2: 0}
    for step in killed(tandem, ("policy", "update", "--repo", a.repo)):
        found = a.trusted()
        assert found["version"] == found["markets"]["CN"]["version"], step
        seen[found["version"]] += 1
        state.write_bytes(old)
    assert a.update()[0] == 0 and a.trusted()["version"] == 2
    print(f"old {seen[1]}, new {seen[2]}")
    assert seen[1] > 0, "no kill came in time"


@pytest.mark.parametrize("killed", WAYS)
def test_a_killed_make_leaves_the_repository_and_can_be_run_again(authority, tandem, killed):
    authority.release()
    authority.change_policy()
    for step in killed(tandem, ("policy", "make", "--in", authority.input, "--repo", authority.repo)):
        assert published(authority)["market-CN"]["version"] == 1, step
        assert authority.verify()[0] == 0
    authority.release()
    assert published(authority)["market-CN"]["version"] == 2
