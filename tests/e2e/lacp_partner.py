#!/usr/bin/python3
"""The switch's side of LACP (IEEE 802.1AX, 6.4.2.3) at these interfaces: answers each LACPDU with its own state, in order and ready, and
the state that it was told. usage: lacp_partner.py INTERFACE..."""

import select
import socket
import sys

SLOW = 0x8809
TO = bytes.fromhex("0180c2000002")
LACP, VERSION = 1, 1
ACTOR, PARTNER, COLLECTOR, INFORMATION = 1, 2, 3, 20  # types of the parts, and the length of the first two
SYSTEM = bytes.fromhex("0200000000aa")
ACTIVE, SHORT_TIMEOUT, AGGREGATION, SYNCHRONIZATION, COLLECTING, DISTRIBUTING = (1 << bit for bit in range(6))
READY = ACTIVE | SHORT_TIMEOUT | AGGREGATION | SYNCHRONIZATION | COLLECTING | DISTRIBUTING


def answer(heard: bytes, port: int) -> bytes:
    actor = heard[18:18 + INFORMATION - 5]  # behind headers, subtype, version, type and length: priority, system, key, port, state
    mine = bytes.fromhex("8000") + SYSTEM + bytes.fromhex("0001") + bytes.fromhex("8000") + port.to_bytes(2, "big") + bytes([READY])
    parts = bytes([ACTOR, INFORMATION]) + mine + bytes(3) + bytes([PARTNER, INFORMATION]) + actor + bytes(3)
    parts += bytes([COLLECTOR, 16]) + bytes(14)
    return TO + SYSTEM + SLOW.to_bytes(2, "big") + bytes([LACP, VERSION]) + parts + bytes(52)


def main() -> None:
    sockets = []
    for interface in sys.argv[1:]:
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(SLOW))
        one.bind((interface, SLOW))
        sockets.append(one)
    while True:
        for one in select.select(sockets, [], [])[0]:
            heard, address = one.recvfrom(2048)
            if address[2] == socket.PACKET_OUTGOING or len(heard) < 110 or heard[14] != LACP:
                continue
            try:
                one.send(answer(heard, sockets.index(one) + 1))
            except OSError:
                pass  # the link is down


main()
