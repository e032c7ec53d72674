"""A small DNS server: UDP and TCP on one port, with records that change, and faults on request."""

import socket
import struct
import threading
import time
from typing import Optional

A, AAAA, SRV = 1, 28, 33
NXDOMAIN, SERVFAIL = 3, 2
RESPONSE, TRUNCATED = 0x8400, 0x0200


def encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def address(text: str) -> tuple:
    """A record of an address, as records() takes it."""
    return (AAAA, socket.inet_pton(socket.AF_INET6, text)) if ":" in text else (A, socket.inet_aton(text))


def service(target: str, port: int, priority: int = 0, weight: int = 1) -> tuple:
    return SRV, struct.pack("!HHH", priority, weight, port) + encoded(target)


class Server:
    """Listens from construction to stop(). Methods may be called from any thread."""

    def __init__(self, port: int = 0) -> None:
        self.code: Optional[int] = None  # of every answer; None: as the records have it
        self.silent = False
        self.truncated = False  # over UDP every answer is cut short
        self.questions: list = []  # (time, name, type, over TCP)
        self._records: dict = {}  # name: (TTL, records)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("", port))
        self.port = self._udp.getsockname()[1]
        self._tcp = socket.create_server(("", self.port))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def stop(self) -> None:
        for s in (self._udp, self._tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def records(self, name: str, ttl: int, *records: tuple) -> None:
        """All that the name has, of all types."""
        self._records[name] = (ttl, records)

    def _serve_udp(self) -> None:
        while True:
            try:
                question, sender = self._udp.recvfrom(512)
                if not question:
                    return
                answer = self._answer(question, over_tcp=False)
                if answer:
                    self._udp.sendto(answer, sender)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as reader:
                size = reader.read(2)
                if len(size) < 2:
                    continue
                answer = self._answer(reader.read(int.from_bytes(size, "big")), over_tcp=True)
                if answer:
                    connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, question: bytes, over_tcp: bool) -> Optional[bytes]:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += question[at] + 1
        name = ".".join(labels).lower()
        kind = int.from_bytes(question[at + 1:at + 3], "big")
        self.questions.append((time.monotonic(), name, kind, over_tcp))
        if self.silent:
            return None
        ttl, records = self._records.get(name, (0, ()))
        code = self.code if self.code is not None else (0 if name in self._records else NXDOMAIN)
        flags = RESPONSE | code
        found = [data for record, data in records if record == kind] if code == 0 else []
        if self.truncated and not over_tcp:
            flags, found = flags | TRUNCATED, []
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question[12:at + 5]
        # 0xc00c: the name of the question.
        return head + b"".join(struct.pack("!HHHIH", 0xc00c, kind, 1, ttl, len(data)) + data for data in found)
