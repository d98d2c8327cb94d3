"""TLS of the daemon: what test_api.py holds over TCP holds over TLS, and what an operator gets wrong is refused."""
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time

import pytest

import api_fixtures
import tls_fixtures
from api_fixtures import FAKE, Daemon, fake_daemon, read_response
from test_api import *  # noqa: F403  the tests themselves, over TLS by the fixture below
from test_api import chat, raw_chat

if not FAKE.exists():
    pytest.skip(f"{FAKE} is not built", allow_module_level=True)

# What they are about has nothing to do with the connection, or is different over TLS and tested below.
for name in ("test_two_daemons_on_one_port", "test_only_loopback_addresses_are_taken",
             "test_serve_refuses_in_one_sentence", "test_it_answers_before_the_model_is_there",
             "test_a_file_that_is_no_model_fails_in_healthz_and_the_daemon_stays",
             "test_too_many_connections_are_turned_away_and_then_served", "test_our_own_page_may_ask"):
    assert globals().pop(name)


@pytest.fixture(scope="module", autouse=True)
def pair(tmp_path_factory):
    api_fixtures.TLS = tls_fixtures.Pair(tmp_path_factory.mktemp("tls"))
    yield api_fixtures.TLS
    api_fixtures.TLS = None


def start(*settings):
    """Exit code and stderr of a daemon that must not start."""
    r = subprocess.run([FAKE, "127.0.0.1:0", *map(str, settings)], capture_output=True, text=True, timeout=20)
    return r.returncode, r.stderr


def openssl(daemon, *args, text=b""):
    r = subprocess.run(["openssl", "s_client", "-connect", f"{daemon.host}:{daemon.port}", *map(str, args)],
                       input=text, capture_output=True, timeout=20)
    return r.stdout.decode(errors="replace") + r.stderr.decode(errors="replace")


# ---- protocol ----

@pytest.mark.parametrize("version,name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken(daemon, version, name):
    said = openssl(daemon, version)
    assert f"New, {name}" in said or f"Protocol  : {name}" in said, said


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_are_not(daemon, version):
    said = openssl(daemon, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said and "BEGIN CERTIFICATE" not in said


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "aNULL", "RC4",
                                     "3DES"])
def test_no_cipher_without_forward_secrecy_or_authentication(daemon, ciphers):
    said = openssl(daemon, "-tls1_2", "-cipher", f"{ciphers}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said or "no cipher match" in said, said


def test_the_newest_version_is_taken_and_http_1_1_is_agreed_on(daemon):
    context = daemon.context
    context.set_alpn_protocols(["h2", "http/1.1"])
    with context.wrap_socket(socket.create_connection((daemon.host, daemon.port)), server_hostname="localhost") as s:
        assert s.version() == "TLSv1.3" and s.selected_alpn_protocol() == "http/1.1"
        assert not s.session or not s.session.has_ticket


def test_a_client_that_speaks_only_another_protocol_is_told_so(daemon, pair):
    context = pair.client()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        context.wrap_socket(socket.create_connection((daemon.host, daemon.port)), server_hostname="localhost")


def test_renegotiation_is_refused(daemon):
    said = openssl(daemon, "-tls1_2", text=b"R\n")
    assert "Secure Renegotiation" in said and "RENEGOTIATING" in said
    assert "no renegotiation" in said or "alert" in said or "error" in said


def test_curl_takes_the_certificate_and_gets_a_stream(daemon, pair):
    r = subprocess.run(["curl", "-sS", "--fail", "--cacert", pair.authority_path,
                        "-H", "Content-Type: application/json",
                        "-d", json.dumps(chat("one two", stream=True)), daemon.url + "/v1/chat/completions"],
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 0 and r.stderr == "" and r.stdout.rstrip().endswith("data: [DONE]")


def test_the_client_sees_a_certificate_of_others_and_leaves(daemon, tmp_path):
    other = tls_fixtures.Pair(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        other.client().wrap_socket(socket.create_connection((daemon.host, daemon.port)), server_hostname="localhost")
    daemon.wait_health("state", "ready")


def test_session_keys_are_written_nowhere(tmp_path, pair):
    log = tmp_path / "keys"
    process_env = {**os.environ, "SSLKEYLOGFILE": str(log)}
    d = subprocess.Popen([FAKE, "127.0.0.1:0", *pair.settings()], env=process_env, stderr=subprocess.PIPE, text=True)
    try:
        port = int(d.stderr.readline().split(":")[-1].split(",")[0])
        with pair.client().wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_response(s)[0] in (200, 503)
    finally:
        d.terminate()
        assert d.wait(10) == 0
        d.stderr.close()
    assert not log.exists()


# ---- connections ----

def test_a_whole_answer_ends_with_close_notify(daemon):
    with daemon.connect() as s:
        s.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert read_response(s)[0] == 200
        assert s.recv(1) == b""  # an end without close_notify would raise: suppress_ragged_eofs is off below
    raw = socket.create_connection((daemon.host, daemon.port))
    with daemon.context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_response(s)[0] == 200
        assert s.recv(1) == b""


def test_a_handshake_that_does_not_come_is_cut():
    with fake_daemon("head_timeout=300ms") as d:
        for text in (b"", b"\x16\x03\x01\x02\x00\x01"):
            with socket.create_connection((d.host, d.port), timeout=5) as s:
                s.sendall(text)
                begin = time.monotonic()
                assert s.recv(100) == b""
                assert 0.2 < time.monotonic() - begin < 2
        assert d.metric("tandem_tls_handshakes_failed_total") >= 0
        assert d.metric("tandem_connections") == 1  # the one that asks


@pytest.mark.parametrize("text", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\0" * 100,
                                  b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"SSH-2.0-x\r\n",
                                  b"\x15\x03\x03\x00\x02\x02\x28"])
def test_what_is_no_tls_gets_no_http(daemon, text):
    with socket.create_connection((daemon.host, daemon.port), timeout=5) as s:
        with contextlib.suppress(OSError):
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(OSError):
            while piece := s.recv(4096):
                got += piece
        assert b"HTTP/" not in got
    assert daemon.metric("tandem_tls_handshakes_failed_total") > 0


def test_too_many_connections_are_turned_away_and_then_served_over_tls():
    with fake_daemon("connections=8") as d:
        held = [d.connect() for _ in range(8)]
        with pytest.raises((ssl.SSLError, OSError)):
            d.connect()
        for s in held:
            s.close()
        time.sleep(0.3)
        assert d.post(chat("a"))[0] == 200
        assert d.metric("tandem_connections_turned_away_total") == 1


def test_our_own_page_may_ask_over_https_only(daemon):
    for scheme, status in (("https", 200), ("http", 403)):
        origin = f"{scheme}://127.0.0.1:{daemon.port}"
        assert daemon.post(chat("x"), headers={"Origin": origin})[0] == status


def test_many_connections_one_after_the_other_leave_nothing_behind(daemon):
    def look():
        return [daemon.metric(n) for n in ("process_open_fds", "tandem_heap_blocks")]

    def ask(n):
        for _ in range(n):
            c = http.client.HTTPSConnection("localhost", daemon.port, context=daemon.context)
            c.request("GET", "/healthz")
            assert c.getresponse().read()
            c.close()
    ask(20)
    before = look()
    ask(200)
    assert look() == before


# ---- what an operator gets wrong ----

def test_a_key_that_others_may_read_is_refused(pair, tmp_path):
    for mode in (0o640, 0o604, 0o644, 0o620):
        key = tls_fixtures.write(tmp_path / "k.pem", tls_fixtures.key_pem(pair.key), mode)
        code, said = start(f"tls_cert={pair.cert_path}", f"tls_key={key}")
        assert code == 1 and said.count("\n") == 1 and str(key) in said and f"{mode:04o}" in said, said


def cases(pair, folder):
    """(certificate bytes, key bytes, what the sentence says)"""
    day, key = tls_fixtures.DAY, pair.key
    cert, text = tls_fixtures.pem(pair.chain), tls_fixtures.key_pem(key)
    other = tls_fixtures.make_key()
    small = tls_fixtures.make_key("1024")
    yield cert, tls_fixtures.key_pem(other), "does not belong to the key"
    yield tls_fixtures.pem(tls_fixtures.make_cert(key, begin=-3 * day, end=-day)), text, "has expired at"
    yield tls_fixtures.pem(tls_fixtures.make_cert(key, begin=day, end=2 * day)), text, "valid only from"
    yield cert, tls_fixtures.key_pem(key, b"secret"), "is encrypted"
    yield cert, b"", "no private key in PEM"
    yield cert, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM"
    yield cert, cert, "no private key in PEM"
    yield b"", text, "no certificate in PEM"
    yield text, text, "no certificate in PEM"
    yield cert[: len(cert) // 2], text, "no certificate in PEM"
    yield cert + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", text, "malformed certificate"
    yield cert * 12, text, "too many"
    yield b"x" * 300000, text, "cannot be read"
    yield cert, b"x" * 300000, "cannot be read"
    yield tls_fixtures.pem(tls_fixtures.make_cert(small)), tls_fixtures.key_pem(small), "is not taken"


def test_a_pair_that_is_none_is_refused_with_its_reason(pair, tmp_path):
    for cert, key, says in cases(pair, tmp_path):
        a, b = tls_fixtures.write(tmp_path / "c", cert), tls_fixtures.write(tmp_path / "k", key)
        code, said = start(f"tls_cert={a}", f"tls_key={b}")
        assert code == 1 and said.count("\n") == 1 and says in said, (says, said)


def test_files_that_are_none_are_refused(pair, tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for cert, key in ((tmp_path / "none", pair.key_path), (pair.cert_path, tmp_path / "none"),
                      (tmp_path, pair.key_path), (pair.cert_path, tmp_path), (pair.cert_path, tmp_path / "pipe")):
        code, said = start(f"tls_cert={cert}", f"tls_key={key}")
        assert code == 1 and said.count("\n") == 1 and "cannot be read" in said, said


def test_one_of_the_two_is_not_enough(pair):
    assert "without --tls-key" in start(f"tls_cert={pair.cert_path}")[1]
    assert "without --tls-cert" in start(f"tls_key={pair.key_path}")[1]


# ---- a new certificate while it runs ----

def test_a_reload_takes_the_new_certificate_and_keeps_the_old_one_when_it_is_bad(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    first = tls_fixtures.Pair(folder)
    api_fixtures.TLS, before = first, api_fixtures.TLS
    try:
        d = Daemon([FAKE, "127.0.0.1:0", "word_ms=20"])
        d.wait_ready()
        stream = d.connect()
        stream.sendall(raw_chat(d, chat("word " * 60, stream=True)))
        stream.recv(1)

        def serial():
            with d.connect() as s:
                return int(s.getpeercert()["serialNumber"], 16)

        def reload():
            count = d.text().count(" reload ")
            d.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 5
            while d.text().count(" reload ") == count:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return d.text().splitlines()[-1]

        assert serial() == first.chain.serial_number
        tls_fixtures.write(first.key_path, tls_fixtures.key_pem(tls_fixtures.make_key()))
        assert "nothing has changed" in (line := reload()) and "does not belong" in line
        assert serial() == first.chain.serial_number
        second = tls_fixtures.Pair(folder)
        assert "read anew" in reload()
        d.context = second.client()
        assert serial() == second.chain.serial_number != first.chain.serial_number
        text = b""
        while piece := stream.recv(65536):  # the answer that was under way, under the old certificate
            text += piece
            if b"[DONE]" in text:
                break
        assert b"[DONE]" in text
        stream.close()
        assert d.metric("tandem_reloads_total") == 1 and d.metric("tandem_reloads_failed_total") == 1
        assert d.stop() == 0
    finally:
        api_fixtures.TLS = before
