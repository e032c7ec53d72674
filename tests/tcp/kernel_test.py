#!/usr/bin/env python3
"""The stack against this machine's kernel over an impaired TUN wire, in both directions, byte for
byte. Needs root; works in a network namespace of its own.

    kernel_test.py KERNEL_PEER [MEGABYTES]
"""

import socket
import struct
import subprocess
import sys
import threading
import time

NAMESPACE = "sluice-tcp-test"
DEVICE = "tcp0"
PEER = "198.18.9.2"

CASES = [
    # name, impairment, megabytes
    ("a clean wire", [], 64),
    ("1 % loss, 20 ms round trip", ["loss=0.005", "delay=10"], 8),
    ("5 % reordering", ["reorder=0.05", "delay=2"], 8),
    ("10 % loss, jitter and duplicates", ["loss=0.05", "delay=1", "jitter=2", "duplicate=0.02"], 2),
    ("100 ms round trip", ["delay=50"], 8),
]


def pattern(start, count):
    return bytes((p * 131 + (p >> 11)) & 0xFF for p in range(start, start + count))


BLOCK = pattern(0, 1 << 19)  # the pattern's period: 256 * 2048 bytes


def pattern_stream(total):
    sent = 0
    while sent < total:
        n = min(len(BLOCK), total - sent)
        yield BLOCK[:n]
        sent += n


def connect(port):
    s = socket.socket()
    s.settimeout(60)
    # The same algorithm on both ends, so that the two directions can be compared.
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    s.connect((PEER, port))
    return s


def source(total):
    """The stack sends."""
    s = connect(19)
    s.sendall(struct.pack(">Q", total))
    got = 0
    while True:
        data = s.recv(1 << 18)
        if not data:
            break
        at = got % len(BLOCK)
        expected = BLOCK[at : at + len(data)]
        if len(expected) < len(data):
            expected += BLOCK[: len(data) - len(expected)]
        assert data == expected, f"wrong bytes after {got}"
        got += len(data)
    assert got == total, f"{got} of {total} bytes"
    s.close()


def discard(total):
    """The kernel sends."""
    s = connect(9)
    for block in pattern_stream(total):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    answer = b""
    while True:
        data = s.recv(100)
        if not data:
            break
        answer += data
    assert answer == b"ok %d\n" % total, answer
    s.close()


def echo(total):
    """Both at once."""
    s = connect(7)
    error = []

    def write():
        try:
            for block in pattern_stream(total):
                s.sendall(block)
            s.shutdown(socket.SHUT_WR)
        except OSError as e:
            error.append(e)

    t = threading.Thread(target=write)
    t.start()
    got = 0
    while True:
        data = s.recv(1 << 18)
        if not data:
            break
        at = got % len(BLOCK)
        expected = (BLOCK[at:] + BLOCK)[: len(data)]
        assert data == expected, f"wrong bytes after {got}"
        got += len(data)
    t.join()
    assert not error and got == total, (error, got)
    s.close()


def short(count):
    """Connections opened and closed one after another."""
    for _ in range(count):
        s = connect(7)
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            data = s.recv(100)
            if not data:
                break
            got += data
        assert got == b"hello", got
        s.close()


def inside(peer, scale):
    failed = 0
    only = [a[7:] for a in sys.argv if a.startswith("--only=")]
    services = [f for f in (source, discard, echo) if not only or f.__name__ in only]
    for name, impairment, megabytes in CASES:
        p = subprocess.Popen([peer, DEVICE, *impairment], stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "ready\n"
        subprocess.check_call(["ip", "addr", "add", "198.18.9.1/24", "dev", DEVICE])
        subprocess.check_call(["ip", "link", "set", DEVICE, "up"])
        total = int(megabytes * scale * 1e6)
        for what in services:
            begin = time.monotonic()
            try:
                what(total)
                verdict = f"{total * 8e-6 / (time.monotonic() - begin):9.1f} Mbit/s"
            except (AssertionError, OSError) as e:
                failed += 1
                verdict = f"FAILED: {e}"
            print(f"{name:34} {what.__name__:8} {verdict}", flush=True)
        if not impairment:
            try:
                short(500)
            except (AssertionError, OSError) as e:
                failed += 1
                print("short connections FAILED:", e)
        time.sleep(1.5)  # the last ACKs of the last connection
        p.terminate()
        rest = p.stdout.read()
        if p.wait() != 0 or "connections 0" not in rest:
            failed += 1
            print("FAILED at the end:")
        if "-v" in sys.argv or failed:
            print(rest)
    return 1 if failed else 0


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("-")]
    scale = float(args[1]) if len(args) > 1 else 1.0
    if "--inside" in sys.argv:
        sys.exit(inside(args[0], scale))
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL)
    subprocess.check_call(["ip", "netns", "add", NAMESPACE])
    try:
        code = subprocess.call(
            ["ip", "netns", "exec", NAMESPACE, sys.executable, __file__, *sys.argv[1:], "--inside"]
        )
    finally:
        subprocess.call(["ip", "netns", "del", NAMESPACE])
    sys.exit(code)


if __name__ == "__main__":
    main()
