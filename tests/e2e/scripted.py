"""Clients and pods that speak HTTP/2 frame by frame, in the namespaces of the lab. frames.py says how to use them."""

import contextlib
import ctypes
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

import frames
from frames import PATIENCE, Peer
from support import layout, process

CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def inside(namespace: Optional[str]):
    """Sockets that this thread makes meanwhile belong to that network namespace. None: the one in which the process is."""
    if namespace is None:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(fd: int) -> None:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns({namespace})")

    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/run/netns/{namespace}", "rb") as other:
        enter(other.fileno())
        try:
            yield
        finally:
            enter(own.fileno())


@dataclass
class Answer:
    """What came on a stream."""

    sections: list = field(default_factory=list)  # dicts of fields; those of 1xx are left out
    body: bytes = b""
    reset: Optional[int] = None
    ends: int = 0  # a whole answer ends once

    def take(self, one: frames.Frame) -> None:
        if one.kind == frames.DATA:
            self.body += one.payload
        if one.fields and not (one.value(":status") or "").startswith("1"):
            self.sections.append(dict(one.fields))
        if one.kind == frames.RST_STREAM and (one.code != frames.NO_ERROR or self.ends == 0):
            # RFC 9113, 8.1: behind a whole answer, NO_ERROR says that the rest of the request is not wanted.
            self.reset = one.code
            self.ends += 1
        self.ends += one.end

    @property
    def fields(self) -> dict:
        return self.sections[0] if self.sections else {}

    @property
    def trailers(self) -> dict:
        """Of an answer that is trailers only, too."""
        return self.sections[-1] if self.sections else {}

    @property
    def how(self) -> str:
        """"status N" is gRPC's, "http N" the status of an answer without one, "reset N" RST_STREAM's code, "never" of no end yet."""
        if self.reset is not None:
            return f"reset {self.reset}"
        if self.ends == 0:
            return "never"
        if "grpc-status" in self.trailers:
            return f"status {self.trailers['grpc-status']}"
        return f"http {self.fields.get(':status')}"


class Client(Peer):
    """A client's connection to Sluice."""

    def __init__(self, address: str = layout.VIP, port: int = layout.PORT, namespace: Optional[str] = layout.CLIENT_NAMESPACE,
                 hello: bytes = frames.PREFACE + frames.settings(), **how) -> None:
        with inside(namespace):
            connected = socket.create_connection((address, port), timeout=PATIENCE)
        self.answers: dict = {}
        super().__init__(connected, hello, **how)

    def call(self, body: bytes = b"", path: str = "/sluice.lab.Echo/Unary", fields: tuple = (), end: bool = True) -> int:
        """Begins a gRPC call; its stream. `body` is bytes of DATA (frames.message), `fields` are further (name, value)."""
        return self.request(frames.block((":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path),
                                         ("content-type", "application/grpc"), ("te", "trailers"), *fields), body, end)

    def request(self, block: bytes, body: bytes = b"", end: bool = True) -> int:
        """Opens a stream with this field block; its id."""
        stream = 2 * len(self.answers) + 1
        self.answers[stream] = Answer()
        self.send(frames.headers(stream, block, end and not body), frames.data(stream, body, end) if body else b"")
        return stream

    def answer(self, stream: int, seconds: float = PATIENCE) -> Answer:
        """Once it has ended."""
        until = time.monotonic() + seconds
        while self.answers[stream].ends == 0:
            self.receive(max(until - time.monotonic(), 0.001))
        return self.answers[stream]

    def _took(self, one: frames.Frame) -> frames.Frame:
        one = super()._took(one)
        if one.stream in self.answers:
            self.answers[one.stream].take(one)
        return one


class Pod:
    """Listens, and lets the script talk to each connection in a thread of its own; the connection ends with the script. The preface has
    been read then, unless `hello` is empty: such a pod is not one of HTTP/2 at all. `tls`: it speaks TLS with these settings."""

    def __init__(self, script: Callable[[Peer], None], address: str = layout.BRIDGE_ADDRESS, port: int = 0,
                 namespace: Optional[str] = layout.SOUTH_NAMESPACE, hello: bytes = frames.settings(),
                 tls: Optional[ssl.SSLContext] = None, **how) -> None:
        self.script, self.hello, self.tls, self.how = script, hello, tls, how
        self.peers: list = []  # every connection so far
        with inside(namespace):
            self.listener = socket.create_server((address, port), backlog=100)
        self.endpoint = "%s:%d" % self.listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """It takes no more connections, and those that it has end."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        process.common_core()
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(connected,), daemon=True).start()

    def _talk(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError, frames.Ended):
            if self.tls is not None:
                connected = self.tls.wrap_socket(connected, server_side=True)
            self._run(connected)

    def _run(self, connected: socket.socket) -> None:
        with Peer(connected, self.hello, **self.how) as peer:
            self.peers.append(peer)
            if self.hello:
                peer.read_exactly(len(frames.PREFACE))
            self.script(peer)
