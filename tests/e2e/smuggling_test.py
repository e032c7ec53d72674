#!/usr/bin/python3
"""Request smuggling: no pod sees a request that the client did not frame.

Each row of the tables is what an attacker writes, and the requests that a pod may see of it. Pods log what they see. /smuggled is never
one of the requests, and what a pod sees of the next client is that client's request and no other."""

import contextlib
import re
import socket
import time

import frames
import http_pods
import scripted
from scripted import inside
from support import LabTest, layout, main, process, service

PORT = 6400
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: v\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(*fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1", host: bytes = b"Host: v\r\n") -> bytes:
    return b"POST /a " + version + b"\r\n" + host + b"".join(fields) + b"\r\n" + body


def length(n: object) -> bytes:
    return b"Content-Length: " + (n if isinstance(n, bytes) else str(n).encode()) + b"\r\n"


def chunks(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


IN_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
GET_A = b"GET /a HTTP/1.1\r\nHost: v\r\n"
A, GET = {"POST /a"}, {"GET /a"}
KEY = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

# Nothing of these reaches a pod.
REFUSED = {
    "CL.TE": post(length(6), CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "TE.CL": post(CHUNKED, length(4), body=b"5c\r\n" + SMUGGLED + b"0\r\n\r\n"),
    "TE.TE": post(CHUNKED, b"Transfer-Encoding: cow\r\n", length(4), body=IN_CHUNK),
    "two equal codings": post(CHUNKED, CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    **{f"coding {value!r}": post(b"Transfer-Encoding: " + value + b"\r\n", body=b"0\r\n\r\n" + SMUGGLED)
       for value in (b"xchunked", b"chunked, identity", b"identity", b"gzip, chunked", b'"chunked"', b"chunked;a=b", b"\x0bchunked",
                     b"chunked\x00", b"chunked,", b",chunked", b"", b"chunked chunked")},
    **{f"coding's name {name!r}": post(name + b" chunked\r\n", length(5), body=b"0\r\n\r\n" + SMUGGLED)
       for name in (b"Transfer-Encoding :", b"Transfer-Encoding\t:", b" Transfer-Encoding:", b"Transfer-Encoding\x00:",
                    b"X: y\nTransfer-Encoding:", b"X: y\rTransfer-Encoding:", b"Transfer-Encoding\r\n :", b"Transfer\xadEncoding:",
                    b"Transfer-Encoding", b"Transfer Encoding:", b"Transfer-Encoding\x0b:")},
    "coding in HTTP/1.0": post(CHUNKED, version=b"HTTP/1.0", body=b"0\r\n\r\n" + SMUGGLED),
    **{f"length {value!r}": post(length(value), body=SMUGGLED)
       for value in (b"+5", b"-1", b"0x5", b"5 5", b"5,5", b"5, 6", b"5\x0b", b"", b"\xb2", b"1e1", b"99999999999999999999", b"5;", b"5.0")},
    "two lengths": post(length(0), length(len(SMUGGLED)), body=SMUGGLED),
    "two equal lengths": post(length(5), length(5), body=b"hello" + SMUGGLED),
    "a length behind a blank": post(b" " + length(5), body=b"hello" + SMUGGLED),
    "a length with a blank in front of its colon": post(b"Content-Length : 5\r\n", body=b"hello" + SMUGGLED),
    "a length behind a bare LF": post(b"X: y\n" + length(5), body=b"hello" + SMUGGLED),
    "a head that ends in bare LFs": b"GET /a HTTP/1.1\nHost: v\n\n" + SMUGGLED,
    "a head that ends in LF LF": GET_A[:-2] + b"\n\n" + SMUGGLED,
    "a folded field": GET_A + b"X: y\r\n z\r\n\r\n",
    "HTTP/0.9": b"GET /smuggled\r\n\r\n",
    "two versions": b"GET /smuggled HTTP/1.1 HTTP/1.1\r\nHost: v\r\n\r\n",
    "a blank in the target": b"GET /a /smuggled HTTP/1.1\r\nHost: v\r\n\r\n",
    "tabs in the request line": b"GET\t/smuggled\tHTTP/1.1\r\nHost: v\r\n\r\n",
    "a request line of blanks": b" GET /smuggled HTTP/1.1\r\nHost: v\r\n\r\n",
    "a CR in the target": b"GET /a\rX HTTP/1.1\r\nHost: v\r\n\r\n",
    "a NUL in the target": b"GET /a\x00 HTTP/1.1\r\nHost: v\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: v\r\n\r\n",
    **{f"version {version!r}": b"GET /smuggled " + version + b"\r\nHost: v\r\n\r\n"
       for version in (b"http/1.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/2.0", b"HTTP/1.", b"HTTP/1,1", b"ICY/1.1")},
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: v\r\nHost: w\r\n\r\n",
    "no Host": b"GET /a HTTP/1.1\r\n\r\n",
    **{f"Host {host!r}": b"GET /a HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" for host in (b"v w", b"v/a", b"u@v", b"v#", b"v?x", b"v\x01", b"v\\")},
    "an absolute target with userinfo": b"GET http://u@v/a HTTP/1.1\r\nHost: v\r\n\r\n",
    "a target of another scheme": b"GET gopher://v/a HTTP/1.1\r\nHost: v\r\n\r\n",
    "a request line of 20 KB": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: v\r\n\r\n" + SMUGGLED,
    "a field of 20 KB": GET_A + b"X: " + b"a" * 20_000 + b"\r\n\r\n" + SMUGGLED,
    "a thousand fields": GET_A + b"X: y\r\n" * 1000 + b"\r\n" + SMUGGLED,
    "CONNECT": b"CONNECT v:80 HTTP/1.1\r\nHost: v:80\r\n\r\n" + SMUGGLED,
}

# The request is one, and a body that cannot be read ends it.
BROKEN_BODIES = {f"chunk {body[:24]!r}": chunks(body + SMUGGLED + b"\r\n0\r\n\r\n") for body in (
    b"0x5\r\n", b"+5\r\n", b"-5\r\n", b" 5\r\n", b"5 \r\n", b"\t5\r\n", b"5\n", b"5\r", b"5\r\r\n", b"g\r\n", b"\r\n", b"5;a\n", b"5;a=\"\n\"\r\n",
    b"5;a=\"\r\n\"\r\n", b"5;\x00\r\n", b"ffffffffffffffff\r\n", b"10000000000000005\r\n", b"5,5\r\n", b"5\x00\r\n", b"5 5\r\n",
    b"5\r\nhelloX", b"5\r\nhello\n", b"5\r\nhello\r", b"5\r\nhello", b"0\r\nX\r\n", b"0\n\n", b"0\r\n\n", b"0\r\nX: y\n\r\n",
    b"0\r\n: y\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\nX\x00: y\r\n\r\n", b"0\r\nContent-Length: 9\r\nContent-Length: 9\r\n\r\n",
    b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n", b"5;" + b"a" * 5_000 + b"\r\n")}

# Requests that a pod sees, as often as the client framed them.
FRAMED = {
    "a body that looks like a request": (post(length(len(SMUGGLED)), body=SMUGGLED), A),
    "the same of GET": (GET_A + length(len(SMUGGLED)) + b"\r\n" + SMUGGLED, GET),
    "the same in a chunk": (chunks(IN_CHUNK), A),
    "a tab in front of the coding": (post(b"Transfer-Encoding:\tchunked\r\n", body=IN_CHUNK), A),
    "a length with leading zeros": (post(length(b"000%d" % len(SMUGGLED)), body=SMUGGLED), A),
    "a chunk size with leading zeros": (chunks(b"00000%x\r\n%s\r\n00\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), A),
    "a chunk's extension": (chunks(b"%x;a=\"b;c\"\r\n%s\r\n0;d\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), A),
    "names that CGI takes for others": (post(b"Transfer_Encoding: chunked\r\nContent_Length: 0\r\n", length(len(SMUGGLED)), body=SMUGGLED), A),
    "options of Connection that frame": (post(b"Connection: content-length, transfer-encoding, host\r\n", length(len(SMUGGLED)), body=SMUGGLED), A),
    "the coding among the options": (post(b"Connection: transfer-encoding\r\n", CHUNKED, body=IN_CHUNK), A),
    "an absolute target that is not Host's": (b"GET http://w/a HTTP/1.1\r\nHost: v\r\n\r\n", GET),
    "an upgrade to h2c": (GET_A + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", GET),
    "an upgrade that the pod refuses": (GET_A + KEY + b"\r\n" + SMUGGLED, GET),
    "an upgrade with a length": (GET_A + KEY + length(len(SMUGGLED)) + b"\r\n" + SMUGGLED, GET),
    "an upgrade of POST": (post(KEY, length(len(SMUGGLED)), body=SMUGGLED), A),
    "an expectation, and the body at once": (post(b"Expect: 100-continue\r\n", length(len(SMUGGLED)), body=SMUGGLED), A),
    "an expectation that nobody knows": (post(b"Expect: 200-ok\r\n", length(len(SMUGGLED)), body=SMUGGLED), A),
    "two expectations": (post(b"Expect: 100-continue\r\nExpect: 100-continue\r\n", CHUNKED, body=IN_CHUNK), A),
    "an expectation without a body": (GET_A + b"Expect: 100-continue\r\n\r\n", GET),
    "trailers that frame": (chunks(b"0\r\nTransfer-Encoding: chunked\r\nHost: w\r\nConnection: close\r\n\r\n"), A),
    "a trailer with a length": (chunks(b"0\r\nContent-Length: 99\r\n\r\n"), A),
    "HTTP/1.0 that is kept": (post(b"Connection: keep-alive\r\n", length(len(SMUGGLED)), version=b"HTTP/1.0", body=SMUGGLED), A),
    "a method override": (post(b"X-HTTP-Method-Override: GET\r\n", length(len(SMUGGLED)), body=SMUGGLED), A),
}

# Of HTTP/2: fields, body, trailers.
H2 = (("Host", "v"),)
HTTP_2 = {
    "H2.TE": ((("transfer-encoding", "chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "H2.CL, too short": ((("content-length", "0"),), SMUGGLED),
    "H2.CL, too long": ((("content-length", "200"),), SMUGGLED),
    "H2.CL, twice": ((("content-length", "5"), ("content-length", "5")), b"hello"),
    "H2.CL, signed": ((("content-length", "+5"),), b"hello"),
    "a CRLF in a value": ((("x", "y\r\nTransfer-Encoding: chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "an LF in a value": ((("x", "y\ntransfer-encoding: chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "a request in a value": ((("x", "y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: v"),), b""),
    "a CRLF in a name": ((("x: y\r\ntransfer-encoding", "chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "a colon in a name": ((("transfer-encoding: chunked\r\nx", "y"),), b"0\r\n\r\n" + SMUGGLED),
    "a blank behind a name": ((("transfer-encoding ", "chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "a name in upper case": ((("Transfer-Encoding", "chunked"),), b"0\r\n\r\n" + SMUGGLED),
    "a field of this hop": ((("connection", "content-length"),), b"hello"),
    "an upgrade": ((("upgrade", "h2c"),), b""),
    "a request in :path": (((":path", "/a HTTP/1.1\r\nHost: v\r\n\r\nGET /smuggled"),), b""),
    "a blank in :path": (((":path", "/a HTTP/1.1 /smuggled"),), b""),
    "a request in :method": (((":method", "GET /smuggled HTTP/1.1\r\nHost: v\r\n\r\nGET"),), b""),
    "a request in :authority": (((":authority", "v\r\n\r\nGET /smuggled HTTP/1.1\r\nX: y"),), b""),
    "a Host that is not :authority": ((("host", "w"),), b""),
    "a control character in a value": ((("x", "y\x0btransfer-encoding: chunked"),), b""),
    "DEL in a value": ((("x", "y\x7f"),), b""),
    **{f"{authority!r} as :authority": (((":authority", authority),), b"")
       for authority in ("v:x", "v:80:80", "[::1", "[v]", "v%", "v%zz", "v, w", "u@v", "v/smuggled")},
    **{f"{host!r} as Host alone": (((":authority", None), ("host", host)), b"") for host in ("v/smuggled", "v w", "v:x", "[::1", "u@v")},
    "a CRLF in a cookie": ((("cookie", "a=b\r\n\r\nGET /smuggled HTTP/1.1"),), b""),
}


class Smuggling(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.servers = {kind.name: cls.enterClassContext(kind()) for kind in (http_pods.Nginx, http_pods.Apache, http_pods.Node)
                       if kind.installed()}
        cls.ports = {name: PORT + number for number, name in enumerate(cls.servers)}
        cls.seen = dict.fromkeys(cls.servers, 0)
        cls.probes = 0
        cls("setUpClass").reload("".join(service(name, cls.ports[name], server.endpoint, keys='protocol = "http1"', protocol="http")
                                         for name, server in cls.servers.items()))

    def requests(self, name: str) -> list:
        """What the pod has logged, as method and target."""
        log = self.servers[name].requests
        return [" ".join(line.split()[:2]) for line in log.read_text(errors="replace").splitlines() if line] if log.exists() else []

    def write(self, name: str, text: bytes) -> bytes:
        """All that comes back: until the end, or until a quarter of a second has brought nothing more."""
        heard = b""
        with inside(layout.CLIENT_NAMESPACE), socket.create_connection((layout.VIP, self.ports[name]), timeout=10) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(text)
                client.settimeout(10)
                heard = client.recv(65_536)
                client.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    while piece := client.recv(65_536):
                        heard += piece
        return heard

    def expect(self, name: str, allowed: set) -> None:
        """Since the last time the pod saw the requests that are allowed, once each at most, and then ours."""
        self.probes += 1
        probe = f"GET /probe-{self.probes}"
        heard = self.write(name, f"{probe} HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n".encode())
        self.assertRegex(heard, rb"^HTTP/1.1 404 ", "the next client gets its own answer")
        self.assertTrue(process.wait_until(lambda: probe in self.requests(name), 10), "the pod sees the next client's request")
        new = self.requests(name)[self.seen[name]:]
        self.seen[name] += len(new)
        # On a busy machine a kept connection's answer may be lost with the connection: the GET is repeated (RFC 9110, 9.2.2).
        new = [one for one in new if one != probe]
        for one in allowed:
            if one in new:
                new.remove(one)
        self.assertEqual(new, [], "requests that no client framed")

    def each(self, rows: dict, check) -> None:
        for name in self.servers:
            for what, row in rows.items():
                with self.subTest(f"{name}: {what}"):
                    check(name, row)

    def test_what_two_readers_may_frame_differently_reaches_no_pod(self) -> None:
        def check(name: str, text: bytes) -> None:
            heard = self.write(name, text)
            self.assertRegex(heard, rb"^HTTP/1.1 (400|414|431|501|505) ")
            self.assertEqual(heard.count(b"HTTP/1.1 "), 1)
            self.expect(name, set())
        self.each(REFUSED, check)

    def test_a_body_that_cannot_be_read_ends_its_request_and_the_connection(self) -> None:
        def check(name: str, text: bytes) -> None:
            self.assertLessEqual(self.write(name, text).count(b"HTTP/1.1 "), 1)
            self.expect(name, A)
        self.each(BROKEN_BODIES, check)

    def test_bodies_and_tunnels_hide_no_requests(self) -> None:
        def check(name: str, row: tuple) -> None:
            text, allowed = row
            heard = self.write(name, text)
            self.assertLessEqual(len(re.findall(rb"HTTP/1.1 [2-5]", heard)), 1, heard)
            self.expect(name, allowed)
        self.each(FRAMED, check)

    def test_http_2_forges_no_request_of_http_1_1(self) -> None:
        def check(name: str, row: tuple) -> None:
            fields, body = row
            pseudo = {":method": "POST", ":scheme": "http", ":authority": "v", ":path": "/a"}
            pseudo.update((key, value) for key, value in fields if key.startswith(":"))
            regular = [field for field in fields if not field[0].startswith(":")]
            present = [(key, value) for key, value in pseudo.items() if value is not None]
            with scripted.Client(port=self.ports[name]) as client:
                with contextlib.suppress(frames.Ended):
                    stream = client.request(frames.block(*present, *regular), body)
                    answer = client.answer(stream)
                    self.assertIsNotNone(answer.reset, answer)
            self.expect(name, A)
        self.each(HTTP_2, check)

    def test_a_path_of_http_2_is_the_same_path_for_pods_of_http_1_1(self) -> None:
        for name in self.servers:
            for path, written in (("/a\x85HTTP/1.0", "/a%85HTTP/1.0"), ("/a\xa0b", "/a%A0b"), ("/\xff", "/%FF")):
                with self.subTest(f"{name}: {path!r}"), scripted.Client(port=self.ports[name]) as client:
                    stream = client.request(frames.block((":method", "GET"), (":scheme", "http"), (":authority", "v"), (":path", path)))
                    self.assertEqual(client.answer(stream).how, "http 404")
                self.expect(name, {f"GET {written}"})

    def test_an_authority_that_no_host_can_carry_is_refused(self) -> None:
        for name in self.servers:
            for authority in ("a:80:90", "[", "%zz"):
                with self.subTest(f"{name}: {authority!r}"), scripted.Client(port=self.ports[name]) as client:
                    stream = client.request(frames.block((":method", "POST"), (":scheme", "http"), (":authority", authority), (":path", "/a"),
                                                         ("content-type", "application/grpc")))
                    self.assertIn("3", client.answer(stream).how)

    def test_a_request_that_names_no_host_is_none_that_a_pod_refuses(self) -> None:
        def check(name: str, text: bytes) -> None:
            self.assertRegex(self.write(name, text), rb"^HTTP/1.1 404 ")
            self.expect(name, GET)
        self.each({"HTTP/1.0": b"GET /a HTTP/1.0\r\n\r\n", "an empty Host": b"GET /a HTTP/1.1\r\nHost:\r\n\r\n"}, check)
        for name in self.servers:
            with self.subTest(f"{name}: HTTP/2"), scripted.Client(port=self.ports[name]) as client:
                stream = client.request(frames.block((":method", "GET"), (":scheme", "http"), (":path", "/a")))
                self.assertEqual(client.answer(stream).how, "http 404")
            self.expect(name, GET)


if __name__ == "__main__":
    main()
