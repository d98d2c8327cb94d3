"""Random clients of a daemon: good ones, slow ones, ones that leave, and ones that do what no client should.

Everything that is drawn comes from one seed. Each kind of client knows which answers the rules allow it
(docs/formats/http-api.md) and raises Broken for any other; a 500 is never allowed, nor is silence. The clients speak
HTTP themselves, because libraries refuse to be as wrong as these must be.
"""
import asyncio
import collections
import json
import random
import socket
import struct
import urllib.parse

SECONDS_MAX = 180  # for one client's whole visit on a busy machine
WORDS = ("river stone lamp seven quickly under blue the of and 山 水 时间 café naïve 🙂 0.5 -- \\n \" <b> {% if %} "
         "<|im_start|> <|im_end|> user system zero").split()


class Broken(AssertionError):
    """An answer that the rules do not allow."""


Answer = collections.namedtuple("Answer", "status headers body")


class Wire:
    """One connection, and answers read from it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @staticmethod
    async def open(target, receive_bytes=None):
        s = socket.socket()
        s.setblocking(False)
        if receive_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(s, (target.host, target.port))
        reader, writer = await asyncio.open_connection(sock=s, limit=receive_bytes or 1 << 20)
        return Wire(reader, writer)

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self):
        """(status, headers), or None when the connection ends before a byte of it."""
        try:
            data = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as e:
            if e.partial:
                raise Broken(f"an answer's head is cut: {e.partial!r}") from e
            return None
        lines = data.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if line)}
        return int(lines[0].split()[1]), headers

    async def chunk(self):
        """The next piece of a chunked body; b"" is its end."""
        size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
        data = await self.reader.readexactly(size)
        if await self.reader.readexactly(2) != b"\r\n":
            raise Broken("a chunk does not end where it says")
        return data

    async def body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while piece := await self.chunk():
                parts.append(piece)
            return b"".join(parts)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def answer(self, head_only=False):
        """A whole answer, or None at the connection's end. What is cut in the middle is Broken."""
        got = await self.head()
        while got and got[0] == 100:
            got = await self.head()
        if got is None:
            return None
        status, headers = got
        try:
            return Answer(status, headers, b"" if head_only else await self.body(headers))
        except asyncio.IncompleteReadError as e:
            raise Broken(f"a body of a {status} is cut") from e

    def reset(self):
        """Closed with a reset instead of an end."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


class Target:
    """Where the daemon is, the owner's key, what it has built, and what a chat may be answered with."""

    def __init__(self, url, key="", verbs=(), candidates=False, changes=False):
        """changes: its rules change meanwhile, so that it may be off, or end an answer in the middle."""
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.key = parts.hostname, parts.port, key
        self.verbs, self.candidates, self.changes = tuple(verbs), candidates, changes
        self.chat = (200, 403, 409, 429, 503) if changes else (200, 429)
        self.authority = f"{self.host}:{self.port}"

    def request(self, method, path, body=None, headers=(), version="1.1"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/{version}"]
        names = {k.lower() for k, _ in headers}
        if "host" not in names:
            lines.append(f"Host: {self.authority}")
        if body is not None and "content-type" not in names:
            lines.append("Content-Type: application/json")
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(data)}")
        lines += [f"{k}: {v}" for k, v in headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    def owners(self):
        return (("Authorization", f"Bearer {self.key}"),)


def error_of(answer):
    """The error in an answer, in OpenAI's envelope."""
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError) as e:
        raise Broken(f"a {answer.status} without an error in JSON: {answer.body[:200]!r}") from e
    if not {"message", "type", "param", "code"} <= set(error) or not error["message"]:
        raise Broken(f"an error without its parts: {error}")
    return error


def expect(answer, *statuses):
    if answer is None:
        raise Broken(f"no answer where {statuses} were due")
    if answer.status not in statuses:
        raise Broken(f"{answer.status} where {statuses} were due: {answer.body[:300]!r}")
    if answer.status >= 400:
        error_of(answer)
    return answer


def events_of(body):
    """The data of server-sent events; comments are passed over."""
    return [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]


def check_whole(answer, n, max_tokens):
    got = json.loads(answer.body)
    if len(got["choices"]) != n or got["usage"]["completion_tokens"] > max_tokens * n:
        raise Broken(f"{len(got['choices'])} choices of {n}, {got['usage']}")
    if answer.headers.get("x-tandem-decision") != got["tandem"]["decision"]:
        raise Broken("the decision in the header is not the one in the body")
    return [c["message"]["content"] for c in got["choices"]]


def check_stream(answer, n, may_end_early=False):
    """The texts of the candidates of a stream that went to its end."""
    events = events_of(answer.body)
    if may_end_early and events and "error" in json.loads(events[-1] if events[-1] != "[DONE]" else "{}"):
        return []
    if not events or events[-1] != "[DONE]":
        raise Broken(f"a stream without its end: {events[-1:]}")
    texts, ends = [""] * n, collections.Counter()
    for event in map(json.loads, events[:-1]):
        if "error" in event:
            raise Broken(f"an error in a stream: {event['error']}")
        for c in event["choices"]:
            texts[c["index"]] += c["delta"].get("content") or ""
            ends[c["index"]] += c["finish_reason"] is not None
    if dict(ends) != {i: 1 for i in range(n)}:
        raise Broken(f"ends of {n} candidates: {dict(ends)}")
    return texts


class Client:
    """One visitor after the other, drawn from rng; each kind_NAME is one visit."""

    def __init__(self, target, rng, tally):
        self.target, self.rng, self.tally = target, rng, tally

    def note(self, kind, what, n=1):
        self.tally[kind, what] += n

    # ---- what is asked

    def text(self, n_max=24):
        return " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(1, n_max)))

    def chat(self, **more):
        messages = [{"role": "user", "content": self.text()}]
        if self.rng.random() < 0.3:
            messages = [{"role": "system", "content": self.text(6)}, *messages,
                        {"role": "assistant", "content": self.text(8)}, {"role": "user", "content": self.text(6)}]
        body = {"messages": messages, "max_tokens": self.rng.randint(1, 40),
                "temperature": self.rng.choice([0, 0, 0.7, 1.3])}
        if self.rng.random() < 0.2:
            body["stop"] = [self.rng.choice("aeiou"), "never-said"]
        if self.rng.random() < 0.2:
            body.update(top_p=0.9, top_k=40, seed=self.rng.randint(0, 1 << 60))
        return {**body, **more}

    def logprobs(self):
        """Long answers; refused where a market screens them."""
        return {} if self.target.changes else {"logprobs": True, "top_logprobs": self.rng.randint(0, 5)}

    def chat_bytes(self, headers=(), **more):
        return self.target.request("POST", "/v1/chat/completions", self.chat(**more), headers)

    async def once(self, data, head_only=False):
        """A connection for one request: its answer, or None."""
        wire = await Wire.open(self.target)
        try:
            await wire.send(data)
            return await wire.answer(head_only)
        finally:
            await wire.close()

    # ---- good ones

    async def kind_whole(self):
        n = self.rng.choice([1, 1, 2, 3]) if self.target.candidates else 1
        more = {"n": n} if n > 1 else {}
        if self.rng.random() < 0.2:
            more.update(self.logprobs())
        body = self.chat(**more)
        answer = expect(await self.once(self.target.request("POST", "/v1/chat/completions", body)), *self.target.chat)
        if answer.status == 200:
            check_whole(answer, n, body["max_tokens"])
        self.note("whole", answer.status)

    async def kind_stream(self):
        n = self.rng.choice([1, 1, 2]) if self.target.candidates else 1
        more = {"n": n} if n > 1 else {}
        if self.rng.random() < 0.5:
            more["stream_options"] = {"include_usage": True}
        answer = expect(await self.once(self.chat_bytes(stream=True, **more)), *self.target.chat)
        if answer.status == 200:
            check_stream(answer, n, self.target.changes)
        self.note("stream", answer.status)

    async def kind_slow_reader(self):
        """Takes a little at a time; comes to the end, or loses patience."""
        wire = await Wire.open(self.target, 2304)
        try:
            await wire.send(self.chat_bytes((("Connection", "close"),), stream=True, **self.logprobs()))
            got = await wire.head()
            if not got or got[0] not in self.target.chat:
                raise Broken(f"{got} where {self.target.chat} were due")
            for _ in range(self.rng.randint(1, 60)):
                if not await wire.reader.read(self.rng.randint(1, 400)):
                    break
                await asyncio.sleep(0.01)
            self.note("slow_reader", got[0])
        finally:
            await wire.close()

    async def kind_assistant(self):
        body = {"messages": [{"role": "user", "content": self.text()}], "max_tokens": self.rng.randint(1, 30)}
        answer = expect(await self.once(self.target.request("POST", "/v1/assistant", body)), *self.target.chat)
        if answer.status == 200:
            done = json.loads(events_of(answer.body)[-1])
            if done.get("state") not in ("answered", "offered", "off", "failed", "stopped", "cancelled"):
                raise Broken(f"an assistant's last word: {done}")
            self.note("assistant", done["state"])
        self.note("assistant", answer.status)

    async def kind_verb(self):
        if not self.target.verbs:
            return await self.kind_small()
        verb = self.rng.choice(self.target.verbs)
        many = [{"role": "user", "name": "Ann", "content": self.text()} for _ in range(self.rng.randint(1, 4))]
        body = {"messages": many} if verb in ("reply", "prioritise") else {"text": self.text(60)}
        answer = await self.once(self.target.request("POST", f"/v1/features/{verb}", body))
        expect(answer, 200, 400, 403, 422, 429, 501, 503)  # 503: no text passed the checks
        self.note("verb", answer.status)

    async def kind_small(self):
        path = self.rng.choice(["/", "/healthz", "/metrics", "/v1/models", "/v1/features", "/v1/device",
                                "/v1/filings"])
        method = self.rng.choice(["GET", "GET", "HEAD"])
        answer = await self.once(self.target.request(method, path), head_only=method == "HEAD")
        if answer is None or answer.status != 200:
            raise Broken(f"{method} {path}: {answer}")
        self.note("small", 200)

    async def kind_explain(self):
        body = {"feature": self.rng.choice(["chat", "assistant", "summarize", "nothing such"])}
        answer = await self.once(self.target.request("POST", "/v1/route/explain", body))
        self.note("explain", expect(answer, 200, 400).status)

    async def kind_keep_alive(self):
        wire = await Wire.open(self.target)
        try:
            for _ in range(self.rng.randint(2, 12)):
                if self.rng.random() < 0.4:
                    await wire.send(self.chat_bytes(stream=self.rng.random() < 0.5))
                    answer = expect(await wire.answer(), *self.target.chat)
                else:
                    await wire.send(self.target.request("GET", "/healthz"))
                    answer = expect(await wire.answer(), 200)
                self.note("keep_alive", answer.status)
                if answer.headers.get("connection") == "close" or b'data: {"error"' in answer.body:
                    break  # a stream whose rules changed ends with its connection, which no head could say before
                await asyncio.sleep(self.rng.random() * 0.02)
        finally:
            await wire.close()

    async def kind_trickle(self):
        """The request comes in small pieces, cut anywhere."""
        data = self.chat_bytes(max_tokens=4)
        wire = await Wire.open(self.target)
        try:
            while data:
                n = self.rng.randint(1, 90)
                await wire.send(data[:n])
                data = data[n:]
                await asyncio.sleep(0.003)
            self.note("trickle", expect(await wire.answer(), *self.target.chat).status)
        finally:
            await wire.close()

    async def kind_chunked(self):
        """The body in chunks of any size."""
        body = json.dumps(self.chat(max_tokens=3)).encode()
        data = self.target.request("POST", "/v1/chat/completions", b"", (("Transfer-Encoding", "chunked"),))
        while body:
            n = self.rng.randint(1, 50)
            data += b"%x\r\n%s\r\n" % (len(body[:n]), body[:n])
            body = body[n:]
        self.note("chunked", expect(await self.once(data + b"0\r\n\r\n"), *self.target.chat).status)

    async def kind_old(self):
        """HTTP/1.0: the end of the connection is the end of the answer."""
        data = self.target.request("POST", "/v1/chat/completions", self.chat(stream=True), version="1.0")
        answer = expect(await self.once(data), *self.target.chat)
        if answer.status == 200:
            check_stream(answer, 1, self.target.changes)
        self.note("old", answer.status)

    async def kind_pipelined(self):
        """Several requests sent at once are answered in order, on one connection."""
        kinds = [self.rng.choice(["/healthz", "/v1/models", "/nowhere", "chat"]) for _ in range(self.rng.randint(2, 8))]
        data = b"".join(self.chat_bytes(max_tokens=2) if k == "chat" else self.target.request("GET", k) for k in kinds)
        wire = await Wire.open(self.target)
        try:
            await wire.send(data)
            for k in kinds:
                wanted = self.target.chat if k == "chat" else (404,) if k == "/nowhere" else (200,)
                answer = expect(await wire.answer(), *wanted)
                self.note("pipelined", answer.status)
                if answer.headers.get("connection") == "close":
                    break  # a refusal at the head ends the connection
        finally:
            await wire.close()

    # ---- ones that leave

    async def kind_gone_at_once(self):
        wire = await Wire.open(self.target)
        await wire.send(self.chat_bytes(stream=self.rng.random() < 0.5, max_tokens=200))
        await asyncio.sleep(self.rng.random() * 0.05)
        await wire.close()
        self.note("gone_at_once", "left")

    async def leave_in_the_stream(self, kind, leave):
        wire = await Wire.open(self.target)
        try:
            await wire.send(self.chat_bytes(stream=True, max_tokens=400))
            got = await wire.head()
            if not got or got[0] not in self.target.chat:
                raise Broken(f"{got} where {self.target.chat} were due")
            if got[0] == 200:
                await wire.reader.read(self.rng.randint(1, 2000))
            leave(wire)
            self.note(kind, got[0])
        finally:
            await wire.close()

    async def kind_gone_in_the_stream(self):
        await self.leave_in_the_stream("gone_in_the_stream", lambda wire: None)

    async def kind_reset_in_the_stream(self):
        await self.leave_in_the_stream("reset_in_the_stream", Wire.reset)

    async def kind_half_close(self):
        """Its sending side is shut: taken as leaving unless the answer was already there."""
        wire = await Wire.open(self.target)
        try:
            await wire.send(self.chat_bytes(max_tokens=30) if self.rng.random() < 0.5
                            else self.target.request("GET", "/healthz"))
            wire.writer.write_eof()
            answer = await wire.answer()
            if answer:
                expect(answer, *self.target.chat)
            self.note("half_close", answer.status if answer else "cut")
        finally:
            await wire.close()

    async def kind_half_request(self):
        data = self.chat_bytes()
        wire = await Wire.open(self.target)
        await wire.send(data[:self.rng.randrange(1, len(data) - 1)])
        await asyncio.sleep(self.rng.random() * 0.1)
        await wire.close()
        self.note("half_request", "left")

    async def kind_stalled(self):
        """Sends the beginning of a head and no more: told so, or closed, when its time is over."""
        wire = await Wire.open(self.target)
        try:
            await wire.send(b"GET /healthz HTTP/1.1\r\nHo")
            answer = await wire.answer()
            self.note("stalled", expect(answer, 408).status if answer else "closed")
        finally:
            await wire.close()

    # ---- ones that are wrong

    def bad_requests(self):
        """(bytes, statuses that the rules allow)"""
        t, h = self.target, f"Host: {self.target.authority}\r\n"
        post = f"POST /v1/chat/completions HTTP/1.1\r\n{h}Content-Type: application/json\r\n"
        noise = bytes(self.rng.randrange(256) for _ in range(self.rng.randint(1, 300)))
        return [
            ("GET / HTTP/1.1\r\n\r\n", [400]), (f"GET / HTTP/1.1\r\n{h}{h}\r\n", [400]),
            (f"GET  /  HTTP/1.1\r\n{h}\r\n", [400]), (f"GET / HTTP/2.0\r\n{h}\r\n", [400, 505]),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400, 505]), (f"GET / HTTP/1.1\n{h}\n", [400]),
            (f"GET /{'a' * 3000} HTTP/1.1\r\n{h}\r\n", [414]),
            (f"GET / HTTP/1.1\r\n{h}X: {'y' * 20000}\r\n\r\n", [431]),
            (f"GET / HTTP/1.1\r\n{h}" + "X: y\r\n" * 80 + "\r\n", [431]),
            (f"BREW / HTTP/1.1\r\n{h}\r\n", [400, 405, 501]), (f"CONNECT a:1 HTTP/1.1\r\n{h}\r\n", [400, 405]),
            (f"OPTIONS * HTTP/1.1\r\n{h}\r\n", [400, 404, 405]), (f"GET / HTTP/1.1\r\n{h} folded: a\r\n\r\n", [400]),
            (f"GET / HTTP/1.1\r\n{h}X : y\r\n\r\n", [400]), (f"GET / HTTP/1.1\r\n{h}X: \x01\r\n\r\n", [400]),
            (f"GET / HTTP/1.1\r\n{h}Content-Length: 3\r\n\r\nabc", [400]),
            (f"{post}Content-Length: -1\r\n\r\n", [400]), (f"{post}Content-Length: 99999999999999999999\r\n\r\n",
                                                           [400, 413]),
            (f"{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}", [400]),
            (f"{post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{{}}", [400]),
            (f"{post}Transfer-Encoding: gzip\r\n\r\n", [400, 501]),
            (f"{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n", [400]),
            (f"{post}Expect: miracles\r\nContent-Length: 2\r\n\r\n{{}}", [417]),
            (f"{post}Content-Length: 2000000\r\n\r\n", [413]),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise, [400]),
            (noise.replace(b"\n", b".") + b" / \r\n\r\n", [400, 405, 414, 431, 501, 505]),
            (t.request("GET", "/") + b"\x00\x01\x02\r\n\r\n", [200]),
        ]

    async def kind_bad_http(self):
        data, statuses = self.rng.choice(self.bad_requests())
        data = data if isinstance(data, bytes) else data.encode("latin-1")
        wire = await Wire.open(self.target)
        try:
            await wire.send(data)
            try:
                answer = expect(await wire.answer(), *statuses)
            except Broken as e:
                raise Broken(f"{data[:200]!r}: {e}") from e
            if statuses != [200]:
                if answer.headers.get("connection") != "close" or await wire.reader.read() != b"":
                    raise Broken(f"the connection goes on after a {answer.status}")
            self.note("bad_http", answer.status)
        finally:
            await wire.close()

    async def kind_bad_body(self):
        good = json.dumps(self.chat()).encode()
        body = self.rng.choice([
            b"", b"{", b"[]", b"null", b"nan", good[:-1], good + b"x", good.replace(b"{", b"{,", 1), b"\xff\xfe",
            b'{"messages":' + b"[" * 100 + b"]" * 100 + b"}", b'{"a":' * 2000, b"[" * 60000, good[:self.rng.randrange(
                1, len(good))], json.dumps(self.chat(unknown=1)).encode(), json.dumps(self.chat(top_p=2)).encode(),
            json.dumps(self.chat(messages=[])).encode(), json.dumps(self.chat(max_tokens=-1)).encode(),
            b'{"messages":[{"role":"user","content":"\\ud800"}]}', json.dumps(self.chat(tools=[{}])).encode(),
            json.dumps(self.chat(messages=[{"role": "user", "content": "word " * 9000}])).encode()])
        path = self.rng.choice(["/v1/chat/completions", "/v1/chat/completions", "/v1/assistant", "/v1/route/explain"])
        answer = await self.once(self.target.request("POST", path, body))
        if path == "/v1/assistant" and answer and answer.status == 200 and len(body) > 9000:
            last = json.loads(events_of(answer.body)[-1])  # too long is an event there
            if last.get("state") != "failed":
                raise Broken(f"a question that is too long: {last}")
        else:  # off comes before too long
            expect(answer, 400, *((403, 503) if self.target.changes else ()))
        self.note("bad_body", answer.status)

    async def kind_oversize(self):
        """More bytes than a body may have, in chunks, so that no length tells it before."""
        wire = await Wire.open(self.target)
        try:
            await wire.send(self.target.request("POST", "/v1/chat/completions", b"",
                                                (("Transfer-Encoding", "chunked"),)))
            try:
                for _ in range(40):
                    await wire.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
            except OSError:
                pass  # it has stopped listening; what it said may be lost with the reset
            try:
                answer = await wire.answer()
            except OSError:
                answer = None
            self.note("oversize", expect(answer, 413).status if answer else "cut")
        finally:
            await wire.close()

    async def kind_stranger(self):
        """Requests that this daemon must not take from anybody."""
        h = self.rng.choice([(("Host", "elsewhere.example"), (421,)), (("Host", self.target.authority + "9"), (421,)),
                             (("Origin", "http://elsewhere.example"), (403,)), (("Origin", "null"), (403,)),
                             (("Sec-Fetch-Site", "cross-site"), (403,)), (("Content-Type", "text/plain"), (415,)),
                             (("Content-Encoding", "gzip"), (415,))])
        path = self.rng.choice(["/v1/chat/completions", "/v1/assistant"])
        answer = await self.once(self.target.request("POST", path, self.chat(), (h[0],)))
        self.note("stranger", expect(answer, *h[1]).status)

    async def kind_lost(self):
        method, path, statuses = self.rng.choice([
            ("GET", "/nowhere", (404,)), ("GET", "/v1/../etc/passwd", (404,)), ("GET", "/%2e%2e/", (404,)),
            ("POST", "/", (405,)), ("GET", "/v1/chat/completions", (405,)), ("DELETE", "/v1/models", (405,)),
            ("PUT", "/v1/policy", (405,)), ("GET", "/v1/models/another", (404,)), ("POST", "/v1/embeddings", (404,))])
        answer = await self.once(self.target.request(method, path, {} if method in ("POST", "PUT") else None))
        self.note("lost", expect(answer, *statuses).status)

    async def kind_thief(self):
        """What is the owner's, with a key that is none."""
        key = self.rng.choice([(), (("Authorization", "Bearer " + "0" * 64),), (("Authorization", "Basic eDp5"),),
                               (("Authorization", "Bearer "),)])
        method, path = self.rng.choice([("GET", "/v1/consents"), ("POST", "/v1/consents"), ("POST", "/v1/network"),
                                        ("POST", "/v1/policy"), ("POST", "/v1/owner/link"),
                                        ("POST", "/v1/receipts/erase"), ("GET", "/v1/decisions/" + "0" * 32)])
        answer = await self.once(self.target.request(method, path, {} if method == "POST" else None, key))
        self.note("thief", expect(answer, 401).status)

    async def kind_owner(self):
        """The owner's own doings, right and wrong."""
        method, path, body, statuses = self.rng.choice([
            ("GET", "/v1/consents", None, (200,)), ("GET", "/v1/receipts", None, (200,)),
            ("POST", "/v1/network", {"off": True}, (200,)), ("POST", "/v1/network", {"off": False}, (200,)),
            ("POST", "/v1/network", {"off": 3}, (400,)), ("POST", "/v1/owner/link", {}, (200,)),
            ("POST", "/v1/consents", {"partner": "nobody", "feature": "assistant", "mode": "always"},
             (200, 400, 404, 409)),
            ("POST", "/v1/policy", {"no": "bundle"}, (409, 422)), ("POST", "/v1/filings", {"no": "case"}, (409, 422)),
            ("GET", "/v1/decisions/" + "0" * 32, None, (404,)), ("POST", "/v1/owner/session", {"link": "no"}, (403,)),
            ("POST", "/v1/receipts/erase", {"id": "no"}, (200, 400, 404))])
        answer = await self.once(self.target.request(method, path, body, self.target.owners()))
        self.note("owner", expect(answer, *statuses).status)

    async def kind_flood(self):
        """Sends far more ahead than is kept while its answer is due: answered in part, then cut."""
        wire = await Wire.open(self.target)
        try:
            await wire.send(self.chat_bytes(stream=True, max_tokens=100) + self.target.request("GET", "/healthz") * 400)
            n = 0
            while (answer := await wire.answer()) and n < 500:
                expect(answer, *self.target.chat)
                n += 1
            self.note("flood", f"cut after {'some' if n else 'none'}")
        except (OSError, Broken) as e:
            if isinstance(e, Broken) and "cut" not in str(e):
                raise
            self.note("flood", "cut")
        finally:
            await wire.close()


KINDS = {"whole": 14, "stream": 14, "slow_reader": 4, "assistant": 5, "verb": 3, "small": 8, "explain": 2,
         "keep_alive": 5, "trickle": 3, "chunked": 3, "old": 2, "pipelined": 4, "gone_at_once": 5,
         "gone_in_the_stream": 7, "reset_in_the_stream": 4, "half_close": 3, "half_request": 3, "stalled": 0.2,
         "bad_http": 9, "bad_body": 8, "oversize": 1, "stranger": 4, "lost": 3, "thief": 2, "owner": 4, "flood": 1}


async def _client(target, seed, tally, budget, kinds, pause_s):
    rng = random.Random(seed)
    client = Client(target, rng, tally)
    names, weights = list(kinds), list(kinds.values())
    await asyncio.sleep(rng.random() * 0.2)
    while budget[0] > 0:
        budget[0] -= 1
        kind = rng.choices(names, weights)[0]
        begun = f"client {seed}, kind {kind}"
        try:
            await asyncio.wait_for(getattr(client, "kind_" + kind)(), SECONDS_MAX)
        except asyncio.TimeoutError as e:
            raise Broken(f"{begun}: no end after {SECONDS_MAX} s") from e
        except (OSError, Broken, ValueError, KeyError, asyncio.IncompleteReadError) as e:
            raise Broken(f"{begun}: {type(e).__name__}: {e}") from e
        await asyncio.sleep(rng.expovariate(1 / pause_s) if pause_s else 0)


def run(target, seed, n_clients, n_requests, kinds=None, pause_s=0.0):
    """The tally {(kind, status or word): how often}. The first thing that the rules do not allow is raised."""
    tally, budget = collections.Counter(), [n_requests]

    async def everybody():
        tasks = [asyncio.ensure_future(_client(target, f"{seed}-{i}", tally, budget, kinds or KINDS, pause_s))
                 for i in range(n_clients)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        budget[0] = 0
        if any(t.exception() for t in done):
            for t in pending:
                t.cancel()
        elif pending:
            await asyncio.wait(pending)
        await asyncio.gather(*tasks, return_exceptions=True)
        for t in tasks:
            if not t.cancelled() and t.exception():
                raise t.exception()

    asyncio.run(everybody())
    return tally


def table(tally):
    """The tally as lines, a kind each."""
    kinds = collections.defaultdict(list)
    for (kind, what), n in sorted(tally.items(), key=str):
        kinds[kind].append(f"{what}: {n}")
    return "\n".join(f"{kind:20} {', '.join(rows)}" for kind, rows in sorted(kinds.items()))
