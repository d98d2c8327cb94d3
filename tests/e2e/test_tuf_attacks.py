"""The attacks of TUF's specification (1.5, 5.3 to 5.7) on repositories on disk, by somebody with some stolen keys.

Each is refused under its own fault with exit code 4 and changes nothing that is trusted, and the next honest release is
taken. The thief's documents are written and signed by securesystemslib and cryptography.
"""

import copy
import datetime
import json
import shutil

import pytest

pytest.importorskip("tuf", reason="python-tuf is not installed: tests/requirements.txt")

from authority import Authority, Thief

POLICY = "markets/CN/policy.json"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return {"path": tmp_path_factory.mktemp("shelf")}


def fill(shelf, tandem):
    """The repository after its first release, after its second, and after some more in which every role went up."""
    a = Authority(tandem, shelf["path"])
    a.write_input()
    a.release()
    shutil.copytree(a.repo, shelf["path"] / "repo1")
    a.change_policy()
    a.release()
    shutil.copytree(a.repo, shelf["path"] / "repo2")
    for n in range(3, 6):
        a.change_policy(version=n)
        a.change_keyring(2040 + n)
        a.release()
    shutil.move(a.repo, shelf["path"] / "later")


@pytest.fixture
def world(tandem, tmp_path, shelf):
    """A device that trusts release 1, and a repository with release 2."""
    if not (shelf["path"] / "later").exists():
        fill(shelf, tandem)
    a = Authority(tandem, tmp_path)
    shutil.copytree(shelf["path"] / "in", a.input)
    shutil.copytree(shelf["path"] / "repo2", a.repo)
    a.release1, a.later = shelf["path"] / "repo1", shelf["path"] / "later"
    a.done("install", "--repo", a.release1, "--root", a.first_root)
    return a


def refused(result, fault):
    code, _, err = result
    assert code == 4, (code, err)
    assert f": {fault}: " in err, err
    return err


def refuses(world, fault, *more, verify=None):
    """update gives fault, verify too (or what verify says: it remembers nothing), nothing that is trusted changes, and
    the next honest release is taken."""
    before = world.trusted()
    refused(world.update(*more), fault)
    assert world.trusted() == before
    code, out, err = world.verify("--json", *more)
    if verify == "OK":
        assert code == 0, err
    else:
        refused((code, out, err), verify or fault)
        assert json.loads(out)["fault"] == (verify or fault)
    assert world.run("update", "--repo", world.later)[0] == 0
    assert world.trusted()["markets"]["CN"]["version"] == 5


def test_the_honest_release_is_taken(world):
    assert world.update()[0] == 0
    assert world.trusted()["version"] == 2 and world.trusted()["markets"]["CN"]["version"] == 2


# arbitrary software


def test_a_file_that_was_replaced(world):
    path = Thief(world).target_file(POLICY, "market-CN")
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(bytes(data))
    refuses(world, "TARGET_HASH")


def test_metadata_that_nobody_signed(world):
    thief = Thief(world)
    thief.store("timestamp", thief.load("timestamp"), [])
    refuses(world, "SIGNATURES")


def test_metadata_signed_by_a_stranger(world):
    world.keygen("stranger")
    thief = Thief(world)
    signed = thief.load("timestamp")
    thief.store("timestamp", signed, ["stranger"])
    refuses(world, "SIGNATURES")


def test_metadata_changed_under_its_signature(world):
    path = Thief(world).name("timestamp")
    document = json.loads(path.read_text())
    document["signed"]["version"] += 1
    path.write_text(json.dumps(document))
    refuses(world, "SIGNATURES")


def test_the_signature_of_another_role(world):
    thief = Thief(world)
    thief.store("timestamp", thief.load("timestamp"), ["snapshot"])
    refuses(world, "SIGNATURES")


# rollback


def test_an_old_timestamp(world):
    assert world.update()[0] == 0
    shutil.copy(world.release1 / "metadata" / "timestamp.json", world.metadata / "timestamp.json")
    refuses(world, "ROLLBACK", verify="OK")


def test_an_old_snapshot_under_a_stolen_timestamp_key(world):
    assert world.update()[0] == 0
    thief = Thief(world)
    thief.raise_timestamp(**thief.meta("snapshot", 1))
    refuses(world, "ROLLBACK", verify="OK")


def test_an_old_market_under_stolen_timestamp_and_snapshot_keys(world):
    assert world.update()[0] == 0
    thief = Thief(world)
    thief.raise_snapshot(market_CN=thief.meta("market-CN", 1))
    refuses(world, "ROLLBACK", verify="OK")


def test_a_market_that_is_lost_from_the_snapshot(world):
    Thief(world).raise_snapshot(drop=["market-CN.json"])
    refuses(world, "ROLLBACK", verify="MIX_AND_MATCH")


def test_an_old_root_replayed_as_the_next_one(world):
    shutil.copy(world.first_root, world.metadata / "2.root.json")
    refuses(world, "ROLLBACK")


def test_a_root_that_skips_a_version(world):
    thief = Thief(world)
    signed = thief.load("root")
    signed["version"] = 3
    thief.store("root", signed, ["root1", "root2"], version=2)
    refuses(world, "MIX_AND_MATCH")


# fast-forward


def test_fast_forwarded_versions_are_forgotten_when_the_keys_change(world):
    thief = Thief(world)
    honest = world.path / "honest"
    shutil.copytree(world.repo, honest)
    thief.raise_snapshot(by=2**40, market_CN={**thief.meta("market-CN"), "version": 2**40})
    thief.raise_timestamp(by=2**40)
    refused(world.update(), "MISSING")  # but its versions were verified: from now on the honest ones are a rollback
    shutil.rmtree(world.repo)
    shutil.copytree(honest, world.repo)
    refused(world.update(), "ROLLBACK")
    world.roles["timestamp"] = (["timestamp-b"], 1, 1)
    world.roles["snapshot"] = (["snapshot-b"], 1, 7)
    world.write_roles()
    world.change_policy(version=3)
    world.release()
    assert world.update()[0] == 0
    assert world.trusted()["markets"]["CN"]["version"] == 3


# indefinite freeze


@pytest.mark.parametrize("days,role", [(2, "timestamp.json"), (400, "the root")])
def test_a_repository_that_stands_still(world, days, role):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    when = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert role in refused(world.verify("--at", when), "FREEZE")
    refused(world.update("--at", when), "FREEZE")


def test_expired_documents_below_a_fresh_timestamp(world):
    thief = Thief(world)
    signed = thief.load("market-CN")
    signed["version"] += 1
    signed["expires"] = "2026-01-01T00:00:00Z"
    thief.store("market-CN", signed, ["cn"])
    thief.raise_snapshot(market_CN=thief.meta("market-CN"))
    refuses(world, "FREEZE")


# endless data


@pytest.mark.parametrize("name", ["timestamp.json", "2.snapshot.json", "2.market-CN.json", "2.root.json"])
def test_metadata_without_end(world, name):
    with open(world.metadata / name, "ab") as f:
        f.truncate(1 << 32)  # sparse
    refuses(world, "ENDLESS")


def test_a_file_without_end(world):
    with open(Thief(world).target_file(POLICY, "market-CN"), "ab") as f:
        f.truncate(1 << 32)
    refuses(world, "ENDLESS")


def test_a_length_beyond_what_is_taken(world):
    def change(signed):
        signed["targets"][POLICY]["length"] = 1 << 40

    Thief(world).raise_role("market-CN", "cn", change)
    refuses(world, "ENDLESS")


# mix and match


def test_a_signed_snapshot_that_the_timestamp_does_not_name(world):
    thief = Thief(world)
    signed = thief.load("snapshot")
    signed["meta"]["market-CN.json"] = thief.meta("market-CN", 1)
    thief.store("snapshot", signed, ["snapshot"])  # same version, other bytes
    refuses(world, "MIX_AND_MATCH")


def test_a_signed_market_that_the_snapshot_does_not_name(world):
    thief = Thief(world)
    signed = thief.load("market-CN")
    signed["targets"].pop("markets/CN/packs/demo.json")
    thief.store("market-CN", signed, ["cn"])
    refuses(world, "MIX_AND_MATCH")


def test_a_version_that_is_not_the_named_one(world):
    thief = Thief(world)
    signed = thief.load("market-CN")
    thief.store("market-CN", signed, ["cn"], version=3)
    thief.raise_snapshot(market_CN={**thief.meta("market-CN", 3), "version": 3})
    refuses(world, "MIX_AND_MATCH")


def test_the_document_of_another_role(world):
    thief = Thief(world)
    shutil.copy(thief.name("snapshot"), thief.name("timestamp"))
    refuses(world, "FORMAT")


@pytest.mark.parametrize("name", ["2.snapshot.json", "2.market-CN.json"])
def test_a_named_document_that_is_not_there(world, name):
    (world.metadata / name).unlink()
    before = world.trusted()
    refused(world.update(), "MISSING")
    assert world.trusted() == before


def test_a_named_file_that_is_not_there(world):
    Thief(world).target_file(POLICY, "market-CN").unlink()
    refuses(world, "MISSING")


# the wrong role


@pytest.mark.parametrize(
    "role,key,path",
    [
        ("market-CN", "cn", "markets/US/policy.json"),
        ("market-CN", "cn", "keys.json"),
        ("market-CN", "cn", "markets/CN/a/b/c.json"),
        ("targets", "targets", POLICY),
    ],
)
def test_a_role_that_signs_what_is_not_its_own(world, role, key, path):
    thief = Thief(world)
    entry = thief.put_target(path, b'{"_type":"market-policy"}')
    thief.raise_role(role, key, lambda signed: signed["targets"].__setitem__(path, entry))
    refuses(world, "WRONG_ROLE")


def test_a_market_that_is_delegated_more_than_its_own(world):
    def change(signed):
        for role in signed["delegations"]["roles"]:
            role["paths"] = ["markets/*/*"]

    Thief(world).raise_role("targets", "targets", change)
    refuses(world, "WRONG_ROLE")


@pytest.mark.parametrize("path", ["../../etc/passwd", "markets/CN/../US/policy.json", "/etc/passwd", "markets//x"])
def test_a_path_that_leads_elsewhere(world, path):
    def change(signed):
        signed["targets"][path] = {"length": 1, "hashes": {"sha256": "0" * 64}}

    Thief(world).raise_role("market-CN", "cn", change)
    refuses(world, "FORMAT")


# keys below the threshold


def all_to_the_thief(world, thief):
    """The next root, in which one key may sign everything."""
    world.keygen("thief")
    signed = copy.deepcopy(thief.load("root"))
    signed["version"] += 1
    _, public, keyid = thief.key("thief")
    signed["keys"] = {keyid: public}
    signed["roles"] = {role: {"keyids": [keyid], "threshold": 1} for role in signed["roles"]}
    return signed


def test_one_root_key_of_the_two_that_are_needed(world):
    thief = Thief(world)
    thief.store("root", all_to_the_thief(world, thief), ["root1", "thief"])
    refuses(world, "SIGNATURES")


def test_a_root_signed_by_the_old_keys_and_not_by_its_own(world):
    thief = Thief(world)
    thief.store("root", all_to_the_thief(world, thief), ["root1", "root2"])
    refuses(world, "SIGNATURES")


def test_one_key_that_signs_twice(world):
    thief = Thief(world)
    signed = all_to_the_thief(world, thief)
    thief.store("root", signed, ["root1", "root1", "thief"])
    refuses(world, "FORMAT")


def test_one_key_that_signs_twice_under_two_names(world):
    thief = Thief(world)
    signed = all_to_the_thief(world, thief)
    thief.store("root", signed, ["root1", "thief"])
    path = thief.name("root")
    document = json.loads(path.read_text())
    again = {**document["signatures"][0], "keyid": document["signatures"][0]["keyid"].upper()}
    document["signatures"].append(again)
    path.write_text(json.dumps(document))
    refuses(world, "SIGNATURES")


def test_one_key_that_stands_in_a_root_under_two_names(world):
    thief = Thief(world)
    signed = all_to_the_thief(world, thief)
    (keyid, public), = signed["keys"].items()
    signed["keys"]["0" * 64] = public
    signed["roles"]["root"] = {"keyids": [keyid, "0" * 64], "threshold": 2}
    thief.store("root", signed, ["root1", "root2", "thief"])
    refuses(world, "FORMAT")


def test_a_demonstration_that_becomes_real(world):
    thief = Thief(world)
    signed = thief.load("root")
    signed["version"] += 1
    signed["x-tandem"] = {"demo": False}
    thief.store("root", signed, ["root1", "root2"])
    refuses(world, "DEMO")


# state


def test_a_state_that_was_edited_by_hand_is_not_opened(world, tandem):
    path = tandem.home / "state" / "policy.json"
    path.write_text(path.read_text().replace("DEMO-ACC-CN-0001", "DEMO-ACC-CN-9999"))
    assert world.run("show")[0] == 4
    assert world.update()[0] == 4


def test_a_second_root_is_not_installed(world):
    code, _, err = world.run("install", "--repo", world.repo, "--root", world.first_root)
    assert code == 1 and "installed once" in err


def test_a_bundle_of_one_market_updates_and_brings_no_other(world, tandem):
    bundle = world.path / "cn.json"
    world.done("bundle", "--repo", world.repo, "--market", "CN", "--out", bundle)
    (tandem.home / "state" / "policy.json").unlink()
    code, _, err = world.run("install", "--repo", bundle, "--root", world.first_root)
    assert code == 0, err
    assert sorted(world.trusted()["markets"]) == ["CN"]
    assert "markets/US/policy.json" not in world.trusted()["targets"]


@pytest.mark.parametrize("text", ["", "{}", '{"_type":"bundle","files":{"timestamp.json":1}}', "[" * 100000])
def test_what_is_no_bundle(world, text):
    bundle = world.path / "broken.json"
    bundle.write_text(text)
    refused(world.run("update", "--repo", bundle), "FORMAT")
