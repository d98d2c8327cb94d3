"""The one function that sends a user's bytes: where they may go, what is asked on the way, and what comes back.

Servers, certificates, proxies and the DNS server are not tandem's.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from partner_fixtures import (
    FINE, HAS_OPENSSL, HEAD, POST_ONCE, Authority, Dns, Server, answers, event, post, profile, says, stream, text_event,
    wait_until,
)

if not POST_ONCE.exists():
    pytest.skip(f"{POST_ONCE} is not built", allow_module_level=True)

needs_openssl = pytest.mark.skipif(not HAS_OPENSSL, reason="openssl's command is not here")
NAME = "api.partner.test"


@pytest.fixture
def server():
    made = []

    def make(script, context=None):
        made.append(Server(script, context))
        return made[-1]
    yield make
    for s in made:
        s.close()


@pytest.fixture
def dns():
    made = []

    def make(names=None, **more):
        made.append(Dns(names or {NAME: "127.0.0.1"}, **more))
        return made[-1]
    yield make
    for d in made:
        d.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "right")


@pytest.fixture(scope="module")
def leaf(authority):
    return authority.leaf(f"DNS:{NAME},IP:127.0.0.1")


# ---- where bytes go ----


@needs_openssl
def test_a_name_is_asked_of_the_given_dns_server_only_and_its_peer_is_noted(server, dns, authority, leaf):
    context, sha256, _ = leaf
    s, d = server(says(FINE), context), dns()
    r = post(profile(s.port, NAME, "https"), ca_pem=authority.pem, dns_server=d.address)
    assert (r.status, r.fault, r.text, r.finish) == ("OK", "fine", "Hello world", "stop")
    assert sorted(d.asked) == [(NAME, 1), (NAME, 28)]
    assert (r.peer, r.certificate) == (f"127.0.0.1:{s.port}", sha256)


@needs_openssl
def test_a_final_dot_leaves_neither_in_sni_nor_in_host(server, dns, authority, leaf):
    s, d = server(says(FINE), leaf[0]), dns()
    r = post(profile(s.port, NAME + ".", "https"), ca_pem=authority.pem, dns_server=d.address)
    assert r.status == "OK", r.sentence
    assert s.names == [NAME] and dict(s.requests[0].headers)["Host"] == f"{NAME}:{s.port}"


@needs_openssl
def test_a_server_that_never_answers_aaaa_costs_a_moment_only(server, dns, authority, leaf):
    s, d = server(says(FINE), leaf[0]), dns(aaaa=False)
    r = post(profile(s.port, NAME, "https"), ca_pem=authority.pem, dns_server=d.address)
    assert r.status == "OK" and r.ms < 1000


@needs_openssl
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not here")
def test_the_system_calls_show_no_other_destination(server, dns, authority, leaf, tmp_path):
    s, d = server(says(FINE), leaf[0]), dns()
    log = tmp_path / "strace"
    prefix = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg,openat,open", "-o", str(log)]
    r = post(profile(s.port, NAME, "https"), ca_pem=authority.pem, dns_server=d.address, prefix=prefix,
             env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert r.status == "OK", r.sentence
    text = log.read_text()
    address = r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
    places = set(re.findall(address, text))
    assert places == {(str(s.port), "127.0.0.1", ""), (d.address.split(":")[1], "127.0.0.1", "")}
    assert "sun_path" not in text
    assert not re.search(r'"/etc/(resolv\.conf|hosts|nsswitch\.conf)"|\.netrc|\.curlrc', text)


@pytest.mark.parametrize("more", [{"decision": ""}, {"market": "CN"}, {"market": ""}])
def test_no_byte_and_no_question_leaves_without_a_decision_of_the_market(server, dns, more):
    s, d = server(says(FINE)), dns()
    assert post(profile(s.port), dns_server=d.address, **more).status == "ERR_INVAL"
    r = post(profile(443, NAME, "https"), dns_server=d.address, **more)
    assert (r.status, r.bytes_sent) == ("ERR_INVAL", 0)
    assert s.n_connections == 0 and d.asked == []


@pytest.mark.parametrize("server_text", ["", "dns.example.com:53", "127.0.0.1", "127.0.0.1:0"])
def test_a_name_without_the_policys_dns_server_is_refused(server_text):
    assert post(profile(443, NAME, "https"), dns_server=server_text).status == "ERR_INVAL"


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1.", "localhost", "a.localhost.0x1",
                                  "-a.example.com", "a..example.com", "a_b.example.com"])
def test_what_two_programs_could_read_in_two_ways_is_no_host(dns, host):
    d = dns({host: "127.0.0.1"})
    assert post(profile(443, host, "https"), dns_server=d.address).status == "ERR_INVAL"
    assert d.asked == []


@needs_openssl
@pytest.mark.parametrize("trust", ["other_ca", "system", "other_pin", "other_name"])
def test_a_peer_that_is_not_the_profiles_gets_no_byte(server, authority, leaf, tmp_path, dns, trust):
    s = server(says(FINE), leaf[0])
    other = Authority(tmp_path, "other")
    ca = {"other_ca": other.pem, "system": None}.get(trust, authority.pem)
    endpoint = {"pin_sha256": "A" * 43 + "="} if trust == "other_pin" else {}
    ours = str(authority.folder / "right.pem")
    env = {"SSL_CERT_FILE": ours, "SSL_CERT_DIR": str(authority.folder), "CURL_CA_BUNDLE": ours}
    host = "evil.partner.test" if trust == "other_name" else NAME
    r = post(profile(s.port, host, "https", endpoint=endpoint), env=env, ca_pem=ca,
             dns_server=dns({host: "127.0.0.1"}).address)
    assert (r.status, r.fault, r.bytes_sent) == ("ERR_UPSTREAM", "unreachable", 0), r.sentence
    assert s.requests == []


@needs_openssl
def test_the_right_pin_with_the_right_ca_passes(server, authority, leaf):
    s = server(says(FINE), leaf[0])
    r = post(profile(s.port, scheme="https", endpoint={"pin_sha256": leaf[2]}), ca_pem=authority.pem)
    assert (r.status, r.text) == ("OK", "Hello world")


def old_tls(side):
    context = ssl.SSLContext(side)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


@needs_openssl
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_below_1_2_is_refused(server, authority, leaf):
    context, lenient = old_tls(ssl.PROTOCOL_TLS_SERVER), old_tls(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(authority.folder / "leaf.pem", authority.folder / "leaf.key")
    lenient.load_verify_locations(authority.folder / "right.pem")
    s = server(says(FINE), context)
    with socket.create_connection(("127.0.0.1", s.port)) as raw, lenient.wrap_socket(raw, server_hostname=NAME) as old:
        assert old.version() == "TLSv1.1"  # the server would
    r = post(profile(s.port, scheme="https"), ca_pem=authority.pem)
    assert r.fault == "unreachable" and s.requests == []


def test_a_redirect_is_not_followed(server):
    trap = server(says(FINE))
    for status in (301, 302, 307, 308):
        s = server(answers(status, b"", more=f"Location: http://127.0.0.1:{trap.port}/\r\n"))
        r = post(profile(s.port))
        assert (r.status, r.fault, r.pieces) == ("ERR_UPSTREAM", "not_api", [])
    assert trap.n_connections == 0


def test_the_environment_has_no_say(server, tmp_path):
    trap, s = server(says(FINE)), server(says(FINE))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    proxy = f"http://127.0.0.1:{trap.port}"
    env = {n: proxy for n in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}
    r = post(profile(s.port), env={**env, "no_proxy": "", "HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")})
    assert r.status == "OK" and trap.n_connections == 0
    assert "Authorization" not in dict(s.requests[0].headers)


def test_nothing_leaves_but_what_the_interface_needs(server):
    s = server(says(FINE, more="Set-Cookie: a=b\r\n"))
    r = post(profile(s.port), decision="0123456789abcdef0123456789abcdef", max_tokens=7)
    q = s.requests[0]
    assert q.line == "POST /v1/chat/completions HTTP/1.1"
    assert sorted(q.headers) == sorted([
        ("Host", f"127.0.0.1:{s.port}"), ("User-Agent", "tandem"), ("Content-Type", "application/json"),
        ("Accept", "text/event-stream, application/json"), ("Content-Length", str(len(q.body)))])
    assert json.loads(q.body) == {"model": "m-0", "messages": [{"role": "user", "content": "hi"}], "stream": True,
                                  "stream_options": {"include_usage": True}, "max_tokens": 7}
    assert r.bytes_sent == len(q.body)


# ---- keys ----


def test_a_key_comes_by_reference_and_is_seen_by_the_partner_only(server, tmp_path):
    s = server(answers(401, {"error": {"code": "invalid_api_key", "message": "wrong key sk-test-1234"}}))
    path = tmp_path / "key"
    path.write_text("sk-test-1234\n")
    path.chmod(0o600)
    for ref in (f"file:{path}", "env:TANDEM_TEST_KEY"):
        r = post(profile(s.port, auth="bearer", key_ref=ref), env={"TANDEM_TEST_KEY": "sk-test-1234"})
        assert dict(s.requests[-1].headers)["Authorization"] == "Bearer sk-test-1234"
        assert r.fault == "auth" and "sk-test" not in r.sentence


@pytest.mark.parametrize("case", ["others_may_read", "missing", "empty", "two_words", "no_variable", "a_folder"])
def test_a_key_that_is_not_kept_well_is_not_used(server, tmp_path, case):
    s = server(says(FINE))
    path = tmp_path / "key"
    if case == "a_folder":
        path.mkdir(mode=0o700)
    elif case != "missing":
        path.write_text({"empty": "", "two_words": "sk a"}.get(case, "sk-a"))
        path.chmod(0o640 if case == "others_may_read" else 0o600)
    ref = "env:TANDEM_NO_SUCH_KEY" if case == "no_variable" else f"file:{path}"
    r = post(profile(s.port, auth="bearer", key_ref=ref))
    assert r.fault == "auth" and s.n_connections == 0


# ---- what comes back ----


def test_an_answer_comes_with_its_facts(server):
    usage = event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 22}})
    s = server(says(stream(text_event(""), text_event("a", obfuscation="xyz"), b": keep-alive\n\n",
                           text_event("b", tandem_emulated=True), text_event(None, "length"), usage)))
    r = post(profile(s.port))
    assert (r.status, r.text, r.finish, r.model, r.emulated) == ("OK", "ab", "length", "m-1", True)
    assert (r.tokens_in, r.tokens_out) == (11, 22)


def test_a_plain_json_answer_is_an_answer_too_also_after_blank_lines(server):
    body = {"model": "m", "choices": [{"index": 0, "message": {"content": "plain"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    r = post(profile(server(answers(200, b"\n\n  \n" + json.dumps(body).encode())).port))
    assert (r.status, r.text, r.finish, r.tokens_out) == ("OK", "plain", "stop", 2)


def test_reasoning_is_not_text(server):
    thought = event({"choices": [{"index": 0, "delta": {"reasoning_content": "hm", "content": None}}]})
    r = post(profile(server(says(stream(thought, text_event("so", "stop")))).port))
    assert r.text == "so"


def test_characters_are_whole_however_the_bytes_are_cut(server):
    text = "naïve 你好 😀 \u2028 end"
    body = stream(text_event(text), text_event(text, "stop"))

    def script(conn, _request):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.sendall(HEAD.format("text/event-stream", "").encode())
        for i in range(len(body)):
            conn.sendall(body[i : i + 1])
            if i % 16 == 0:
                time.sleep(0.001)
    r = post(profile(server(script).port))
    assert (r.status, r.pieces) == ("OK", [text, text])


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
def test_every_kind_of_line_end_ends_a_line(server, end):
    parts = (b"\xef\xbb\xbfevent: x", b'data:{"choices":[{"delta":{"content":"a"}}]}', b"id: 7",
             b'data: {"choices":[{"delta":{"content":"b"},\rdata: "finish_reason":"stop"}]}', b"data: [DONE]")
    r = post(profile(server(says(end.encode().join(parts) + end.encode())).port))
    assert (r.status, r.text) == ("OK", "ab")


@pytest.mark.parametrize("finish,status,fault,name", [
    ("stop", "OK", "fine", "stop"), ("normal", "OK", "fine", "stop"), ("length", "OK", "fine", "length"),
    ("content_filter", "ERR_UPSTREAM", "refused", "content_filter"),
    ("sensitive", "ERR_UPSTREAM", "refused", "content_filter"),
    ("network_error", "ERR_UPSTREAM", "cut", "network_error"),
    ("insufficient_system_resource", "ERR_UPSTREAM", "cut", "insufficient_system_resource"),
    ("tool_calls", "ERR_UPSTREAM", "cut", "tool_calls"),
    ("something_new", "ERR_UPSTREAM", "cut", "something_new"),
])
def test_only_a_known_end_is_a_good_end(server, finish, status, fault, name):
    r = post(profile(server(says(stream(text_event("a"), text_event("", finish)))).port))
    assert (r.status, r.fault, r.finish, r.text) == (status, fault, name[:31], "a")


def test_a_profile_names_ends_and_errors_of_its_vendor(server):
    quirks = {"finish": {"fertig": "stop"}, "errors": {"E77": "quota"}}
    assert post(profile(server(says(stream(text_event("a", "fertig")))).port, quirks=quirks)).status == "OK"
    r = post(profile(server(answers(429, {"error": {"code": "E77"}})).port, quirks=quirks))
    assert r.fault == "quota"


@pytest.mark.parametrize("http,body,fault", [
    (400, {"error": {"code": "data_inspection_failed", "type": "data_inspection_failed"}}, "refused"),
    (400, {"code": "DataInspectionFailed", "message": "m", "request_id": "r"}, "refused"),
    (400, {"error": {"code": "x", "type": "unsafe_request"}}, "refused"),
    (451, {"error": {"code": "451001", "type": "content_filter_error"}}, "refused"),
    (429, {"error": {"code": "rate_limit_exceeded", "type": "requests"}}, "rate"),
    (429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, "quota"),
    (400, {"error": {"code": "Arrearage"}}, "quota"),
    (429, {"error": {"message": "something"}}, "rate"),
    (402, {"error": {"message": "Insufficient Balance"}}, "quota"),
    (401, {"error": {"code": "invalid_api_key", "type": "invalid_request_error"}}, "auth"),
    (403, {"error": {"code": "unsupported_country_region_territory", "type": "request_forbidden"}}, "territory"),
    (400, {"error": {"code": "context_length_exceeded", "type": "invalid_request_error"}}, "too_long"),
    (404, {"error": {"code": "model_not_found"}}, "bad_request"),
    (400, {"error": {"type": "invalid_request_error"}}, "bad_request"),
    (500, {"error": "boom"}, "server"),
    (503, b"upstream connect error", "server"),
    (200, {"error": {"code": "insufficient_quota"}}, "quota"),
    (200, {"error_code": 110, "error_msg": "m"}, "server"),
    (200, {"base_resp": {"status_code": 1026, "status_msg": "m"}, "choices": None}, "server"),
    (200, {"object": "list", "data": []}, "not_api"),
    (200, b"[1,2]", "not_api"),
    (200, b"{\"choices\":", "not_api"),
    (200, b"hello", "not_api"),
])
def test_errors_are_told_apart_by_code_type_and_status(server, http, body, fault):
    r = post(profile(server(answers(http, body)).port))
    assert (r.fault, r.pieces) == (fault, []), r.sentence
    assert r.sentence.startswith("openai: ")


def test_what_a_partner_says_in_an_error_is_not_repeated(server):
    s = server(answers(400, {"error": {"code": "bad\u001b[31mcode hi", "message": "your text 'hi there' is bad"}}))
    assert post(profile(s.port)).sentence == "openai: it answers with an error: status 400, code bad??31mcode?hi"


def test_retry_after_is_handed_on(server):
    assert post(profile(server(answers(429, {"error": {}}, more="Retry-After: 17\r\n")).port)).retry_after == 17
    assert post(profile(server(answers(429, {"error": {}})).port)).retry_after == -1


def test_an_error_in_the_middle_of_a_stream_ends_it(server):
    body = stream(text_event("half"), event({"error": {"code": "data_inspection_failed"}}), text_event("x", "stop"))
    r = post(profile(server(says(body)).port))
    assert (r.status, r.fault, r.text) == ("ERR_UPSTREAM", "refused", "half")


@pytest.mark.parametrize("body,fault,status", [
    (stream(text_event("half"), done=False), "cut", "ERR_UPSTREAM"),
    (stream(text_event("half")), "cut", "ERR_UPSTREAM"),
    (b"", "cut", "ERR_UPSTREAM"),
    (stream(text_event("all", "stop"), done=False), "fine", "OK"),
    (stream(text_event("all", "stop"), done=False).rstrip(), "fine", "OK"),
    (stream(text_event("half"))[:-40], "not_api", "ERR_UPSTREAM"),
])
def test_a_stream_is_whole_with_its_finish_and_not_otherwise(server, body, fault, status):
    r = post(profile(server(says(body)).port))
    assert (r.fault, r.status) == (fault, status), r.sentence


def test_a_connection_that_breaks_off_is_a_cut_not_an_end(server):
    def script(conn, _request):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = text_event("half")
        conn.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        time.sleep(0.1)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    r = post(profile(server(script).port))
    assert (r.fault, r.text) == ("cut", "half")


def test_a_partner_that_stays_after_done_does_not_hold_the_answer(server):
    def script(conn, _request):
        conn.sendall(HEAD.format("text/event-stream", "").encode() + FINE)
        time.sleep(3)
    r = post(profile(server(script).port))
    assert r.status == "OK" and r.ms < 1000


def test_a_portals_page_is_not_an_answer(server):
    page = b"<!DOCTYPE html><html>Sign in</html>"
    for content_type in ("text/html", "text/event-stream", "application/json"):
        r = post(profile(server(answers(200, page, content_type)).port))
        assert (r.status, r.fault, r.pieces) == ("ERR_UPSTREAM", "not_api", [])


def test_nobody_there_and_nobody_answering_are_unreachable(server):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert post(profile(port)).fault == "unreachable"
    assert post(profile(server(lambda conn, request: None).port)).fault == "unreachable"


# ---- bounds ----


def short(port, **limits):
    p = profile(port)
    p["timeouts"].update(limits)
    return p


def test_each_deadline_is_its_own(server, dns):
    def silent(_conn, _request):
        time.sleep(4)

    def drip(conn, _request):
        conn.sendall(HEAD.format("text/event-stream", "").encode() + text_event("a"))
        for _ in range(40):
            time.sleep(0.1)
            conn.sendall(b":\n")

    def stall(conn, _request):
        conn.sendall(HEAD.format("text/event-stream", "").encode() + text_event("a"))
        time.sleep(4)
    cases = [(short(server(silent).port, first_byte_ms=300), "no byte of an answer within 300 ms", 0.3),
             (short(server(stall).port, idle_ms=400), "nothing more of the answer within 400 ms", 0.4),
             (short(server(drip).port, idle_ms=400, total_ms=1500, first_byte_ms=400, connect_ms=400),
              "the answer did not end within 1500 ms", 1.5)]
    for p, sentence, seconds in cases:
        r = post(p)
        assert (r.status, r.fault) == ("ERR_TIMEOUT", "timeout") and sentence in r.sentence
        assert seconds * 1000 <= r.ms < seconds * 1000 + 150
    p = short(443, connect_ms=500)
    p["endpoint"].update(scheme="https", host=NAME)
    r = post(p, dns_server=dns(silent=True).address)
    assert r.fault == "unreachable" and 500 <= r.ms < 700


def test_cancelling_ends_a_call_within_100_ms_wherever_it_is(server, dns):
    def silent(_conn, _request):
        time.sleep(4)

    def drip(conn, _request):
        conn.sendall(HEAD.format("text/event-stream", "").encode())
        for _ in range(400):
            conn.sendall(text_event("a"))
            time.sleep(0.01)
    waiting = profile(443, NAME, "https")
    for p, d in ((profile(server(silent).port), ""), (profile(server(drip).port), ""),
                 (waiting, dns(silent=True).address)):
        r = post(p, cancel_after_ms=200, dns_server=d)
        assert (r.status, r.fault) == ("ERR_CANCELLED", "fine") and r.after_cancel_ms < 100


def test_a_prompt_of_1_mb_leaves_whole(server):
    s = server(says(FINE))
    text = "ü" * 500_000
    r = post(profile(s.port), messages=[{"role": "user", "content": text}])
    assert r.status == "OK" and json.loads(s.requests[0].body)["messages"][0]["content"] == text
    assert "Expect" not in dict(s.requests[0].headers)


def test_100000_tiny_events_are_read(server):
    body = stream(*[text_event("x")] * 100_000, text_event("", "stop"))
    begin = time.monotonic()
    r = post(profile(server(says(body)).port))
    assert (r.status, len(r.text)) == ("OK", 100_000) and time.monotonic() - begin < 10


def test_what_is_endless_is_ended(server):
    giant = b'data: {"choices":[{"delta":{"content":"' + b"x" * (3 << 20)
    comments = b": x\n\n" * (5 << 20)
    head = "".join(f"X-{i}: {'y' * 1000}\r\n" for i in range(80))
    for script in (says(giant), says(comments), says(b"{" + b" " * (20 << 20), "application/json"),
                   says(FINE, more=head)):
        r = post(profile(server(script).port))
        assert (r.status, r.fault, r.pieces) == ("ERR_LIMIT", "too_long", []), r.sentence


@pytest.mark.parametrize("body", [
    stream(event("{}"), event("[]"), text_event("a", "stop")),
    stream(event('{"choices":[{"index":0,"delta":{"content":"a","content":"b"}}]}')),
    stream(event('{"choices":[{"index":0,"delta":{"content":"\\ud800"}}]}')),
    stream(event('{"choices":' + "[" * 5000)),
    stream(b"data: \xff\xfe\n\n"),
    stream(event('{"choices":[{"index":0,"delta":{"content":["a"]}}]}')),
])
def test_malformed_events_end_the_answer_with_a_sentence(server, body):
    r = post(profile(server(says(body)).port))
    assert r.status != "OK" and r.fault == "not_api" and len(r.sentence) > 20


def test_a_call_leaves_no_connection_open(server):
    s = server(says(FINE))
    for _ in range(3):
        post(profile(s.port))
    assert s.n_connections == 3
    wait_until(lambda: len(s.requests) == 3)
    out = subprocess.run([POST_ONCE], input="{}", capture_output=True, text=True, env=os.environ, check=False)
    assert out.returncode == 2
