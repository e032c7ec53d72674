#!/usr/bin/python3
"""L4 listeners under load that nobody means well: a flood of SYNs beside real connections, and a million flows."""

import json
import subprocess
import sys
import time
from pathlib import Path

from support import SANITIZED, LabTest, configuration, daemon, lab, layout, main, process, run

PEER = str(Path(__file__).with_name("l4_peer.py"))
FLOOD = str(Path(__file__).with_name("flood.py"))
MANY = str(Path(__file__).with_name("l4_many.py"))
ECHO_PORT = 7000
SINK_PORT = 7002
SYN_RATE = 20_000  # a second, of which the kernel's side of the cable sends as many as it can
SECONDS = 6
CONNECTIONS = 300
FLOWS = 100_000 if SANITIZED else 1_000_000
ROUNDS = 4
TABLES = f"""
[memory]
flows = {FLOWS}

[[listener]]
name = "echo"
address = "{layout.VIP}:{ECHO_PORT}"
protocol = "tcp"
service = "echo-pods"

[[service]]
name = "echo-pods"
endpoints = [{{ address = "{layout.pod_address(1)}:{ECHO_PORT}" }}]

[[listener]]
name = "sink"
address = "{layout.VIP}:{SINK_PORT}"
protocol = "udp"
mode = "dsr"
service = "sink-pods"

[[service]]
name = "sink-pods"
endpoints = [{{ address = "{layout.pod_address(2)}:{SINK_PORT}" }}]
"""


def l4(name: str) -> int:
    return sum(worker["l4"][name] for worker in daemon.ask("stats")["workers"])


class Floods(LabTest):
    workers = 2
    pods = 2

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(cls.pods, workers=cls.workers)
        cls.addClassCleanup(lab.down)
        layout.CONFIG_FILE.write_text(configuration.sluiced_toml(cls.driver, extra=TABLES))
        lab.restart_sluiced()
        server = process.spawn(layout.pod_namespace(1), [sys.executable, PEER, "serve", "pod1", layout.pod_address(1), str(ECHO_PORT)],
                               layout.RUN_DIR / "echo.log")
        cls.addClassCleanup(process.kill, server)

    def connect(self, count: int) -> int:
        """So many connections, one after the other; how many were answered whole."""
        return int(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, "try", layout.VIP, str(ECHO_PORT), str(count)))

    def vip_mac(self) -> str:
        run(layout.CLIENT_NAMESPACE, "ping", "-c", "1", layout.NORTH_ADDRESS)
        neighbours = json.loads(run(layout.CLIENT_NAMESPACE, "ip", "-j", "neighbour", "show", layout.NORTH_ADDRESS))
        return neighbours[0]["lladdr"]

    def spawn(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, *words]), stdout=subprocess.PIPE, text=True,
                                preexec_fn=process.common_core)

    def test_real_connections_succeed_beside_a_flood_of_syns(self) -> None:
        self.assertEqual(self.connect(20), 20)
        strangers = self.spawn(FLOOD, "eth0", self.vip_mac(), "S", str(SYN_RATE), str(SECONDS), f"{layout.VIP}:{ECHO_PORT}")
        self.assertEqual(strangers.stdout.readline(), "ready\n")
        tried = answered = 0
        while strangers.poll() is None:
            answered += self.connect(CONNECTIONS // 10)
            tried += CONNECTIONS // 10
        flood = int(strangers.stdout.read())
        self.assertGreaterEqual(answered, 0.95 * tried)
        self.assertGreater(flood, 10_000)
        print(f"{answered} of {tried} connections beside {flood} SYNs")

    def test_a_million_flows_are_kept_and_listed_while_connections_go_on(self) -> None:
        before = l4("flows")
        for _ in range(ROUNDS):  # a busy machine loses some at the port
            sender = self.spawn(MANY, "eth0", self.vip_mac(), f"{layout.VIP}:{SINK_PORT}", str(FLOWS))
            self.assertEqual(int(sender.stdout.read()), FLOWS)
            self.assertEqual(sender.wait(10), 0)
            if l4("flows") - before > 0.95 * FLOWS:
                break
        self.assertGreater(l4("flows") - before, 0.95 * FLOWS)
        began = time.monotonic()
        listing = subprocess.Popen([str(layout.sluicectl_binary()), "--socket", str(layout.ADMIN_SOCKET), "flows", "--listener", "sink"],
                                   stdout=subprocess.PIPE, preexec_fn=process.common_core)
        answered = self.connect(20)
        lines = sum(1 for _ in listing.stdout)
        self.assertEqual(listing.wait(60), 0)
        self.assertEqual(answered, 20)
        self.assertGreater(lines, 0.9 * FLOWS)
        print(f"{lines} flows listed in {time.monotonic() - began:.1f} s")


main()
