#!/usr/bin/python3
"""Floods and forgeries from the client's network while real clients go on: SYNs from strangers, ACKs of nothing, resets and SYNs
into live connections. Each shows in a counter of its own, and its cost is bounded."""

import re
import subprocess
import time
from pathlib import Path

from support import SANITIZED, LabTest, configuration, lab, layout, main, process, run, worker

from sluicelab import client  # found by support

SECONDS = 5
# Frames a second. What AF_XDP on a veth pair carries to Sluice and back is a little over 200,000, on a good day; beyond that the
# pair drops everybody's frames before Sluice sees them.
RATE = 20_000 if SANITIZED else 120_000
HEATS = 3          # each at half the rate of the one before
ARRIVED = 0.98     # of the strangers' frames; with fewer, a heat says something of the pair and nothing of Sluice
CONNECT_FRAMES = 5  # what a client sends for a connection here
HALF_OPEN = 1024  # [memory] half_open here: small, so that cookies are needed at once
CONNECT_SECONDS = 3.0  # a SYN of a client that the pair drops is sent again after one
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
FLOOD = str(Path(__file__).with_name("flood.py"))
VIP = f"{layout.VIP}:{layout.PORT}"


def sluice_mac() -> str:
    run(layout.CLIENT_NAMESPACE, "ping", "-c", "1", layout.VIP)
    known = run(layout.CLIENT_NAMESPACE, "ip", "neighbour", "show", layout.VIP)
    return re.search(r"lladdr (\S+)", known).group(1)


def flood(kind: str, *sources: str, seconds: int = SECONDS, rate: int = RATE) -> subprocess.Popen:
    """Once it has begun."""
    command = ["/usr/bin/python3", FLOOD, "eth0", sluice_mac(), kind, str(rate), str(seconds), VIP, *sources]
    strangers = subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, command), stdout=subprocess.PIPE, text=True,
                                 preexec_fn=process.common_core)
    strangers.stdout.readline()
    return strangers


def frames_sent(strangers: subprocess.Popen) -> int:
    """Once it has ended."""
    sent = int(strangers.stdout.readline())
    strangers.wait()
    return sent


def frames_received() -> int:
    """By Sluice, from the north."""
    return worker()["ports"][0]["rx_packets"]


CONNECTS = r"""
import socket, sys, time
address, port, seconds, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
preface = bytes.fromhex(sys.argv[5])
tried = made = 0
until = time.monotonic() + seconds
while time.monotonic() < until:
    tried += 1
    try:
        with socket.create_connection((address, port), timeout=patience) as s:
            s.sendall(preface)
            made += len(s.recv(9)) == 9  # its SETTINGS: the connection is Sluice's, too
    except OSError:
        pass
    time.sleep(0.005)
print(tried, made)
"""


class Attacks(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        text = configuration.sluiced_toml(cls.driver)
        north = f'addresses = ["{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}"]\n'
        # The strangers lie behind the client, so that answers to them leave.
        text = text.replace(north, north + f'routes = [{{ to = "10.0.0.0/8", via = "{layout.CLIENT_ADDRESS}" }}]\n')
        layout.CONFIG_FILE.write_text(text + f"\n[memory]\nhalf_open = {HALF_OPEN}\n")
        lab.restart_sluiced()

    def counted(self, name: str) -> int:
        return worker()["tcp"][name]

    def test_real_clients_connect_during_a_syn_flood(self) -> None:
        for heat in range(HEATS):
            received = frames_received()
            strangers = flood("S", rate=RATE >> heat)
            said = run(layout.CLIENT_NAMESPACE, "/usr/bin/python3", "-c", CONNECTS, layout.VIP, str(layout.PORT), str(SECONDS - 1.5),
                       str(CONNECT_SECONDS), PREFACE.hex())
            half_open = self.counted("half_open")
            sent = frames_sent(strangers)
            tried, made = map(int, said.split())
            arrived = (frames_received() - received - CONNECT_FRAMES * made) / sent
            tcp = worker()["tcp"]
            print(f"{sent / SECONDS:,.0f} SYNs/s of strangers, of which {arrived:.1%} arrived; {made} of {tried} connects within "
                  f"{CONNECT_SECONDS} s; cookies sent {tcp['cookies_sent']}, accepted {tcp['cookies_accepted']}")
            if arrived >= ARRIVED:
                break
        self.assertGreaterEqual(made, 0.95 * tried)
        self.assertGreater(tried, 20)
        self.assertLessEqual(half_open, HALF_OPEN * layout.default_workers())  # each has a table
        self.assertGreater(tcp["half_open_overflow"], 1000)
        self.assertGreater(tcp["cookies_sent"], 1000)
        self.assertGreater(tcp["cookies_accepted"], 0.5 * made)
        self.assertLess(tcp["connections"], 100)

    def test_calls_go_on_while_others_forge_segments_of_their_connection(self) -> None:
        """Blind resets, SYNs and ACKs with the right addresses and ports, and random numbers."""
        for kind, counter in (("R", "resets_ignored"), ("S", "out_of_window"), ("A", "out_of_window")):
            with self.subTest(kind):
                before = worker()["tcp"]
                caller = client.Client()
                self.assertTrue(process.wait_until(lambda: self.ports(), 5))
                forged = flood(kind, *(f"{layout.CLIENT_ADDRESS}:{port}" for port in self.ports()), seconds=3)
                time.sleep(1)
                half = caller.fresh()
                sent = frames_sent(forged)
                report = caller.stop()
                after = worker()["tcp"]
                calls = sum(report["calls"].values())
                print(f"{kind}: {sent / 3:,.0f} a second forged, {calls} calls, {client.failed(report)} failed")
                self.assertEqual(client.failed(report), 0, report)
                self.assertEqual(report["connections"], 1)
                self.assertGreater(calls, sum(half["calls"].values()), "no calls meanwhile")
                self.assertGreater(after[counter] - before[counter], 1000, counter)
                # RFC 5961, 7: two hundred a second, and a burst.
                self.assertLess(after["challenge_acks"] - before["challenge_acks"], 200 * 6)

    def ports(self) -> list:
        """Of the client's live connections to the VIP."""
        shown = run(layout.CLIENT_NAMESPACE, "ss", "-Htn", "state", "established", "dst", VIP)
        return [line.split()[2].rpartition(":")[2] for line in shown.splitlines()]

    def test_acks_of_nothing_are_reset_and_open_nothing(self) -> None:
        before = worker()["tcp"]
        strangers = flood("A", seconds=2)
        sent = frames_sent(strangers)
        after = worker()["tcp"]
        known = sum(after[name] - before[name] for name in ("no_connection", "cookies_bad"))
        print(f"{sent / 2:,.0f} ACKs/s of strangers, {known} counted")
        self.assertGreater(known, 1000)
        self.assertLess(after["connections"], 50)


main()
