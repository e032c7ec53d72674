#!/usr/bin/python3
"""Clients that do with TCP what no kernel does: connections made of raw frames.

    raw_peer.py DEVICE TO_MAC KIND CONNECTIONS SECONDS VIP:PORT

They come from 10.9.0.1. KIND is one of
  gaps:SIZE  preface and SETTINGS, then 192 pieces of SIZE bytes with a byte missing between them, then nothing
  shut       the window stays shut, and window probes are answered
Prints "ready" once the connections stand and the attack has been sent, and how many connections were reset in the end.
"""

import os
import socket
import struct
import sys
import time

SOURCE = "10.9.0.1"
FIN, SYN, RST, ACK = 1, 2, 4, 16
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
PIECES = 192
BATCH = 50  # connections opened at once
PAUSE = 0.0001  # between frames: no queue on the way overflows


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\x00"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Peer:
    def __init__(self, device: str, mac: str, vip: str, window: int) -> None:
        host, port = vip.rsplit(":", 1)
        self.vip, self.port, self.window = socket.inet_aton(host), int(port), window
        self.source = socket.inet_aton(SOURCE)
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.out.bind((device, 0x0800))
        self.ethernet = bytes.fromhex(mac.replace(":", "")) + self.out.getsockname()[4] + b"\x08\x00"
        self.acknowledged = {}  # port of a connection: what Sluice has sent so far, in order
        self.resets = set()

    def send(self, port: int, seq: int, ack: int, flags: int, data: bytes = b"") -> None:
        options = b"\x02\x04\x05\xb4\x04\x02\x01\x01" if flags & SYN else b""  # MSS, SACK permitted
        header = struct.pack("!HHIIBBHHH", port, self.port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, (20 + len(options)) // 4 << 4,
                             flags, self.window, 0, 0)
        tcp = header + options + data
        tcp = tcp[:16] + struct.pack("!H", checksum(self.source + self.vip + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + self.source + self.vip
        self.out.send(self.ethernet + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp)
        time.sleep(PAUSE)

    def hear(self, seconds: float):
        """Segments for these clients within so long: port, seq, flags, size of the payload."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.out.settimeout(left)
            try:
                frame = self.out.recv(2048)
            except (TimeoutError, socket.timeout):
                return
            if len(frame) < 54 or frame[23] != 6 or frame[30:34] != self.source:
                continue
            total = struct.unpack("!H", frame[16:18])[0]
            port, seq = struct.unpack("!HI", frame[36:42])
            flags = frame[47]
            size = total - 20 - (frame[46] >> 4) * 4
            if flags & RST:
                self.resets.add(port)
            yield port, seq, flags, size

    def connect(self, ports) -> None:
        for begin in range(0, len(ports), BATCH):
            wanted = set(ports[begin:begin + BATCH])
            for _ in range(5):
                for port in wanted:
                    self.send(port, 0, 0, SYN)
                for port, seq, flags, _ in self.hear(0.5):
                    if port in wanted and flags & SYN:
                        self.acknowledged[port] = seq + 1
                        self.send(port, 1, seq + 1, ACK)
                        wanted.discard(port)
                    if not wanted:
                        break
                if not wanted:
                    break
            if wanted:
                sys.exit(f"{len(wanted)} connections were not accepted")

    def answer(self, seconds: float) -> None:
        """ACKs of all that comes, for so long; with a window of zero, of nothing but probes."""
        for port, seq, flags, size in self.hear(seconds):
            if port not in self.acknowledged or flags & (RST | SYN):
                continue
            if self.window > 0 and seq == self.acknowledged[port] and size > 0:
                self.acknowledged[port] += size
            self.send(port, self.sent, self.acknowledged[port], ACK)

    sent = 1  # sequence number behind what each connection has sent in order


def main() -> None:
    device, mac, kind, connections, seconds, vip = sys.argv[1:]
    kind, _, size = kind.partition(":")
    peer = Peer(device, mac, vip, 0 if kind == "shut" else 65535)
    first = 1024 + os.getpid() * 1000 % 60_000  # another one's connections may still stand
    ports = list(range(first, first + int(connections)))
    peer.connect(ports)
    if kind == "gaps":
        for port in ports:
            peer.send(port, 1, peer.acknowledged[port], ACK, HELLO)
        peer.sent += len(HELLO)
        for k in range(PIECES):
            for port in ports:
                peer.send(port, peer.sent + 1 + k * (int(size) + 1), peer.acknowledged[port], ACK, bytes(int(size)))
    print("ready", flush=True)
    peer.answer(float(seconds))
    print(len(peer.resets))


main()
