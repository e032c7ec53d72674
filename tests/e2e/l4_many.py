#!/usr/bin/python3
"""A datagram from each of COUNT addresses and ports, as fast as the device takes them: l4_many.py DEVICE TO_MAC VIP:PORT COUNT.

Prints how many were sent. The checksum is left out, as IPv4 allows."""

import socket
import struct
import sys

PORTS = 50_000  # of one source


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main() -> None:
    device, mac, vip, count = sys.argv[1:]
    host, port = vip.rsplit(":", 1)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    out.bind((device, 0))
    ethernet = bytes.fromhex(mac.replace(":", "")) + out.getsockname()[4] + b"\x08\x00"
    sent = 0
    while sent < int(count):
        source = struct.pack("!I", 0x0a000000 + sent // PORTS)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 32, 0, 0x4000, 64, 17, 0) + source + socket.inet_aton(host)
        head = ethernet + header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        for number in range(min(PORTS, int(count) - sent)):
            frame = head + struct.pack("!HHHHI", 1024 + number, int(port), 12, 0, number)
            while True:
                try:
                    out.send(frame)
                    break
                except OSError:  # the device's queue is full
                    pass
            sent += 1
    print(sent)


main()
