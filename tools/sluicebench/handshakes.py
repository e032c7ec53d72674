#!/usr/bin/python3
"""The load of the handshake workloads of `tools/bench l7`: connections one after the other in several threads. Each is a TLS 1.3
handshake, HTTP/2's preface, and the server's SETTINGS. Full handshakes offer no ticket. Resumed ones offer the ticket of the thread's first connection.

    handshakes.py ADDRESS PORT SECONDS THREADS full|resumed      prints one JSON line
"""

import json
import socket
import ssl
import sys
import threading
import time
from typing import Optional

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
SETTINGS = 4
NAME = "echo.lab"
TIMEOUT = 5.0


def connect(context: ssl.SSLContext, place: tuple, session: Optional[ssl.SSLSession]) -> tuple:
    """The ticket of the connection, and whether the connection was what was asked for."""
    with socket.create_connection(place, TIMEOUT) as plain, \
            context.wrap_socket(plain, server_hostname=NAME, session=session) as connection:
        connection.sendall(HELLO)
        first = connection.recv(16384)
        return connection.session, first[3:4] == bytes([SETTINGS]) and connection.session_reused == (session is not None)


class Thread(threading.Thread):
    def __init__(self, place: tuple, until: float, resumed: bool) -> None:
        super().__init__()
        self._place, self._until, self._resumed = place, until, resumed
        self.times: list = []  # microseconds
        self.failed = 0

    def run(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the measurement is the server's
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["h2"])
        session = None
        if self._resumed:
            session, _ = connect(context, self._place, None)
        while (began := time.monotonic()) < self._until:
            try:
                _, good = connect(context, self._place, session)
            except OSError:
                good = False
            if good:
                self.times.append((time.monotonic() - began) * 1e6)
            else:
                self.failed += 1


def main() -> None:
    place, seconds, count, kind = (sys.argv[1], int(sys.argv[2])), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    began = time.monotonic()
    threads = [Thread(place, began + seconds, kind == "resumed") for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    times = sorted(sum((thread.times for thread in threads), []))
    at = [times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.99)] if times else (None, None)
    print(json.dumps({"calls": len(times), "failed": sum(thread.failed for thread in threads), "calls_per_s": len(times) / took,
                      "p50_us": at[0], "p99_us": at[1]}))


if __name__ == "__main__":
    main()
