#!/usr/bin/python3
"""tagged_arp.py DEVICE VLAN ADDRESS: asks by ARP, in a frame with that VLAN id, and prints the ids of the answers as JSON.

By packet sockets, as a kernel without 802.1Q can do it. It waits for an answer for SECONDS at most.
"""

import ipaddress
import json
import socket
import struct
import sys
import time

SECONDS = 1.0
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 0x10
ARP, TAGGED = 0x0806, 0x8100


def main() -> None:
    device, vlan, address = sys.argv[1], int(sys.argv[2]), ipaddress.IPv4Address(sys.argv[3])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as s:
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        s.bind((device, 0x0003))
        mac = s.getsockname()[4]
        sender = (address + 200).packed if int(address) % 256 < 50 else (address - 200).packed
        request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + sender + bytes(6) + address.packed
        s.send(b"\xff" * 6 + mac + struct.pack("!HHH", TAGGED, vlan, ARP) + request)
        answers = []
        until = time.monotonic() + SECONDS
        while not answers and time.monotonic() < until:
            s.settimeout(max(0.01, until - time.monotonic()))
            try:
                frame, extra, _, _ = s.recvmsg(2048, socket.CMSG_SPACE(20))
            except socket.timeout:
                break
            ids = [struct.unpack("=IIIHHHH", data[:20])[5] & 0x0FFF for level, kind, data in extra
                   if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and struct.unpack_from("=I", data)[0] & TP_STATUS_VLAN_VALID]
            if struct.unpack_from("!H", frame, 12)[0] == TAGGED:  # not yet taken out by the kernel
                ids = [struct.unpack_from("!H", frame, 14)[0] & 0x0FFF]
                frame = frame[:12] + frame[16:]
            reply = struct.unpack_from("!H", frame, 12)[0] == ARP and struct.unpack_from("!H", frame, 20)[0] == 2
            if reply and frame[28:32] == address.packed:
                answers.append(ids[0] if ids else 0)
    print(json.dumps(answers))


main()
