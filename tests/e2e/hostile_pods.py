"""Pods that break HTTP/2, a port for each way to do it, and clients that call them through Sluice.

`python3 hostile_pods.py pods ADDRESS PORT` serves PODS[0] at PORT, PODS[1] at PORT + 1 and so on, until it is ended.
`python3 hostile_pods.py callers ADDRESS PORT SECONDS` calls each of them at an even pace, on a connection each, and prints as JSON
how every call ended: "status N" (grpc-status), "reset N" (RST_STREAM), "lost" (the connection went) or "never".
"""

import json
import os
import socket
import struct
import sys
import threading
import time
from collections import Counter
from typing import Callable, Iterator

import hpack

from http2_attacks import (ACK, CONTINUATION, DATA, ECHO, END_HEADERS, END_STREAM, GOAWAY, HEADERS, LARGEST_ID, PADDED, PING, RST_STREAM,
                           SETTINGS, WINDOW, WINDOW_UPDATE, frame, literal, settings)

PUSH_PROMISE = 5
PRIORITY_UPDATE = 0x10
HELLO = settings() + frame(SETTINGS, ACK, 0)
ANSWER = b"\x88" + literal(b"content-type", b"application/grpc")
TRAILERS = literal(b"grpc-status", b"0")
FLOOD = 2000  # frames at once: more than any guard lets pass in a burst
CALLS_PER_SECOND = 20
DEADLINE = 1.0
PATIENCE = 3.0  # for the last calls: far more than their deadline


def receive_exactly(s: socket.socket, n: int) -> bytes:
    got = b""
    while len(got) < n:
        some = s.recv(n - len(got))
        if not some:
            raise ConnectionResetError
        got += some
    return got


def frames(s: socket.socket) -> Iterator[tuple]:
    """Type, flags, stream and payload of each, until the connection ends with ConnectionResetError."""
    while True:
        head = receive_exactly(s, 9)
        yield head[3], head[4], int.from_bytes(head[5:], "big"), receive_exactly(s, int.from_bytes(head[:3], "big"))


def headers(stream: int, block: bytes = ANSWER, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream, block)


def number(n: int) -> bytes:
    return struct.pack("!I", n)


def whole_answer(stream: int) -> bytes:
    return headers(stream) + frame(DATA, 0, stream, bytes(5)) + headers(stream, TRAILERS, END_HEADERS | END_STREAM)


def goaway(last: int) -> bytes:
    return frame(GOAWAY, 0, 0, number(last) + number(0))


def answering(answer: Callable[[int], bytes], hello: bytes = HELLO) -> Callable[[socket.socket], None]:
    """A pod that says this to each request, and nothing else."""
    def pod(s: socket.socket) -> None:
        s.sendall(hello)
        receive_exactly(s, 24)
        for kind, _, stream, _ in frames(s):
            if kind == HEADERS:
                s.sendall(answer(stream))
    return pod


def garbage(s: socket.socket) -> None:
    s.sendall(os.urandom(4096))
    s.recv(1)


def silent(s: socket.socket) -> None:
    while s.recv(65_536):
        pass


def half_an_answer(s: socket.socket) -> None:
    s.sendall(HELLO)
    receive_exactly(s, 24)
    for kind, _, stream, _ in frames(s):
        if kind == HEADERS:
            s.sendall(headers(stream) + frame(DATA, 0, stream, bytes(3)))
            return


def dribble(s: socket.socket) -> None:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(HELLO)
    receive_exactly(s, 24)
    for kind, _, stream, _ in frames(s):
        if kind == HEADERS:
            for byte in whole_answer(stream):
                s.sendall(bytes((byte,)))
                time.sleep(0.0002)


# Each kind of pod, what it does, and how a call to it may end.
GONE = {"status 14"}             # nothing can be said for it
LATE = {"status 4"}              # it might still answer
BROKEN = {"status 14", "reset 2"}  # an answer has begun, or an error is passed on
PODS: dict = {
    "garbage": (garbage, GONE | LATE),
    "no_settings": (silent, GONE | LATE),
    "closes_at_once": (lambda s: None, GONE | LATE),
    "half_an_answer": (half_an_answer, GONE | LATE | BROKEN),
    "dribble": (dribble, {"status 0"} | LATE),
    "no_answer": (answering(lambda s: b""), LATE),
    "no_window": (answering(lambda s: b"", settings((WINDOW, 0)) + frame(SETTINGS, ACK, 0)), LATE),
    "no_streams": (answering(whole_answer, settings((3, 0)) + frame(SETTINGS, ACK, 0)), GONE | LATE),
    "refuses": (answering(lambda s: frame(RST_STREAM, 0, s, number(7))), GONE),
    "protocol_error": (answering(lambda s: frame(RST_STREAM, 0, s, number((1, 3, 6, 9)[s // 2 % 4]))), {"reset 2"}),
    "cancels": (answering(lambda s: frame(RST_STREAM, 0, s, number(8))), {"reset 8"}),
    "resets_a_thousand_times": (answering(lambda s: frame(RST_STREAM, 0, s, number(2)) * 1000), {"reset 2"} | GONE | LATE),
    "goaway_of_everything": (answering(lambda s: goaway(0)), GONE | LATE),
    "goaway_and_silence": (answering(lambda s: goaway(LARGEST_ID)), GONE | LATE),
    "goaway_flood": (answering(lambda s: goaway(LARGEST_ID) * FLOOD), GONE | LATE),
    "settings_flood": (answering(lambda s: settings((WINDOW, 65_535)) * FLOOD), GONE | LATE),
    "ping_flood": (answering(lambda s: frame(PING, 0, 0, bytes(8)) * FLOOD), GONE | LATE),
    "window_update_flood": (answering(lambda s: frame(WINDOW_UPDATE, 0, 0, number(1)) * FLOOD), GONE | LATE),
    "unknown_frame_flood": (answering(lambda s: frame(0xfa, 0, 0, b"x") * FLOOD), GONE | LATE),
    "empty_data_flood": (answering(lambda s: headers(s) + frame(DATA, 0, s) * FLOOD), GONE | LATE | BROKEN),
    "tiny_data_flood": (answering(lambda s: headers(s) + frame(DATA, 0, s, b"x") * FLOOD), GONE | LATE | BROKEN),
    "padding_flood": (answering(lambda s: headers(s) + frame(DATA, PADDED, s, b"\xc8x" + bytes(200)) * (FLOOD // 8)), GONE | LATE | BROKEN),
    "informational_flood": (answering(lambda s: headers(s, b"\x08\x03103") * FLOOD), GONE | LATE | BROKEN),
    "continuation_flood": (answering(lambda s: headers(s, ANSWER, 0) + frame(CONTINUATION, 0, s, literal(b"a", b"b")) * FLOOD), GONE | LATE),
    "field_block": (answering(lambda s: headers(s, ANSWER, 0) + frame(CONTINUATION, 0, s, literal(b"a", b"b" * 16_000)) * 10), GONE | LATE),
    "header_list": (answering(lambda s: headers(s, ANSWER + literal(b"bomb", b"b" * 3900, True) + b"\xbe" * 4000)), {"status 8"} | GONE | LATE),
    "empty_name": (answering(lambda s: headers(s, ANSWER + literal(b"", b"x"))), GONE | LATE | BROKEN),
    "not_hpack": (answering(lambda s: headers(s, b"\xff\xff\xff\xff\xff\xff")), GONE | LATE),
    "upper_case": (answering(lambda s: headers(s, ANSWER + literal(b"Upper", b"x"))), GONE | LATE | BROKEN),
    "data_first": (answering(lambda s: frame(DATA, 0, s, b"x")), GONE | LATE | BROKEN),
    "idle_stream": (answering(lambda s: frame(DATA, 0, s + 1000, b"x")), GONE | LATE),
    "even_stream": (answering(lambda s: headers(2)), GONE | LATE),
    "push": (answering(lambda s: frame(PUSH_PROMISE, END_HEADERS, s, number(2) + ECHO)), GONE | LATE),
    "beyond_the_window": (answering(lambda s: headers(s) + frame(DATA, 0, s, bytes(16_000)) * 100), GONE | LATE | BROKEN),
    "beyond_content_length": (answering(lambda s: headers(s, ANSWER + literal(b"content-length", b"3")) + frame(DATA, END_STREAM, s, bytes(9))),
                              GONE | LATE | BROKEN),
    "giant_frame": (answering(lambda s: b"\xff\xff\xff" + bytes((DATA, 0)) + number(s) + bytes(1000)), GONE | LATE),
    "priorities": (answering(lambda s: frame(PRIORITY_UPDATE, 0, 0, number(s) + b"u=1")), GONE | LATE),
}


def serve(address: str, port: int) -> None:
    def accept(listener: socket.socket, pod: Callable) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection, pod), daemon=True).start()

    def talk(connection: socket.socket, pod: Callable) -> None:
        try:
            with connection:
                connection.settimeout(30)
                pod(connection)
        except OSError:
            pass

    for i, (pod, _) in enumerate(PODS.values()):
        threading.Thread(target=accept, args=(socket.create_server((address, port + i), backlog=100), pod), daemon=True).start()
    threading.Event().wait()


class Caller:
    """Calls one pod. Whatever the pod does, this connection to Sluice is everybody's who uses it, and stays."""

    def __init__(self, address: tuple) -> None:
        self.socket = socket.create_connection(address, timeout=5)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings() + frame(SETTINGS, ACK, 0))
        self.ends: dict = {}
        self.began = 0
        self.twice = 0
        self.goaways: list = []
        threading.Thread(target=self.listen, daemon=True).start()

    def call(self) -> None:
        stream = 2 * self.began + 1
        self.began += 1
        block = ECHO + literal(b"grpc-timeout", f"{round(DEADLINE * 1000)}m".encode())
        try:
            self.socket.sendall(headers(stream, block) + frame(DATA, END_STREAM, stream, bytes(5)))
        except OSError:
            self.end(stream, "lost")

    def end(self, stream: int, how: str) -> None:
        self.twice += stream in self.ends
        self.ends[stream] = how

    def listen(self) -> None:
        decoder = hpack.Decoder()
        try:
            for kind, flags, stream, payload in frames(self.socket):
                if kind == HEADERS:
                    fields = dict(decoder.decode(payload))
                    if flags & END_STREAM:
                        self.end(stream, f"status {fields.get('grpc-status')}")
                elif kind == DATA:
                    if flags & END_STREAM:
                        self.end(stream, "no status")
                    elif payload:
                        self.socket.sendall(b"".join(frame(WINDOW_UPDATE, 0, s, number(len(payload))) for s in (0, stream)))
                elif kind == RST_STREAM:
                    code = int.from_bytes(payload, "big")
                    if code != 0 or stream not in self.ends:  # RFC 9113, 8.1: the answer is whole, the request was not
                        self.end(stream, f"reset {code}")
                elif kind == GOAWAY:
                    self.goaways.append(int.from_bytes(payload[4:8], "big"))
        except OSError:
            pass
        for i in range(self.began):
            if 2 * i + 1 not in self.ends:
                self.end(2 * i + 1, "lost")

    def report(self) -> dict:
        ends = Counter(self.ends.get(2 * i + 1, "never") for i in range(self.began))
        return {"calls": self.began, "ends": ends, "twice": self.twice, "goaways": self.goaways}


def call(address: str, port: int, seconds: float) -> dict:
    callers = {name: Caller((address, port + i)) for i, name in enumerate(PODS)}
    begin = time.monotonic()
    for n in range(round(seconds * CALLS_PER_SECOND)):
        time.sleep(max(begin + n / CALLS_PER_SECOND - time.monotonic(), 0))
        for caller in callers.values():
            caller.call()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(len(c.ends) < c.began for c in callers.values()):
        time.sleep(0.05)
    return {name: caller.report() for name, caller in callers.items()}


if __name__ == "__main__":
    os.nice(19)  # on one core with honest pods and clients, whose time is measured
    if sys.argv[1] == "pods":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps(call(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
