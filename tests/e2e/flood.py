#!/usr/bin/python3
"""Forged TCP segments at a given rate, or as fast as one core sends them if that is less.

    flood.py DEVICE TO_MAC KIND RATE SECONDS VIP:PORT [SOURCE[:PORT]]...

KIND is the flags, like S, A, R, SA. Sources are random in 10.0.0.0/8 unless they are given; sequence numbers are random. Prints
"ready" when it begins, and in the end how many frames were sent.
"""

import os
import random
import socket
import struct
import sys
import time

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
FRAMES = 30_000  # made beforehand and sent round and round
BURST = 50


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(ethernet: bytes, source: bytes, source_port: int, target: bytes, port: int, flags: int) -> bytes:
    options = b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01" if flags & FLAGS["S"] else b""
    tcp = struct.pack("!HHIIBBHHH", source_port, port, random.getrandbits(32), random.getrandbits(32),
                      (20 + len(options)) // 4 << 4, flags, 65535, 0, 0) + options
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return ethernet + ip + tcp


def main() -> None:
    device, mac, kind, rate, seconds, vip, *sources = sys.argv[1:]
    host, port = vip.rsplit(":", 1)
    flags = sum(FLAGS[letter] for letter in kind)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((device, 0))
    ethernet = bytes.fromhex(mac.replace(":", "")) + out.getsockname()[4] + b"\x08\x00"
    random.seed(os.getpid())
    frames = []
    for _ in range(FRAMES):
        name, _, source_port = random.choice(sources).partition(":") if sources else ("", "", "")
        source = socket.inet_aton(name) if name else b"\x0a" + random.randbytes(3)
        frames.append(frame(ethernet, source, int(source_port or random.randint(1024, 65535)), socket.inet_aton(host),
                            int(port), flags))
    print("ready", flush=True)
    sent = 0
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < float(seconds):
        if sent > float(rate) * passed:
            time.sleep(0.0002)
            continue
        for one in frames[sent % FRAMES:][:BURST]:
            try:
                out.send(one)
            except OSError:  # the device's queue is full
                pass
            sent += 1
    print(sent)


main()
