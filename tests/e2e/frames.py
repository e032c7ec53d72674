"""HTTP/2 as frames in and frames out, for pods and clients that misbehave: each takes some twenty lines (scripted.py has both).

Frames that go out are bytes, made by functions without a state (`headers`, `data`, `goaway`, ...): join, cut and forge them at will.
Frames that come in are decoded, HPACK included. A peer keeps to the protocol where it is not told otherwise: it acknowledges SETTINGS
and PING and gives back the windows of DATA, but only while it reads. `acknowledges=False`, `credits=False` and another `hello` change
that.

A client, and what becomes of its call:

    with scripted.Client() as client:
        stream = client.call(frames.message(b""))
        answer = client.answer(stream)                  # waits until the stream has ended
        self.assertEqual(answer.how, "status 0")        # or "reset 8", "http 503"; also .fields, .trailers, .body
        client.send(frames.settings((frames.INITIAL_WINDOW_SIZE, 0)), frames.ping())
        client.expect(frames.GOAWAY)                    # skips others; raises frames.Ended or TimeoutError

A pod is a function of one connection, and `LabTest.serve` gives it a service and a listener:

    def refuse(peer: frames.Peer) -> None:
        for request in peer.requests():                 # HEADERS frames that open streams, until the connection ends
            peer.send(frames.rst_stream(request.stream, frames.REFUSED_STREAM))

    with scripted.Pod(refuse) as pod, scripted.Client(port=self.serve(pod)) as client:
        self.assertEqual(client.answer(client.call()).how, "status 14")
        self.assertEqual(len(pod.peers), 1)             # its connections so far

All of it runs in the test's own process: a socket belongs to the network namespace in which it was made, and `scripted` makes its
sockets in the lab's. What needs much of a core (floods, thousands of connections) is better a process of its own, which may use the
same modules with `namespace=None`.
"""

import contextlib
import socket
import struct
import threading
import time
from typing import Iterator, NamedTuple, Optional

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL,
 COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_ID = 2**31 - 1
PATIENCE = 10.0  # seconds for what must come: far more than a machine with other work needs


# ---- frames out


def number(n: int) -> bytes:
    return struct.pack("!I", n)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return number(len(payload))[1:] + bytes((kind, flags)) + number(stream) + payload


def literal(name: bytes, value: bytes, indexing: bool = False) -> bytes:
    """RFC 7541, 6.2, without Huffman coding."""
    def text(s: bytes) -> bytes:
        if len(s) < 127:
            return bytes((len(s),)) + s
        n, out = len(s) - 127, bytearray((127,))
        while n >= 128:
            out.append(n % 128 + 128)
            n //= 128
        return bytes(out) + bytes((n,)) + s
    return (b"\x40" if indexing else b"\0") + text(name) + text(value)


def block(*fields: tuple) -> bytes:
    """A field block of (name, value) that refers to no table: it may be repeated, and sent on any connection."""
    return b"".join(literal(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)


# :method POST, :scheme http, :authority x, a path that no pod serves; and the lab's service.
REQUEST = b"\x83\x86\x01\x01x" + b"\x04\x05/none" + block(("content-type", "application/grpc"))
ECHO = b"\x83\x86\x01\x01x" + b"\x04\x16/sluice.lab.Echo/Unary" + block(("content-type", "application/grpc"), ("te", "trailers"))
ANSWER = b"\x88" + block(("content-type", "application/grpc"))
TRAILERS = block(("grpc-status", "0"))


def headers(stream: int, fields: bytes = REQUEST, end: bool = False, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, fields)


def data(stream: int, payload: bytes, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def settings(*pairs: tuple) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", key, value) for key, value in pairs))


def ping(payload: bytes = b"12345678") -> bytes:
    return frame(PING, 0, 0, payload)


def goaway(last: int, code: int = NO_ERROR, text: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, number(last) + number(code) + text)


def rst_stream(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, number(code))


def window_update(stream: int, n: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, number(n))


def message(body: bytes) -> bytes:
    """Of gRPC, in DATA."""
    return b"\0" + number(len(body)) + body


def whole_answer(stream: int, body: bytes = b"") -> bytes:
    return headers(stream, ANSWER) + data(stream, message(body)) + headers(stream, TRAILERS, True)


ACKNOWLEDGED = frame(SETTINGS, ACK, 0)


# ---- frames in


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: tuple = ()  # (name, value), of a HEADERS or CONTINUATION frame that ends a section

    @property
    def end(self) -> bool:
        return self.kind in (DATA, HEADERS) and self.flags & END_STREAM != 0

    @property
    def code(self) -> int:
        """Of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload, "big")

    @property
    def last(self) -> int:
        """Of GOAWAY."""
        return int.from_bytes(self.payload[:4], "big")

    def value(self, name: str) -> Optional[str]:
        return dict(self.fields).get(name)


def split(received: bytes) -> tuple:
    """The whole frames at its beginning, not decoded, and the rest."""
    whole, at = [], 0
    while len(received) >= at + 9 and len(received) >= (end := at + 9 + int.from_bytes(received[at:at + 3], "big")):
        whole.append(Frame(received[at + 3], received[at + 4], int.from_bytes(received[at + 5:at + 9], "big"), received[at + 9:end]))
        at = end
    return whole, received[at:]


class Ended(Exception):
    """The connection: by a FIN, or by a reset."""


class Peer:
    """One end of a connection. Not for several threads that receive."""

    def __init__(self, connected: socket.socket, hello: bytes, acknowledges: bool = True, credits: bool = True) -> None:
        self.socket, self.acknowledges, self.credits = connected, acknowledges, credits
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.goaways: list = []
        self._decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self._received, self._section, self._frames = b"", b"", []
        self._sending = threading.Lock()
        self.send(hello)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        with self._sending:
            self.socket.sendall(b"".join(pieces))

    def read_exactly(self, n: int, seconds: Optional[float] = PATIENCE) -> bytes:
        """Bytes that are no frames."""
        while len(self._received) < n:
            self._read(seconds)
        some, self._received = self._received[:n], self._received[n:]
        return some

    def receive(self, seconds: Optional[float] = PATIENCE) -> Frame:
        """The next frame. Raises Ended, or TimeoutError when none comes (None: waits for ever)."""
        while not self._frames:
            self._frames, self._received = split(self._received)
            if not self._frames:
                self._read(seconds)
        return self._took(self._frames.pop(0))

    def frames(self, seconds: Optional[float] = None) -> Iterator[Frame]:
        """Until the connection ends, or nothing comes for so long."""
        with contextlib.suppress(Ended, TimeoutError):
            while True:
                yield self.receive(seconds)

    def requests(self) -> Iterator[Frame]:
        """HEADERS that open streams of a client, their fields whole, until the connection ends."""
        highest = 0
        for one in self.frames():
            if one.fields and one.stream > highest:
                highest = one.stream
                yield one

    def expect(self, kind: int, stream: Optional[int] = None, seconds: float = PATIENCE) -> Frame:
        """The next one of that kind, on that stream if one is named. Others are skipped."""
        until = time.monotonic() + seconds
        while True:
            one = self.receive(max(until - time.monotonic(), 0.001))
            if one.kind == kind and stream in (None, one.stream):
                return one

    def _read(self, seconds: Optional[float]) -> None:
        try:
            self.socket.settimeout(seconds)
            some = self.socket.recv(65_536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Ended(str(error)) from error
        if not some:
            raise Ended("FIN")
        self._received += some

    def _took(self, one: Frame) -> Frame:
        answer = b""
        if one.kind == SETTINGS and not one.flags & ACK and self.acknowledges:
            answer = ACKNOWLEDGED
        elif one.kind == PING and not one.flags & ACK and self.acknowledges:
            answer = frame(PING, ACK, 0, one.payload)
        elif one.kind == DATA and one.payload and self.credits:
            answer = window_update(0, len(one.payload)) + (b"" if one.end else window_update(one.stream, len(one.payload)))
        elif one.kind in (HEADERS, CONTINUATION):
            self._section += one.payload
            if one.flags & END_HEADERS:
                decoded = self._decoder.decode(self._section, raw=True)  # names and values need not be UTF-8
                one = one._replace(fields=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in decoded))
                self._section = b""
        elif one.kind == GOAWAY:
            self.goaways.append(one)
        if answer:
            with contextlib.suppress(OSError):  # the end is for the next to read
                self.send(answer)
        return one
