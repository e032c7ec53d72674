"""Pods that break HTTP/2, a port for each way to do it, and clients that call them through Sluice.

`python3 hostile_pods.py pods ADDRESS PORT` serves PODS[0] at PORT, PODS[1] at PORT + 1 and so on, until it is ended.
`python3 hostile_pods.py callers ADDRESS PORT SECONDS` calls each of them at an even pace, on a connection each, and prints as JSON
how every call ended: "status N" (grpc-status), "reset N" (RST_STREAM), "lost" (the connection went) or "never".
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from typing import Callable

import frames
import scripted
from frames import (ANSWER, CONTINUATION, DATA, ECHO, END_HEADERS, END_STREAM, INITIAL_WINDOW_SIZE, LARGEST_ID, MAX_CONCURRENT_STREAMS,
                    PADDED, PRIORITY_UPDATE, PUSH_PROMISE, Peer, data, frame, goaway, headers, literal, number, rst_stream, settings,
                    whole_answer, window_update)

FLOOD = 2000  # frames at once: more than any guard lets pass in a burst
CALLS_PER_SECOND = 20
DEADLINE = 1.0
PATIENCE = 20.0  # for the last calls: far more than their deadline, on a machine with other work too


def answering(answer: Callable[[int], bytes], hello: bytes = settings()) -> tuple:
    """A pod that says this to each request, and nothing else."""
    def pod(peer: Peer) -> None:
        for request in peer.requests():
            peer.send(answer(request.stream))
    return pod, hello


def garbage(peer: Peer) -> None:
    peer.send(os.urandom(4096))
    peer.read_exactly(1)


def silent(peer: Peer) -> None:
    while peer.read_exactly(1, None):
        pass


def half_an_answer(peer: Peer) -> None:
    for request in peer.requests():
        peer.send(headers(request.stream, ANSWER) + data(request.stream, bytes(3)))
        return


def dribble(peer: Peer) -> None:
    for request in peer.requests():
        for byte in whole_answer(request.stream):
            peer.send(bytes((byte,)))
            time.sleep(0.0002)


# Each kind of pod, what it does and says first, and how a call to it may end.
GONE = {"status 14"}             # nothing can be said for it
LATE = {"status 4"}              # it might still answer
TOO_LARGE = {"status 8"}         # for its client, as if the pod had said so
BROKEN = {"status 14", "reset 2"}  # an answer has begun, or an error is passed on
PODS: dict = {
    "garbage": ((garbage, b""), GONE | LATE),
    "no_settings": ((silent, b""), GONE | LATE),
    "closes_at_once": ((lambda peer: None, b""), GONE | LATE),
    "half_an_answer": ((half_an_answer, settings()), GONE | LATE | BROKEN),
    "dribble": ((dribble, settings()), {"status 0"} | LATE),
    "no_answer": (answering(lambda s: b""), LATE),
    "no_window": (answering(lambda s: b"", settings((INITIAL_WINDOW_SIZE, 0))), LATE),
    "no_streams": (answering(whole_answer, settings((MAX_CONCURRENT_STREAMS, 0))), GONE | LATE),
    "refuses": (answering(lambda s: rst_stream(s, 7)), GONE),
    "protocol_error": (answering(lambda s: rst_stream(s, (1, 3, 6, 9)[s // 2 % 4])), {"reset 2"}),
    "cancels": (answering(lambda s: rst_stream(s, 8)), {"reset 8"}),
    "resets_a_thousand_times": (answering(lambda s: rst_stream(s, 2) * 1000), {"reset 2"} | GONE | LATE),
    "goaway_of_everything": (answering(lambda s: goaway(0)), GONE | LATE),
    "goaway_and_silence": (answering(lambda s: goaway(LARGEST_ID)), GONE | LATE),
    "goaway_flood": (answering(lambda s: goaway(LARGEST_ID) * FLOOD), GONE | LATE),
    "settings_flood": (answering(lambda s: settings((INITIAL_WINDOW_SIZE, 65_535)) * FLOOD), GONE | LATE),
    "ping_flood": (answering(lambda s: frames.ping() * FLOOD), GONE | LATE),
    "window_update_flood": (answering(lambda s: window_update(0, 1) * FLOOD), GONE | LATE),
    "unknown_frame_flood": (answering(lambda s: frame(0xfa, 0, 0, b"x") * FLOOD), GONE | LATE),
    "empty_data_flood": (answering(lambda s: headers(s, ANSWER) + frame(DATA, 0, s) * FLOOD), GONE | LATE | BROKEN),
    "tiny_data_flood": (answering(lambda s: headers(s, ANSWER) + frame(DATA, 0, s, b"x") * FLOOD), GONE | LATE | BROKEN),
    "padding_flood": (answering(lambda s: headers(s, ANSWER) + frame(DATA, PADDED, s, b"\4x" + bytes(4)) * FLOOD), GONE | LATE | BROKEN),
    "informational_flood": (answering(lambda s: headers(s, b"\x08\x03103") * FLOOD), GONE | LATE | BROKEN),
    "continuation_flood": (answering(lambda s: headers(s, ANSWER, flags=0) + frame(CONTINUATION, 0, s, literal(b"a", b"b")) * FLOOD), TOO_LARGE | GONE | LATE),
    "field_block": (answering(lambda s: headers(s, ANSWER, flags=0) + frame(CONTINUATION, 0, s, literal(b"a", b"b" * 16_000)) * 10), TOO_LARGE | GONE | LATE),
    "header_list": (answering(lambda s: headers(s, ANSWER + literal(b"bomb", b"b" * 3900, True) + b"\xbe" * 4000)), TOO_LARGE | GONE | LATE),
    "empty_name": (answering(lambda s: headers(s, ANSWER + literal(b"", b"x"))), GONE | LATE | BROKEN),
    "not_hpack": (answering(lambda s: headers(s, b"\xff\xff\xff\xff\xff\xff")), GONE | LATE),
    "upper_case": (answering(lambda s: headers(s, ANSWER + literal(b"Upper", b"x"))), GONE | LATE | BROKEN),
    "data_first": (answering(lambda s: frame(DATA, 0, s, b"x")), GONE | LATE | BROKEN),
    "idle_stream": (answering(lambda s: frame(DATA, 0, s + 1000, b"x")), GONE | LATE),
    "even_stream": (answering(lambda s: headers(2, ANSWER)), GONE | LATE),
    "push": (answering(lambda s: frame(PUSH_PROMISE, END_HEADERS, s, number(2) + ECHO)), GONE | LATE),
    "beyond_the_window": (answering(lambda s: headers(s, ANSWER) + frame(DATA, 0, s, bytes(16_000)) * 100), GONE | LATE | BROKEN),
    "beyond_content_length": (answering(lambda s: headers(s, ANSWER + literal(b"content-length", b"3")) + frame(DATA, END_STREAM, s, bytes(9))),
                              GONE | LATE | BROKEN),
    "giant_frame": (answering(lambda s: b"\xff\xff\xff" + bytes((DATA, 0)) + number(s) + bytes(1000)), GONE | LATE),
    "priorities": (answering(lambda s: frame(PRIORITY_UPDATE, 0, 0, number(s) + b"u=1")), GONE | LATE),
}


def serve(address: str, port: int) -> None:
    for i, ((pod, hello), _) in enumerate(PODS.values()):
        scripted.Pod(pod, address, port + i, namespace=None, hello=hello)
    threading.Event().wait()


class Caller(scripted.Client):
    """Calls one pod. Whatever the pod does, this connection to Sluice is everybody's who uses it, and stays."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address, port, namespace=None)
        self.lost: set = set()
        self.over = False
        threading.Thread(target=self.listen, daemon=True).start()

    def begin(self) -> None:
        stream = 2 * len(self.answers) + 1
        try:
            self.call(frames.message(b""), fields=(("grpc-timeout", f"{round(DEADLINE * 1000)}m"),))
        except OSError:
            self.lost.add(stream)

    def listen(self) -> None:
        for _ in self.frames():
            pass
        self.over = True

    def ends(self) -> list:
        return ["lost" if stream in self.lost or (self.over and answer.ends == 0) else answer.how
                for stream, answer in list(self.answers.items())]

    def report(self) -> dict:
        return {"calls": len(self.answers), "ends": Counter(self.ends()), "goaways": [one.code for one in self.goaways],
                "twice": sum(answer.ends > 1 for answer in self.answers.values())}


def call(address: str, port: int, seconds: float) -> dict:
    callers = {name: Caller(address, port + i) for i, name in enumerate(PODS)}
    begin = time.monotonic()
    for n in range(round(seconds * CALLS_PER_SECOND)):
        time.sleep(max(begin + n / CALLS_PER_SECOND - time.monotonic(), 0))
        for caller in callers.values():
            caller.begin()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any("never" in caller.ends() for caller in callers.values()):
        time.sleep(0.05)
    return {name: caller.report() for name, caller in callers.items()}


if __name__ == "__main__":
    os.nice(5)  # on one core with honest pods and clients; but who gets no core breaks nothing
    if sys.argv[1] == "pods":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps(call(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
