#!/usr/bin/python3
"""Requests of HTTP/1.1, one after the other on a kept connection. A line of JSON now and then, in sluice-client's form: the answers by
their body, which is the pod's name. SIGTERM ends it, with a last line."""

import argparse
import json
import signal
import socket
import time
from collections import Counter

TIMEOUT_SECONDS = 5.0
LATENCIES = 1000  # the last ones, for percentiles


class Lost(Exception):
    """The connection ended within an answer."""


class Client:
    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.address = (host, int(port))
        self.request = f"GET /name HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
        self.socket = None
        self.connections, self.calls, self.failed, self.micros = 0, Counter(), Counter(), []

    def exchange(self) -> tuple:
        """The status and the body."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=TIMEOUT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
        self.socket.sendall(self.request)
        heard = self.socket.recv(65_536)
        while b"\r\n\r\n" not in heard:
            heard += self.more()
        head, _, body = heard.partition(b"\r\n\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])}
        while len(body) < int(fields["content-length"]):
            body += self.more()
        if fields.get("connection", "") == "close":
            self.drop()
        return head[9:12].decode(), body.decode()

    def more(self) -> bytes:
        piece = self.socket.recv(65_536)
        if not piece:
            raise Lost
        return piece

    def drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def call(self) -> None:
        begun = time.monotonic()
        try:
            status, body = self.exchange()
        except (OSError, Lost) as error:
            self.failed[type(error).__name__] += 1
            self.drop()
            return
        if status == "200":
            self.calls[body] += 1
            self.micros = [*self.micros[1 - LATENCIES:], (time.monotonic() - begun) * 1e6]
        else:
            self.failed[status] += 1

    def report(self, final: bool) -> None:
        ordered = sorted(self.micros) or [0.0]
        print(json.dumps({"calls": self.calls, "failed": self.failed, "connections": self.connections, "final": final,
                          "p50_us": ordered[len(ordered) // 2], "p99_us": ordered[len(ordered) * 99 // 100]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST:PORT")
    parser.add_argument("--pause", type=float, default=2.0, metavar="MS", help="between two requests")
    parser.add_argument("--interval", type=float, default=1000.0, metavar="MS", help="between two lines")
    given = parser.parse_args()
    ending = False

    def end(*_) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    client, told = Client(given.target), time.monotonic()
    while not ending:
        client.call()
        if time.monotonic() - told >= given.interval / 1000:
            told = time.monotonic()
            client.report(False)
        time.sleep(given.pause / 1000)
    client.report(True)


main()
