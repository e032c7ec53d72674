"""When connections to a pod take their first steps, as the pod's own interface sees them."""

import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SO_TIMESTAMPNS = 35
HEADERS = 1


def holds_headers(payload: bytes) -> bool:
    """Whether a frame of the segment is HEADERS. Segments that begin within a frame look like anything; the first of a connection do not."""
    at = len(PREFACE) if payload.startswith(PREFACE) else 0
    while at + 9 <= len(payload):
        if payload[at + 3] == HEADERS:
            return True
        at += 9 + int.from_bytes(payload[at:at + 3], "big")
    return False


def watch(port: int) -> None:
    """In the pod's namespace: a line for each first step, with the kernel's time."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
    wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    told: set = set()
    print("ready", flush=True)
    while True:
        packet, ancillary, _, _ = wire.recvmsg(2048, 64)
        if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            continue
        head = 4 * (packet[0] & 15)
        source, target = struct.unpack_from("!HH", packet, head)
        if port not in (source, target):
            continue
        inward = target == port
        flags = packet[head + 13]
        payload = packet[head + 4 * (packet[head + 12] >> 4):struct.unpack_from("!H", packet, 2)[0]]
        peer = source if inward else target
        if flags & 2:
            step = "SYN" if inward else "SYN-ACK"
            told -= {(peer, "to pod"), (peer, "from pod"), (peer, "call")}
        elif flags & 4:
            step = "RST"
        elif payload:
            step = "to pod" if inward else "from pod"
        else:
            continue
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        for name in (step, "call" if inward and payload and holds_headers(payload) else None):
            if name is None or (payload and (peer, name) in told):
                continue
            told.add((peer, name))
            print(f"{seconds + nanoseconds / 1e9:.6f} {name}", flush=True)


class Wire:
    """Watches pod `number` of the lab from construction to stop()."""

    def __init__(self, number: int, port: int) -> None:
        from support import layout, process
        self._process = subprocess.Popen(process.in_namespace(layout.pod_namespace(number), [
            "/usr/bin/python3", str(Path(__file__).resolve()), str(port)]), stdout=subprocess.PIPE, text=True, preexec_fn=process.common_core)
        self._lines: list = []
        assert self._process.stdout.readline() == "ready\n"
        self._reader = threading.Thread(target=lambda: self._lines.extend(self._process.stdout), daemon=True)
        self._reader.start()

    def stop(self) -> list:
        """(time as time.time(), step) in order: SYN, SYN-ACK, RST, and the first "to pod", "from pod" and "call" of a connection."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        words = [line.split(" ", 1) for line in self._lines if line.endswith("\n")]
        return [(float(at), step.strip()) for at, step in words]


if __name__ == "__main__":
    watch(int(sys.argv[1]))
