#!/usr/bin/python3
"""Packet garbage into both ports for ten seconds, beside live traffic: no crash, drops by reason, traffic unharmed."""

import subprocess
import sys
import time

from support import LabTest, layout, main, process, run, worker
from sluicelab.client import Client, failed

SECONDS = 10

# Truncations of a valid frame, random bytes, wrong lengths and checksums; about 5,000 frames a second.
GARBAGE = """
import random, socket, struct, sys, time
interface, mac, target, seconds, seed = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
rng = random.Random(seed)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
own = s.getsockname()[4]
def sum16(b):
    if len(b) % 2: b += b"\\0"
    t = sum(struct.unpack(f"!{len(b)//2}H", b))
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff
def ip(payload, protocol=6, **change):
    f = dict(vihl=0x45, tos=0, total=20 + len(payload), ident=1, frag=0, ttl=64, check=0)
    f.update(change)
    source = socket.inet_aton(target.rsplit(".", 1)[0] + "." + str(rng.randrange(1, 255)))
    head = struct.pack("!BBHHHBBH4s4s", f["vihl"], f["tos"], f["total"], f["ident"], f["frag"], f["ttl"], protocol, 0, source, socket.inet_aton(target))
    check = f["check"] or sum16(head)
    return head[:10] + struct.pack("!H", check) + head[12:] + payload, source
def tcp(source, payload=b"", bad=False, **change):
    f = dict(sport=rng.randrange(1, 65536), dport=50051, seq=rng.randrange(1 << 32), ack=rng.randrange(1 << 32), off=5, flags=rng.randrange(256))
    f.update(change)
    seg = struct.pack("!HHIIBBHHH", f["sport"], f["dport"], f["seq"], f["ack"], f["off"] << 4, f["flags"], 1000, 0, 0) + payload
    pseudo = source + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(seg))
    return seg[:16] + struct.pack("!H", sum16(pseudo + seg) ^ (0x5555 if bad else 0)) + seg[18:]
def valid():
    _, source = ip(b"")
    state = rng.getstate()
    packet, source = ip(b"\\0" * 20)
    rng.setstate(state)
    packet, source = ip(tcp(source, b"", flags=2))
    return mac + own + b"\\x08\\0" + packet
def frame():
    kind = rng.randrange(9)
    if kind == 0: return rng.randbytes(rng.randrange(14, 1514))
    if kind == 1:
        v = valid(); return v[:rng.randrange(14, len(v) + 1)]
    if kind == 2: return mac + own + rng.choice((b"\\x08\\0", b"\\x08\\6", b"\\x86\\xdd")) + rng.randbytes(rng.randrange(0, 200))
    if kind == 3:
        packet, source = ip(rng.randbytes(40), total=rng.randrange(65536)); return mac + own + b"\\x08\\0" + packet
    if kind == 4:
        packet, source = ip(rng.randbytes(40), vihl=0x40 | rng.randrange(16)); return mac + own + b"\\x08\\0" + packet
    if kind == 5:
        packet, source = ip(rng.randbytes(40), check=rng.randrange(1, 65536)); return mac + own + b"\\x08\\0" + packet
    state = rng.getstate(); _, source = ip(b""); rng.setstate(state)
    if kind == 6: seg = tcp(source, rng.randbytes(rng.randrange(200)), bad=True)
    elif kind == 7: seg = tcp(source, rng.randbytes(rng.randrange(200)), off=rng.randrange(16))
    else: return mac + own + b"\\x08\\0" + ip(rng.randbytes(rng.randrange(60)), protocol=rng.choice((1, 17, 47, 58)))[0]
    rng_state = rng.getstate(); rng.setstate(state); packet, _ = ip(seg); rng.setstate(rng_state)
    return mac + own + b"\\x08\\0" + packet
end = time.monotonic() + seconds
sent = 0
while time.monotonic() < end:
    for _ in range(50):
        try:
            s.send(frame()); sent += 1
        except OSError:
            pass
    time.sleep(0.01)
print(sent)
"""


def mac_of(namespace: str, address: str) -> str:
    run(namespace, "ping", "-c", "1", "-W", "2", address, check=False)
    neighbour = run(namespace, "ip", "-o", "neigh", "show", address)
    return neighbour.split("lladdr ")[1].split()[0].replace(":", "")


def interface_of(namespace: str, address: str) -> str:
    return run(namespace, "ip", "-o", "route", "get", address).split(" dev ")[1].split()[0]


class Garbage(LabTest):
    pods = 2

    def test_garbage_on_both_ports_harms_nobody(self) -> None:
        client = Client(in_flight=10, delay=2, interval=500)
        time.sleep(0.5)
        senders = []
        for seed, (namespace, address) in enumerate(((layout.CLIENT_NAMESPACE, layout.VIP),
                                                     (layout.SOUTH_NAMESPACE, layout.SOUTH_ADDRESS)), 1):
            command = [sys.executable, "-c", GARBAGE, interface_of(namespace, address), mac_of(namespace, address), address,
                       str(SECONDS), str(seed)]
            senders.append(subprocess.Popen(process.in_namespace(namespace, command), stdout=subprocess.PIPE, text=True,
                                            preexec_fn=process.common_core))
        sent = [int(sender.communicate(timeout=60)[0]) for sender in senders]
        report = client.stop()
        print(f"{sent} frames of garbage beside {sum(report['calls'].values())} calls")
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(report["connections"], 1)
        for port in worker()["ports"]:
            drops = {name: count for name, count in port["drops"].items() if count}
            print(port["name"], drops)
            for reason in ("ip_total_length", "ip_header_length", "ip_checksum", "tcp_checksum", "unknown_protocol",
                           "not_our_mac", "arp_malformed", "ip_short"):
                self.assertGreater(drops.get(reason, 0), 0, reason)


main()
