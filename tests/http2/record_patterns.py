#!/usr/bin/python3
"""Records the field blocks that a real client and a real server exchange, for bench_hpack.

    record_patterns.py --listen PORT --server HOST:PORT --to PREFIX [--blocks 64]

Stands between the two, passes all bytes on unchanged, and writes PREFIX_requests.txt and PREFIX_responses.txt: the
blocks of the first connection in hexadecimal, one a line, in the order in which they were sent. Ends when it has
enough of both. The patterns of grpc-go, for which Debian has no package, are made by --grpc-go from the order and the
representations that its encoder (golang.org/x/net/http2/hpack) chooses: everything not yet in the table enters it.
"""

import argparse
import socket
import threading
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS = 1
PADDED, PRIORITY = 0x8, 0x20


class Recorder:
    """Picks the HEADERS of a stream of frames; blocks that need CONTINUATION do not occur here."""

    def __init__(self, preface: bytes) -> None:
        self.data = bytearray()
        self.skip = len(preface)
        self.blocks: list[str] = []

    def feed(self, data: bytes) -> None:
        self.data += data
        if self.skip and len(self.data) >= self.skip:
            del self.data[:self.skip]
            self.skip = 0
        while not self.skip and len(self.data) >= 9:
            size = int.from_bytes(self.data[:3], "big")
            if len(self.data) < 9 + size:
                return
            kind, flags = self.data[3], self.data[4]
            payload = bytes(self.data[9:9 + size])
            del self.data[:9 + size]
            if kind == HEADERS:
                pad = payload[0] if flags & PADDED else 0
                start = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0)
                self.blocks.append(payload[start:len(payload) - pad].hex())


def carry(source: socket.socket, sink: socket.socket, recorder: Recorder) -> None:
    while data := source.recv(65536):
        recorder.feed(data)
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def record(given: argparse.Namespace) -> None:
    host, port = given.server.rsplit(":", 1)
    with socket.create_server(("127.0.0.1", given.listen)) as listener:
        client, _ = listener.accept()
    server = socket.create_connection((host, int(port)))
    ways = {"requests": (client, server, Recorder(PREFACE)), "responses": (server, client, Recorder(b""))}
    for way in ways.values():
        threading.Thread(target=carry, args=way, daemon=True).start()
    while any(len(recorder.blocks) < given.blocks for _, _, recorder in ways.values()):
        threading.Event().wait(0.05)
    for name, (_, _, recorder) in ways.items():
        write(f"{given.to}_{name}.txt", recorder.blocks[:given.blocks])


def grpc_go(given: argparse.Namespace) -> None:
    import hpack  # Debian's python3-hpack chooses the same representations
    encoder = hpack.Encoder()
    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/sluice.lab.Echo/Unary"),
              (":authority", "greeter.default.svc.cluster.local:50051"), ("content-type", "application/grpc"),
              ("user-agent", "grpc-go/1.60.1"), ("te", "trailers")]
    write(f"{given.to}_requests.txt",
          [encoder.encode(fields + [("grpc-timeout", f"{4_999_990 - 37 * i}u")]).hex() for i in range(given.blocks)])


def write(path: str, blocks: list[str]) -> None:
    Path(path).write_text("\n".join(blocks) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=int, default=50061)
    parser.add_argument("--server", default="127.0.0.1:50051")
    parser.add_argument("--to", required=True, metavar="PREFIX")
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--grpc-go", action="store_true")
    given = parser.parse_args()
    grpc_go(given) if given.grpc_go else record(given)


main()
