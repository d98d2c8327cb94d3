"""What the egress tests stand on: a server that answers as told, a certificate authority, a DNS server, one call.

The server is sockets and ssl of Python's library, the certificates are openssl's, so nothing of tandem judges itself.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
POST_ONCE = BUILD / "tests/harness/post_once"

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n{}\r\n"


def event(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return b"data: " + text.encode() + b"\n\n"


def text_event(text, finish=None, **more):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event({"model": "m-1", "choices": [choice], **more})


def stream(*events, done=True):
    """A whole answer in events."""
    return b"".join(events) + (event("[DONE]") if done else b"")


FINE = stream(text_event("Hello"), text_event(" world", "stop"))


class Request:
    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
    length = int({k.lower(): v for k, v in headers}.get("content-length", 0))
    while len(body) < length:
        piece = conn.recv(65536)
        if not piece:
            return None
        body += piece
    return Request(lines[0], headers, body)


class Server:
    """Answers each request by script(conn, request); counts what came."""

    def __init__(self, script, context=None):
        self.script, self.context = script, context
        self.requests, self.n_connections, self.names = [], 0, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        if context:
            context.sni_callback = lambda s, name, c: self.names.append(name)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn = self.socket.accept()[0]
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError), conn:
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            request = read_request(conn)
            if request:
                self.requests.append(request)
                self.script(conn, request)
                conn.close()

    def close(self):
        self.socket.close()


def says(body, content_type="text/event-stream", more=""):
    """A script: this body, whole."""
    def script(conn, _request):
        conn.sendall(HEAD.format(content_type, more).encode() + body)
    return script


def answers(status, body, content_type="application/json", more=""):
    """A script: this status."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def script(conn, _request):
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{more}Content-Length: {len(data)}\r\n\r\n"
        conn.sendall(head.encode() + data)
    return script


class Dns:
    """Answers A questions for its names on a UDP port of its own; keeps the questions."""

    def __init__(self, names, silent=False, aaaa=True):
        self.names, self.silent, self.aaaa, self.asked = names, silent, aaaa, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1 : at + 1 + data[at]].decode())
                at += 1 + data[at]
            kind = struct.unpack(">H", data[at + 1 : at + 3])[0]
            name, question = ".".join(labels), data[12 : at + 5]
            self.asked.append((name.lower(), kind))
            address = self.names.get(name.lower())
            if self.silent or (kind == 28 and not self.aaaa):
                continue
            has = address and kind == 1
            head = data[:2] + struct.pack(">HHHHH", 0x8180 if address else 0x8183, 1, 1 if has else 0, 0, 0)
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if has else b""
            with contextlib.suppress(OSError):
                self.socket.sendto(head + question + record, peer)

    def close(self):
        self.socket.close()


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate authority of its own, by openssl's command."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.run("req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out",
                 f"{name}.pem")
        self.pem = (folder / f"{name}.pem").read_text()

    def run(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def leaf(self, names):
        """(context, SHA-256 of the certificate, pin of its key) for these names."""
        self.run("req", *NEW_KEY, "-subj", "/CN=leaf", "-addext", f"subjectAltName={names}", "-keyout", "leaf.key",
                 "-out", "leaf.csr")
        self.run("x509", "-req", "-in", "leaf.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key", "-days",
                 "2", "-copy_extensions", "copy", "-out", "leaf.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "leaf.pem", self.folder / "leaf.key")
        der = ssl.PEM_cert_to_DER_cert((self.folder / "leaf.pem").read_text())
        self.run("pkey", "-in", "leaf.key", "-pubout", "-outform", "DER", "-out", "leaf.pub")
        self.run("dgst", "-sha256", "-binary", "-out", "leaf.dgst", "leaf.pub")
        self.run("base64", "-in", "leaf.dgst", "-out", "leaf.pin")
        return context, hashlib.sha256(der).hexdigest(), (self.folder / "leaf.pin").read_text().strip()


HAS_OPENSSL = shutil.which("openssl") is not None


def profile(port, host="127.0.0.1", scheme="http", **more):
    endpoint = {"scheme": scheme, "host": host, "port": port, "path": "/v1/chat/completions"}
    endpoint.update(more.pop("endpoint", {}))
    return {"_type": "partner-profile", "partner": "openai", "markets": ["US"], "name": {"en": "P", "zh": "P"},
            "legal_entity": "P Inc.", "region": "a test", "dialect": "openai", "endpoint": endpoint, "auth": "none",
            "model": "m-0", "timeouts": {"connect_ms": 3000, "first_byte_ms": 3000, "idle_ms": 2000, "total_ms": 20000},
            **more}


class Outcome:
    def __init__(self, value):
        self.__dict__.update(value)
        self.text = "".join(self.pieces)


def post(the_profile, env=None, prefix=(), **more):
    """One tdm__partner_chat; what came of it."""
    call = {"profile": the_profile, "messages": [{"role": "user", "content": "hi"}], **more}
    r = subprocess.run([*prefix, POST_ONCE], input=json.dumps(call, ensure_ascii=False), capture_output=True, text=True,
                       env={**os.environ, **(env or {})}, timeout=60, check=False)
    assert r.returncode == 0, r.stderr
    assert r.stderr == ""
    return Outcome(json.loads(r.stdout))


def wait_until(condition, seconds=3):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
