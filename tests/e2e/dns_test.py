#!/usr/bin/python3
"""Pods that a name of DNS leads to: new ones are used within TTL + 1 s, and servers that fail change nothing. No call fails."""

import tempfile
import time

import dns_server
from dns_server import A, AAAA, address
from support import LabTest, configuration, daemon, lab, layout, logged, log_size, main, process
from sluicelab import network
from sluicelab.client import Client

PODS = 4
NAME = "greeter.test"
MAX_TTL = 3  # seconds


class Dns(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(PODS, ipv6=True)
        cls.addClassCleanup(lab.down)
        network.add_management_link()
        cls.dns = dns_server.Server()
        cls.addClassCleanup(lambda: cls.dns.stop())
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.state = scratch.name
        cls.begin_with(layout.PORT)

    @classmethod
    def begin_with(cls, port) -> None:
        """sluiced asks for the name and this port."""
        cls.dns.records(NAME, 1, address(layout.pod_address(1)))
        lines = configuration.sluiced_toml(cls.driver, ipv6=True, extra=(
            f'\n[dns]\nservers = ["{layout.MANAGEMENT_ROOT}:{cls.dns.port}"]\nmax_ttl = "{MAX_TTL}s"\n'))
        lines = lines.replace(f'{{ file = "{layout.ENDPOINTS_FILE}" }}', f'{{ dns = "{NAME}:{port}" }}')
        lines = lines.replace("[sluice]\n", f'[sluice]\nstate_directory = "{cls.state}"\n')
        layout.CONFIG_FILE.write_text(lines)
        lab.restart_sluiced(wait=False)

    def setUp(self) -> None:
        self.dns.code, self.dns.silent, self.dns.truncated = None, False, False
        self.has(1, layout.pod_address(1))
        self.wait_for(layout.pod_address(1))

    def has(self, ttl: int, *addresses: str) -> None:
        self.dns.records(NAME, ttl, *map(address, addresses))

    @staticmethod
    def pods() -> set:
        """The addresses that new calls may go to."""
        return {row["address"].rsplit(":", 1)[0].strip("[]") for row in (daemon.ask("pods") or {"pods": []})["pods"]
                if row["service"] == "echo" and row["state"] != "SHUTDOWN"}

    def wait_for(self, *addresses: str, seconds: float = 15.0) -> float:
        began = time.monotonic()
        self.assertTrue(process.wait_until(lambda: self.pods() == set(addresses) and daemon.adopted(), seconds, every=0.01),
                        f"{addresses} {self.pods()} {daemon.ask('sources')}")
        return time.monotonic() - began

    @staticmethod
    def source() -> dict:
        return next(row for row in daemon.ask("sources")["sources"] if row["service"] == "echo")

    def calls(self) -> Client:
        client = Client(rate=200, channels=2)
        self.addCleanup(client.kill)
        client.fresh()
        return client

    def test_a_new_pod_is_used_within_its_ttl_and_a_second(self) -> None:
        client = self.calls()
        for ttl in (1, 2):
            self.has(ttl, layout.pod_address(1))
            time.sleep(1.5)  # until the answer with this TTL has been seen
            self.has(ttl, *map(layout.pod_address, range(1, PODS + 1)))
            took = self.wait_for(*map(layout.pod_address, range(1, PODS + 1)))
            self.assertLess(took, ttl + 1)
            self.has(1, layout.pod_address(1))
            self.wait_for(layout.pod_address(1))
        self.assertEqual(client.stop()["failed"], {})

    def test_a_ttl_of_zero_counts_as_a_second(self) -> None:
        self.has(0, layout.pod_address(1))
        time.sleep(1.5)
        since = len(self.dns.questions)
        time.sleep(3)
        asked = [kind for _, _, kind, _ in self.dns.questions[since:]]
        self.assertTrue(2 <= asked.count(A) <= 4, asked)

    def test_a_long_ttl_counts_as_the_ceiling(self) -> None:
        self.has(3600, layout.pod_address(1))
        time.sleep(1.5)
        self.has(3600, layout.pod_address(2))
        self.assertLess(self.wait_for(layout.pod_address(2)), MAX_TTL + 1)

    def test_both_families(self) -> None:
        self.has(1, layout.pod_address(1), layout.pod_address_6(2))
        self.wait_for(layout.pod_address(1), layout.pod_address_6(2))
        client = self.calls()
        self.assertTrue(process.wait_until(lambda: len(client.fresh()["calls"]) == 2, 10), client.fresh())
        self.assertEqual(client.stop()["failed"], {})
        self.assertIn(AAAA, [kind for _, _, kind, _ in self.dns.questions])

    def test_services_lead_to_their_targets_and_ports(self) -> None:
        self.addCleanup(self.begin_with, layout.PORT)
        for n in (2, 3):
            self.dns.records(f"pod{n}.test", 1, address(layout.pod_address(n)))
        self.dns.records(f"_grpc._tcp.{NAME}", 1, dns_server.service("pod2.test", layout.PORT), dns_server.service("pod3.test", layout.PORT),
                         dns_server.service("pod4.test", 1, priority=7))
        self.begin_with("grpc")
        self.wait_for(layout.pod_address(2), layout.pod_address(3))
        self.dns.records(f"_grpc._tcp.{NAME}", 1, dns_server.service("pod3.test", layout.PORT))
        self.assertLess(self.wait_for(layout.pod_address(3)), 2)

    def test_answers_that_are_cut_short_are_asked_for_over_tcp(self) -> None:
        self.dns.truncated = True
        self.has(1, layout.pod_address(1), layout.pod_address(3))
        self.wait_for(layout.pod_address(1), layout.pod_address(3))
        self.assertTrue(any(over_tcp for _, _, _, over_tcp in self.dns.questions))

    def test_failures_and_negative_answers_keep_the_last_set(self) -> None:
        client = self.calls()
        for code in (dns_server.SERVFAIL, dns_server.NXDOMAIN):
            self.dns.code = code
            since = len(self.dns.questions)
            self.assertTrue(process.wait_until(lambda: len(self.dns.questions) > since + 3, 10))
            self.assertEqual(self.pods(), {layout.pod_address(1)})
            if code == dns_server.SERVFAIL:
                self.assertIn(NAME, self.source()["last_error"])
        self.dns.code, self.dns.silent = None, True
        self.assertTrue(process.wait_until(lambda: "Timeout" in self.source()["last_error"], 20), self.source())
        self.assertEqual(self.pods(), {layout.pod_address(1)})
        self.dns.silent = False
        self.has(1, layout.pod_address(2))
        self.wait_for(layout.pod_address(2))
        self.assertTrue(process.wait_until(lambda: self.source()["last_error"] == "", 10), self.source())
        self.assertEqual(client.stop()["failed"], {})

    def test_a_connection_that_fails_asks_again_at_once(self) -> None:
        # Nobody lives at the second address, and the answer would hold for the ceiling.
        self.has(3600, layout.pod_address(1), layout.pod_address(PODS + 5))
        self.wait_for(layout.pod_address(1), layout.pod_address(PODS + 5))
        began = len(self.dns.questions)
        client = self.calls()
        self.assertTrue(process.wait_until(lambda: len([1 for _, _, kind, _ in self.dns.questions[began:] if kind == A]) >= 2, 10))
        self.has(1, layout.pod_address(1))
        self.wait_for(layout.pod_address(1))
        self.assertEqual(client.stop()["failed"], {})

    def test_a_start_without_dns_serves_the_pods_of_the_last_run_and_says_so(self) -> None:
        self.has(1, layout.pod_address(1), layout.pod_address(2))
        self.wait_for(layout.pod_address(1), layout.pod_address(2))
        time.sleep(1.5)  # a change is written after a second
        self.dns.silent = True
        since = log_size()
        lab.restart_sluiced(wait=False)
        self.assertEqual(self.pods(), {layout.pod_address(1), layout.pod_address(2)})
        self.assertTrue(logged(since, r"2 endpoint\(s\) as they were \d+ s ago, until there is an answer"))
        client = self.calls()
        self.assertTrue(process.wait_until(lambda: len(client.fresh()["calls"]) == 2, 10), client.fresh())
        self.dns.silent = False
        self.has(1, layout.pod_address(2))
        self.wait_for(layout.pod_address(2))
        self.assertEqual(client.stop()["failed"], {})


main()
