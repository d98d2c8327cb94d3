"""What prompts began with, over restarts: of the daemon, of tandem chat, and whose it is."""
import concurrent.futures
import json
import os
import subprocess
import time
import urllib.request

import pytest

from api_fixtures import TANDEM, Daemon, weights

SMOL = weights("smollm2-135m")
if not TANDEM.exists() or not SMOL:
    pytest.skip("needs build/tandem and the SmolLM2 weights (TANDEM_MODELS)", allow_module_level=True)

TEXT = " ".join(f"In the year {1700 + i} the harbour had {i * 7 % 90} ships." for i in range(24))
PAGE = 16


class Home:
    def __init__(self, path):
        self.path, self.prefix = path, path / "cache" / "prefix"

    def serve(self, *options):
        d = Daemon([TANDEM, "serve", "-m", SMOL, "--home", self.path, "--listen", "127.0.0.1:0", "-c", "1024",
                    "--parallel", "2", *options])
        return d.wait_ready()

    def chat(self, text, *options):
        r = subprocess.run([TANDEM, "chat", "-m", SMOL, "--home", self.path, "-c", "1024", "--json", "--temp", "0",
                            "--seed", "1", "-n", "12", "-p", text, *options], capture_output=True, text=True,
                           timeout=120)
        assert r.returncode == 0, r.stderr
        return json.loads(r.stdout), r.stderr

    def app(self, name):
        r = subprocess.run([TANDEM, "app", "add", name, "--home", self.path], capture_output=True, text=True,
                           timeout=20)
        assert r.returncode == 0, r.stderr
        return self.key(name)

    def key(self, name):
        return {"Authorization": "Bearer " + (self.path / "state" / "apps" / f"{name}.key").read_text().strip()}

    def pages(self):
        return sorted(self.prefix.glob("*.page")) if self.prefix.exists() else []


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def ask(daemon, text, headers=None):
    """(text of the answer, tokens of the prompt, of these known)"""
    status, _, body = daemon.post({"messages": [{"role": "user", "content": text}], "max_tokens": 12, "temperature": 0},
                                  headers=headers)
    assert status == 200, body
    t = body["tandem"]["timings"]
    return body["choices"][0]["message"]["content"], t["prompt_tokens"], t["prompt_reused"]


def ask_once(home, text, headers=None, options=()):
    d = home.serve(*options)
    try:
        return ask(d, text, headers)
    finally:
        assert d.stop() == 0


def known(n_prompt):
    """Of a prompt that was read before: all whole pages, but for the last token."""
    return min(n_prompt // PAGE * PAGE, n_prompt - 1)


def test_the_daemon_knows_a_prompt_after_a_restart(home):
    first = ask_once(home, TEXT)
    assert first[2] == 0 and len(home.pages()) == first[1] // PAGE > 10
    again = ask_once(home, TEXT)
    assert again == (first[0], first[1], known(first[1]))
    longer = ask_once(home, TEXT + " How many?")
    assert longer[2] > first[1] - 2 * PAGE
    assert longer[0] == ask_once(home, TEXT + " How many?", options=("--prefix", "off"))[0]
    assert home.prefix.stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in home.pages())


def test_chat_knows_a_prompt_after_a_restart(home):
    first, said = home.chat(TEXT)
    assert first["timings"]["reused_tokens"] == 0 and "computed again" not in said
    again, _ = home.chat(TEXT)
    assert again["timings"]["reused_tokens"] == known(again["timings"]["prompt_tokens"])
    fields = [k for k in first if k not in ("timings", "decision")]
    assert {k: first[k] for k in fields} == {k: again[k] for k in fields}


def test_another_app_is_not_served_from_it(home):
    mail, notes = home.app("mail"), home.app("notes")
    options = ("--keys-required",)
    text, n, reused = ask_once(home, TEXT, mail, options)
    assert reused == 0
    assert ask_once(home, TEXT, notes, options) == (text, n, 0)
    assert ask_once(home, TEXT, mail, options) == (text, n, known(n))
    assert ask_once(home, TEXT, notes, options) == (text, n, known(n))  # its own by now


def test_a_damaged_page_is_computed_again(home):
    first = ask_once(home, TEXT)
    page = next(p for p in home.pages() if p.name.endswith("-00003.page"))
    damaged = bytearray(page.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    page.write_bytes(damaged)
    d = home.serve()
    assert ask(d, TEXT) == (first[0], first[1], 3 * PAGE)
    assert d.metric("tandem_prefix_pages_dropped_total") == 1
    assert d.stop() == 0
    assert page.read_bytes() != damaged
    assert ask_once(home, TEXT) == (first[0], first[1], known(first[1]))


def test_a_cache_that_cannot_be_written_is_told_and_does_without(home):
    home.path.joinpath("cache").mkdir()
    home.prefix.write_text("a file where the folder is to be")
    d = home.serve()
    first = ask(d, TEXT)
    assert d.text().count("computed again after a restart") == 1
    assert d.stop() == 0
    assert ask_once(home, TEXT) == (first[0], first[1], 0)


def test_a_folder_for_packed_weights_that_is_too_long_is_told_and_done_without(home, monkeypatch):
    monkeypatch.setenv("TANDEM_PACKED", "/tmp/" + "x" * 5000)
    d = home.serve("--prefix", "off")
    assert d.text().count("packed in memory") == 1 and "is too long" in d.text()
    assert ask(d, "hello")[1] > 0
    assert d.stop() == 0


def test_a_kill_in_the_middle_does_no_harm(home):
    first = ask_once(home, TEXT, options=("--prefix", "off"))
    for i in range(3):
        d = home.serve()
        urllib.request.urlopen(urllib.request.Request(
            d.url + "/v1/chat/completions", headers={"Content-Type": "application/json"},
            data=json.dumps({"messages": [{"role": "user", "content": TEXT}], "max_tokens": 1}).encode())).read()
        d.process.kill()
        d.process.wait()
        d.log.close()
    assert ask_once(home, TEXT)[:2] == first[:2]


def test_the_owner_erases_it(home):
    d = home.serve()
    ask(d, TEXT)
    owner = {"Authorization": "Bearer " + (home.path / "state" / "owner.key").read_text().strip()}
    status, _, body = d.post({"all": True}, path="/v1/receipts/erase", headers=owner)
    assert status == 200, body
    assert home.pages() == [] and os.listdir(home.prefix) == []
    assert d.stop() == 0
    assert ask_once(home, TEXT)[2] == 0


def test_the_owner_erases_it_without_a_model(home, tmp_path):
    ask_once(home, TEXT)
    left = home.prefix / (home.pages()[0].name + ".AbCdEf")
    left.write_bytes(b"half a page")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    d = Daemon([TANDEM, "serve", "-m", broken, "--home", home.path, "--listen", "127.0.0.1:0"])
    d.wait_state("failed", 60)
    owner = {"Authorization": "Bearer " + (home.path / "state" / "owner.key").read_text().strip()}
    status, _, body = d.post({"all": True}, path="/v1/receipts/erase", headers=owner)
    assert status == 200, body
    assert os.listdir(home.prefix) == []
    assert d.stop() == 0


def test_what_is_erased_while_it_is_read_is_not_stored(home):
    d = home.serve()
    owner = {"Authorization": "Bearer " + (home.path / "state" / "owner.key").read_text().strip()}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, d, TEXT)
        deadline = time.monotonic() + 60
        while not asked.done() and d.metric("tandem_running") == 0 and time.monotonic() < deadline:
            time.sleep(0.005)
        status, _, body = d.post({"all": True}, path="/v1/receipts/erase", headers=owner)
        assert status == 200, body
        asked.result()
    assert d.stop() == 0
    assert home.pages() == []


def test_an_app_that_is_removed_and_added_again_is_another(home):
    options = ("--keys-required",)
    mail = home.app("mail")
    text, n, reused = ask_once(home, TEXT, mail, options)
    assert reused == 0
    subprocess.run([TANDEM, "app", "remove", "mail", "--home", home.path], check=True, timeout=20, capture_output=True)
    assert home.app("mail") != mail
    assert ask_once(home, TEXT, home.key("mail"), options) == (text, n, 0)
    assert ask_once(home, TEXT, home.key("mail"), options) == (text, n, known(n))


def test_nothing_is_kept_where_nothing_is_to_be(home):
    ask_once(home, TEXT, options=("--prefix", "off"))
    home.chat(TEXT, "--prefix", "off")
    assert not home.prefix.exists()
    ask_once(home, TEXT)
    assert home.pages() != []
    ask_once(home, TEXT, options=("--prefix", "public"))  # a chat has nothing that is public, and nothing else stays
    assert home.pages() == []
