"""What is called, and how."""

from typing import NamedTuple


class Workload(NamedTuple):
    name: str
    tool: str            # "h2load", "grpc" or "churn"; of HTTP/1.1 "h2load-http1", or "wrk", which connects for each request;
                         # of TLS "full" and "resumed" handshakes, where a call is a connection and its SETTINGS
    connections: int
    streams: int         # in flight on each connection
    answer: int          # bytes
    bidi: bool = False   # a call is one message and its echo on a stream that stays open
    tls: bool = False    # of the clients, which get a certificate of P-256; pods speak cleartext

    @property
    def http1(self) -> bool:
        """Clients and pods speak HTTP/1.1."""
        return self.tool in ("h2load-http1", "wrk")


KIB = 1024
MIB = 1024 * KIB

REQUEST_BYTES = 100

ALL = (
    Workload("unary-100B-10x32", "h2load", 10, 32, 100),
    Workload("unary-100B-1x1", "h2load", 1, 1, 100),
    Workload("unary-100B-1x100", "h2load", 1, 100, 100),
    Workload("unary-100B-1000x1", "h2load", 1000, 1, 100),
    Workload("unary-1KiB-10x32", "h2load", 10, 32, KIB),
    Workload("unary-64KiB-10x4", "h2load", 10, 4, 64 * KIB),
    Workload("unary-1MiB-4x1", "h2load", 4, 1, MIB),
    Workload("connection-per-call-100B-32x1", "churn", 32, 1, 100),
    Workload("grpc-unary-100B-10x32", "grpc", 10, 32, 100),
    Workload("grpc-unary-100B-1x1", "grpc", 1, 1, 100),
    Workload("grpc-bidi-100B-10x32", "grpc", 10, 32, 100, bidi=True),
    Workload("unary-100B-64x1", "h2load", 64, 1, 100),
    Workload("http1-unary-100B-64x1", "h2load-http1", 64, 1, 100),
    Workload("http1-connection-per-call-100B-32x1", "wrk", 32, 1, 100),
    Workload("tls-unary-100B-10x32", "h2load", 10, 32, 100, tls=True),
    Workload("tls-unary-100B-1x1", "h2load", 1, 1, 100, tls=True),
    Workload("tls-handshakes-full-8x1", "full", 8, 1, 100, tls=True),
    Workload("tls-handshakes-resumed-8x1", "resumed", 8, 1, 100, tls=True),
)
