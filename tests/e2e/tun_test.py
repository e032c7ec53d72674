#!/usr/bin/python3
"""TAP ports of Sluice's own: calls of every kind, large bodies up and down, IPv4 and IPv6, ping, a restart; and the packets are larger
than the MTU on both sides."""

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from support import CLIENT, LabTest, daemon, lab, layout, main, run, worker

CALLS = 500
MIB = 1 << 20
CLIENTS = {"IPv4": layout.VIP, "IPv6": f"[{layout.VIP_6}]"}
PODS = {"IPv4": layout.PORT, "IPv6": layout.IPV6_PODS_PORT}


class Grpc(LabTest):
    driver = "tun"
    pods = 2

    def check_calls(self) -> None:
        for line in run(layout.CLIENT_NAMESPACE, CLIENT, "--check", "yes", check=False).splitlines():
            check = json.loads(line)
            with self.subTest(check["check"]):
                self.assertTrue(check["ok"], check["why"])

    def test_every_kind_of_call_is_whole(self) -> None:
        self.check_calls()

    def test_the_virtual_address_answers_ping(self) -> None:
        self.assertIn(" 3 received", run(layout.CLIENT_NAMESPACE, "ping", "-c", "3", "-i", "0.2", "-w", "10", layout.VIP))

    def test_calls_go_on_after_a_restart(self) -> None:
        lab.restart_sluiced()
        self.check_calls()
        self.assertTrue(all(row["state"] == "READY" for row in daemon.pod_rows().values()))


class Bodies(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, "tun", pod_command="nghttpd --no-tls -n 1 --echo-upload -d /etc $POD_PORT", ipv6=True)
        cls.addClassCleanup(lab.down)

    def test_every_family_reaches_every_other(self) -> None:
        for client, address in CLIENTS.items():
            for pod, port in PODS.items():
                with self.subTest(f"{client} client, {pod} pod"):
                    said = run(layout.CLIENT_NAMESPACE, "h2load", "-n", str(CALLS), "-c", "5", "-m", "20",
                               f"http://{address}:{port}/hostname")
                    succeeded, failed = re.search(r"(\d+) succeeded, (\d+) failed", said).groups()
                    self.assertEqual((int(succeeded), int(failed)), (CALLS, 0))

    def test_a_large_body_returns_as_it_went_in_packets_larger_than_the_mtu(self) -> None:
        sent = os.urandom(MIB)
        before = worker()["ports"]
        with tempfile.TemporaryDirectory() as scratch:
            body, returned = Path(scratch) / "body", Path(scratch) / "returned"
            body.write_bytes(sent)
            for address in CLIENTS.values():
                for port in PODS.values():
                    run(layout.CLIENT_NAMESPACE, "sh", "-c", f"nghttp -w 20 -W 20 -d {body} http://{address}:{port}/x > {returned}")
                    self.assertEqual(hashlib.sha256(returned.read_bytes()).hexdigest(), hashlib.sha256(sent).hexdigest())
        for old, new in zip(before, worker()["ports"]):
            counts = {key: new[key] - old[key] for key in ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")}
            self.assertGreater(counts["rx_bytes"], 4 * MIB, counts)
            self.assertGreater(counts["tx_bytes"], 4 * MIB, counts)
            self.assertLess(counts["rx_packets"] + counts["tx_packets"], 8 * MIB // 1500, counts)
            for reason in ("rx_errors", "rx_no_buffer", "tx_full", "tx_too_long", "tcp_checksum"):
                self.assertEqual(new["drops"][reason], old["drops"][reason], reason)

    def test_the_virtual_address_answers_ping_of_both_families(self) -> None:
        for address in (layout.VIP, layout.VIP_6):
            self.assertIn(" 3 received", run(layout.CLIENT_NAMESPACE, "ping", "-c", "3", "-i", "0.2", "-w", "10", address))


main()
