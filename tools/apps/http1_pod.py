#!/usr/bin/python3
"""The lab's pod of HTTP/1.1: its body is the pod's name, for each request. `tools/lab up --pods-http1` runs it."""

import asyncio
import ctypes
import os
import signal
import socket
import ssl
from typing import Optional

LARGEST_HEAD = 65_536
PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 10  # after SIGTERM, for the exchanges that run


class Malformed(Exception):
    """A request that this pod cannot read."""


async def read_body(reader: asyncio.StreamReader, fields: dict) -> None:
    """To its end, and drops it."""
    if "transfer-encoding" not in fields:
        left = int(fields.get("content-length", 0))
        while left > 0:
            piece = await reader.read(min(left, LARGEST_HEAD))
            if not piece:
                raise Malformed
            left -= len(piece)
        return
    while size := int((await reader.readline()).partition(b";")[0], 16):
        await reader.readexactly(size + 2)
    while (await reader.readline()).strip():
        pass


class Pod:
    def __init__(self, name: str) -> None:
        self.body = name.encode()
        self.ending = asyncio.Event()
        self.connections: dict = {}  # task -> whether it is between two exchanges

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.connections[task] = True
        try:
            while await self.exchange(reader, writer, task):
                self.connections[task] = True
        except (Malformed, ValueError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            del self.connections[task]
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task) -> bool:
        """One request and its answer. Whether the connection is kept."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.connections[task] = False
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, _, version = first.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if fields.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await read_body(reader, fields)
        options = fields.get("connection", "").lower()
        keep = not self.ending.is_set() and (options != "close" if version == "HTTP/1.1" else options == "keep-alive")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s" % (
            len(self.body), b"" if keep else b"Connection: close\r\n", b"" if method == "HEAD" else self.body))
        await writer.drain()
        return keep

    async def run(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ending.set)
        server = await asyncio.start_server(self.serve, sock=listener, limit=LARGEST_HEAD, ssl=tls())
        await self.ending.wait()
        server.close()
        for task in [task for task, idle in self.connections.items() if idle]:
            task.cancel()
        if self.connections:
            await asyncio.wait(list(self.connections), timeout=GRACE_SECONDS)


def tls() -> Optional[ssl.SSLContext]:
    """With the certificate that POD_CERTIFICATE and POD_KEY name; None: cleartext."""
    if not os.environ.get("POD_CERTIFICATE"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["POD_CERTIFICATE"], os.environ["POD_KEY"])
    context.set_alpn_protocols(["http/1.1"])
    return context


def die_with(parent: int) -> None:
    """The pod beside which this one runs may be killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    if "POD_PARENT" in os.environ:
        die_with(int(os.environ["POD_PARENT"]))
    address = os.environ["POD_LISTEN"].strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, int(os.environ["POD_PORT"])), family=family, backlog=4096,
                                    dualstack_ipv6=family == socket.AF_INET6)
    asyncio.run(Pod(os.environ["POD_NAME"]).run(listener))


main()
