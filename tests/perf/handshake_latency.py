#!/usr/bin/python3
"""How much TLS handshakes delay the calls of other connections of the same worker.

The worker has core 0. Core 1 has the helper thread that makes the handshakes, the clients and the pod. A first run measures how
many handshakes a core makes. Then one client makes calls over cleartext HTTP/2, one at a time, 500 a second. In every other second
a second client begins handshakes without tickets at half of the measured rate. The second client sends a ClientHello, waits for the
server's flight, which has the signature, and resets the connection, since the client's part of a handshake would take more of
core 1 than the server's. The first client and the pod run at SCHED_FIFO: a helper does not delay them, as it does not on machines of
their own. The command compares the p99 of the seconds with handshakes with the p99 of the seconds between. Needs root.
"""

import argparse
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import certificates, daemon, lab, layout  # noqa: E402
from sluicelab.process import LabError, common_core, in_namespace, wait_until  # noqa: E402

CALL_EVERY = 0.002   # seconds
NAME = "echo.lab"
WINDOW = 1.0         # seconds with handshakes, and as many without
ALLOWED_US = 300
MEASURED_HANDSHAKES = 5


def literal(name: bytes, value: bytes) -> bytes:
    """A field of HPACK, in no table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


REQUEST = b"\x83\x86" + b"".join(literal(*field) for field in (
    (b":path", b"/sluice.lab.Echo/Unary"), (b":authority", b"echo.lab"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))


def call_for(seconds: float) -> None:
    """Inside the client's namespace: prints for each call its time since the beginning and its latency, both in microseconds."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    connection = socket.create_connection((layout.VIP, layout.PORT), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
    buffered, stream, lines = b"", -1, []
    began = time.monotonic()
    due = began
    while due < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        due += CALL_EVERY
        stream += 2
        asked = time.monotonic()
        connection.sendall(frame(1, 4, stream, REQUEST) + frame(0, 1, stream, bytes(5)))
        over = False
        while not over:
            while len(buffered) < 9 or len(buffered) < 9 + int.from_bytes(buffered[:3], "big"):
                more = connection.recv(65536)
                if not more:
                    raise SystemExit("the connection of the calls has ended")
                buffered += more
            size, kind, flags = int.from_bytes(buffered[:3], "big"), buffered[3], buffered[4]
            payload, buffered = buffered[9:9 + size], buffered[9 + size:]
            over = kind in (0, 1) and flags & 1 == 1
            if kind == 4 and flags == 0:
                connection.sendall(frame(4, 1, 0))
            elif kind == 6 and flags == 0:
                connection.sendall(frame(6, 1, 0, payload))
            elif kind in (3, 7):
                raise SystemExit(f"frame of type {kind} instead of an answer: {payload!r}")
        lines.append(f"{(asked - began) * 1e6:.0f} {(time.monotonic() - asked) * 1e6:.1f}")
    print("\n".join(lines))


def client_hello() -> bytes:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=NAME).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def shake(seconds: float, rate: float) -> None:
    """Inside the client's namespace: begins `rate` handshakes a second in every second window, the first window being without."""
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    hello, began, done = client_hello(), time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        window, within = divmod(now - began, WINDOW)
        if window % 2 == 0:
            time.sleep(WINDOW - within)
            due = time.monotonic()
            continue
        if now < due:
            time.sleep(due - now)
        due += 1 / rate
        with socket.socket() as one:
            one.settimeout(5)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.connect((layout.VIP, layout.TLS_PORT))
            one.sendall(hello)
            if len(one.recv(16384)) > 100:
                done += 1
    print(done)


def in_client(*words: str) -> subprocess.Popen:
    return subprocess.Popen(in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, __file__, *words]), text=True,
                            stdout=subprocess.PIPE, preexec_fn=common_core)


def handshakes_of_a_core(kind: str) -> float:
    done = subprocess.run([str(layout.build_dir() / "tests" / "perf" / "handshakes"), kind, "1", str(MEASURED_HANDSHAKES)], text=True,
                          stdout=subprocess.PIPE, check=True)
    return 1e6 / json.loads(done.stdout.splitlines()[-1])["cpu_us_by_one"]


def use_key(kind: str) -> None:
    """The lab's certificate gets a key of this kind. sluiced sees the change by itself."""
    def generation() -> int:
        return daemon.ask("stats")["generation"]
    before = generation()
    pair = lab.status()["tls"]["certificates"][0]
    fresh = certificates.issue(layout.TLS_DIR, f"fresh-{kind}", certificates.NAMES, kind)
    for part in ("key", "certificate"):
        Path(pair[part]).write_text(Path(fresh[part]).read_text())
    if not wait_until(lambda: generation() > before, 20):
        raise LabError("the changed certificate is not in use")


def pods_first() -> None:
    for pod in lab.status()["pods"]:
        for task in Path(f"/proc/{pod['pid']}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(10))


def worker_first() -> None:
    """Other processes of the machine take little of the worker's core."""
    for task in Path(f"/proc/{lab.status()['sluiced']['pid']}/task").iterdir():
        if re.fullmatch(r"(rte|dpdk)-worker.*", (task / "comm").read_text().strip()):
            os.setpriority(os.PRIO_PROCESS, int(task.name), -20)


def p99(values: list) -> float:
    values.sort()
    return values[min(len(values) - 1, int(len(values) * 0.99))]


def measure(kind: str, seconds: float) -> bool:
    use_key(kind)
    rate = handshakes_of_a_core(kind) / 2
    calls, shaking = in_client("--call", str(seconds)), in_client("--shake", str(seconds), "--rate", str(rate))
    said, shaken = calls.communicate()[0], int(shaking.communicate()[0])
    windows: tuple = ([], [])
    for line in said.splitlines():
        at, latency = map(float, line.split())
        window, within = divmod(at / 1e6, WINDOW)
        if 0.1 < within / WINDOW < 0.9:  # the two clients do not begin at the same moment
            windows[int(window) % 2].append(latency)
    without, beside = map(p99, windows)
    print(f"{kind}: {rate:.0f} handshakes/s wanted, {shaken / (seconds / 2):.0f} made; p99 of {len(windows[0])} calls without "
          f"{without:.0f} us, of {len(windows[1])} beside them {beside:.0f} us: {beside - without:+.0f} us", flush=True)
    return beside - without <= ALLOWED_US


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="for each kind of key (30)")
    parser.add_argument("--call", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--shake", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.call:
        call_for(given.call)
        return 0
    if given.shake:
        shake(given.shake, given.rate)
        return 0
    lab.up(1, "af_xdp", workers=1, tls=True)
    try:
        pods_first()
        worker_first()
        return 0 if all([measure(kind, given.seconds) for kind in ("ecdsa", "rsa")]) else 1
    finally:
        lab.down()


if __name__ == "__main__":
    sys.exit(main())
