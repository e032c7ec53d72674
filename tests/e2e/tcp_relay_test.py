#!/usr/bin/python3
"""Relayed TCP connections: Sluice's TCP is the end of two, and bytes, ends and resets cross from each to the other."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import l4_tools
from support import SANITIZED, LabTest, daemon, lab, layout, main, process, run

PEER = str(Path(__file__).with_name("relay_peer.py"))
PORT = 7000  # of the VIP and of the pods
BULK = 5_000_000 if SANITIZED else 100_000_000
CONNECTIONS = 60


def tables(pods: list, address: str = layout.VIP, port: int = PORT, name: str = "relay", keys: str = "", listener_keys: str = "") -> str:
    """A listener that relays to these addresses."""
    endpoints = ", ".join(f'{{ address = "{pod}", id = "{number}" }}' for number, pod in enumerate(pods, 1))
    return f"""
[[listener]]
name = "{name}"
address = "{address}:{port}"
protocol = "tcp"
mode = "relay"
service = "{name}"
{listener_keys}

[[service]]
name = "{name}"
endpoints = [{endpoints}]
{keys}
"""


def pods(*numbers: int) -> list:
    return [f"{layout.pod_address(number)}:{PORT}" for number in numbers]


def row(name: str = "relay") -> dict:
    return next(row for row in daemon.ask("listeners")["listeners"] if row["name"] == name)


def counter(name: str) -> int:
    """Over all workers."""
    return sum(worker["splice"][name] for worker in daemon.ask("stats")["workers"])


def serve(cls: type, name: str, number: int, address: str) -> None:
    """relay_peer.py in the namespace of this pod, until the class ends."""
    server = process.spawn(layout.pod_namespace(number), [sys.executable, PEER, "serve", name, address, str(PORT)],
                           layout.RUN_DIR / f"relay-{name}.log")
    cls.addClassCleanup(process.kill, server)


def ask(case: str, number: int = 0, address: str = layout.VIP, port: int = PORT):
    """What a client of relay_peer.py saw."""
    return json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, "ask", address, str(port), case, str(number)))


class Held:
    """Connections that stay open."""

    def __init__(self, count: int) -> None:
        command = process.in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, PEER, "ask", layout.VIP, str(PORT), "hold", str(count)])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=process.common_core)
        self.pods = self._heard()

    def _heard(self) -> list:
        return json.loads(self._process.stdout.readline() or "[]")

    def ask(self) -> list:
        """The pod that answers on each connection now."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._heard()

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Relay:
    pods = 3

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for number in range(1, cls.pods + 1):
            serve(cls, layout.pod_name(number), number, layout.pod_address(number))

    def setUp(self) -> None:
        self.tables = ""
        self.configure(tables(pods(1)))
        self.addCleanup(self.configure, "")

    def configure(self, tables: str) -> None:
        """The lab's own file and these tables."""
        if tables != self.tables:
            self.reload(tables)
        self.tables = tables

    def test_bulk_crosses_whole_both_ways_at_once(self) -> None:
        before = row()
        report = ask("both", BULK)
        self.assertEqual((report["bytes"], report["end"]), (BULK, "end"))
        self.assertEqual(report["digest"], report["sent"])
        # The client has closed, and its last bytes are still on their way.
        self.assertTrue(process.wait_until(lambda: row()["relayed_in"] - before["relayed_in"] >= BULK, 10))
        after = row()
        self.assertEqual(after["mode"], "relay")
        self.assertEqual(after["connections"] - before["connections"], 1)
        self.assertEqual(after["relayed_out"] - before["relayed_out"], BULK)

    def test_a_half_closed_client_still_gets_its_answer(self) -> None:
        report = ask("half-close", 3_000_000)
        self.assertEqual(report["pod"], {"bytes": 3_000_000, "digest": report["sent"], "end": "end"})

    def test_a_pod_may_end_first(self) -> None:
        self.assertEqual(ask("ends"), {"heard": "bye"})
        self.assertTrue(process.wait_until(lambda: json.loads(ask("seen"))["end"] == "end", 5))
        self.assertEqual(json.loads(ask("seen"))["bytes"], len("more"))

    def test_resets_cross_in_both_directions(self) -> None:
        report = ask("reset")
        self.assertEqual((report["bytes"], report["end"]), (len("last words"), "reset"))
        ask("resets")
        self.assertTrue(process.wait_until(lambda: (json.loads(ask("seen")) or {}).get("end") == "reset", 5))
        self.assertGreaterEqual(counter("ended_pod_reset"), 1)
        self.assertGreaterEqual(counter("ended_client_reset"), 1)

    def test_a_slow_reader_gets_everything_and_bounds_what_is_kept(self) -> None:
        command = process.in_namespace(layout.CLIENT_NAMESPACE,
                                       [sys.executable, PEER, "ask", layout.VIP, str(PORT), "slow", str(6_000_000)])
        free = [worker["memory"]["hold_buffers_free"] + worker["memory"]["rx_buffers_free"] for worker in daemon.ask("stats")["workers"]]
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=process.common_core)
        most = 0
        while reader.poll() is None:
            now = [worker["memory"]["hold_buffers_free"] + worker["memory"]["rx_buffers_free"] for worker in daemon.ask("stats")["workers"]]
            most = max(most, *(a - b for a, b in zip(free, now)))
        report = json.loads(reader.communicate()[0])
        self.assertEqual((report["bytes"], report["end"]), (6_000_000, "end"))
        self.assertLess(most, 3000)

    def test_a_file_crosses_with_curl(self) -> None:
        port = PORT + 1
        server = process.spawn(layout.pod_namespace(1), [sys.executable, "-m", "http.server", "-d", str(layout.REPOSITORY / "docs"), "-b",
                                                         layout.pod_address(1), str(port)], layout.RUN_DIR / "files.log")
        self.addCleanup(process.kill, server)
        self.configure(tables([f"{layout.pod_address(1)}:{port}"], port=port, name="files"))
        heard = run(layout.CLIENT_NAMESPACE, "curl", "-s", "--retry", "5", "--retry-all-errors", f"http://{layout.VIP}:{port}/design.md")
        self.assertEqual(heard, (layout.REPOSITORY / "docs/design.md").read_text())

    def test_connections_spread_and_stay_while_pods_come_and_go(self) -> None:
        self.configure(tables(pods(1, 2)))
        held = Held(CONNECTIONS)
        self.addCleanup(held.end)
        self.assertEqual(set(held.pods), {"pod1", "pod2"})
        self.assertLess(max(Counter(held.pods).values()), 0.7 * CONNECTIONS)
        self.configure(tables(pods(1, 2, 3)))
        more = Held(CONNECTIONS)
        self.addCleanup(more.end)
        self.assertEqual(set(more.pods), {"pod1", "pod2", "pod3"})
        self.configure(tables(pods(3)))
        self.assertEqual(set(Held(10).pods), {"pod3"})
        self.assertEqual(held.ask(), held.pods)
        self.assertEqual(more.ask(), more.pods)
        self.configure("")  # the listener leaves; its connections stay
        self.assertEqual(held.ask(), held.pods)

    def test_a_pod_that_refuses_gives_its_connections_to_another(self) -> None:
        self.configure(tables([f"{layout.pod_address(1)}:{PORT + 99}", *pods(2)]))
        held = Held(20)
        self.addCleanup(held.end)
        self.assertEqual(set(held.pods), {"pod2"})
        self.assertGreaterEqual(counter("connect_retries"), 1)

    def test_a_connection_for_which_there_is_no_pod_is_reset(self) -> None:
        self.configure(tables([]))
        said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "5", f"http://{layout.VIP}:{PORT}/", check=False)
        self.assertRegex(said, "reset|refused|Failed to connect")


class OneWorker(Relay, LabTest):
    workers = 1

    def test_a_drain_ends_connections_that_outlast_it(self) -> None:
        held = Held(3)
        self.addCleanup(held.end)
        self.assertEqual(held.ask(), held.pods)
        lab.restart_sluiced()
        self.assertNotEqual(held.ask(), held.pods)


class TwoWorkers(Relay, LabTest):
    workers = 2

    def test_both_workers_relay(self) -> None:
        before = [worker["splice"]["begun"] for worker in daemon.ask("stats")["workers"]]
        held = Held(CONNECTIONS)
        self.addCleanup(held.end)
        after = [worker["splice"]["begun"] for worker in daemon.ask("stats")["workers"]]
        self.assertTrue(all(b > a for a, b in zip(before, after)), (before, after))

    def test_programs_work(self) -> None:
        l4_tools.serve(type(self), 1, layout.pod_address(1))
        pods = {port: [layout.pod_address(1)] for port in (l4_tools.IPERF_PORT, l4_tools.NC_PORT, l4_tools.FILES_PORT)}
        self.configure(l4_tools.tables("relay", [layout.VIP], pods))
        l4_tools.expect_programs_work(self, layout.VIP, udp=False)

    def test_busy_connections_stay_while_pods_come_and_go(self) -> None:
        for number in range(1, self.pods + 1):
            server = process.spawn(layout.pod_namespace(number),
                                   [sys.executable, l4_tools.PEER, "serve", layout.pod_name(number), layout.pod_address(number),
                                    str(l4_tools.BUSY_PORT)], layout.RUN_DIR / f"busy-{number}.log")
            self.addCleanup(process.kill, server)
        l4_tools.expect_busy_connections_stay(self, layout.VIP, "relay", self.configure)


class Ipv6(LabTest):
    """Clients and pods of both versions."""

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, ipv6=True)
        cls.addClassCleanup(lab.down)
        serve(cls, "ipv4", 1, layout.pod_address(1))
        serve(cls, "ipv6", 1, layout.pod_address_6(1))

    def test_every_family_reaches_every_other(self) -> None:
        vips = {"ipv4": layout.VIP, "ipv6": f"[{layout.VIP_6}]"}
        addresses = {"ipv4": layout.pod_address(1), "ipv6": f"[{layout.pod_address_6(1)}]"}
        ports = {"ipv4": PORT, "ipv6": PORT + 1}
        self.reload("".join(tables([f"{addresses[pod]}:{PORT}"], vip, ports[pod], f"{client}-relayed-to-{pod}")
                            for client, vip in vips.items() for pod in addresses), ipv6=True)
        for client, vip in vips.items():
            for pod in addresses:
                with self.subTest(f"{client} client, {pod} pod"):
                    report = ask("half-close", 1_000_000, vip.strip("[]"), ports[pod])
                    self.assertEqual(report["pod"], {"bytes": 1_000_000, "digest": report["sent"], "end": "end"})


main()
