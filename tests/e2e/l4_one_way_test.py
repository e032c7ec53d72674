#!/usr/bin/python3
"""L4 listeners whose pods have the VIP and answer clients themselves: DSR, and tunnels to the pods.

The pods' answers take a cable of their own from each pod to the client."""

import json
import subprocess
import sys

import l4_tools
from support import LabTest, daemon, lab, layout, main, process, run
from sluicelab.process import ip

from pathlib import Path

PEER = str(Path(__file__).with_name("l4_peer.py"))
ECHO_PORT = 7000
SINK_PORT = 7001
PODS = 3
COUNT = 50
BYTES = 5_000_000


def sysctl(namespace: str, *settings: str) -> None:
    run(namespace, "sysctl", "-qw", *settings)


def lay_way_back(number: int) -> None:
    """A cable from a pod to the client, and the VIPs on the pod's loopback device, for which it does not answer ARP."""
    pod, client, device = layout.pod_namespace(number), layout.CLIENT_NAMESPACE, f"back{number}"
    ip(f"link add back netns {pod} type veth peer name {device} netns {client}")
    sysctl(pod, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
           "net.ipv4.conf.back.rp_filter=0", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
    sysctl(client, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0", f"net.ipv4.conf.{device}.rp_filter=0")
    ip(f"address add {layout.VIP}/32 dev lo", pod)
    ip(f"address add {layout.VIP_6}/128 dev lo nodad", pod)
    ip("link set back up", pod)
    ip(f"link set {device} up", client)
    ip(f"route add {layout.CLIENT_ADDRESS}/32 dev back", pod)
    client_mac = json.loads(ip(f"-j link show {device}", client))[0]["address"]
    ip(f"-6 route add {layout.CLIENT_ADDRESS_6}/128 dev back", pod)
    ip(f"-6 neighbour add {layout.CLIENT_ADDRESS_6} lladdr {client_mac} dev back", pod)


class OneWay(LabTest):
    workers = 2

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(PODS, ipv6=True, workers=cls.workers)
        cls.addClassCleanup(lab.down)
        for number in range(1, PODS + 1):
            lay_way_back(number)
            for vip in (layout.VIP, layout.VIP_6):
                cls.start(number, "serve", layout.pod_name(number), vip, str(ECHO_PORT))
                cls.start(number, "sink", vip, str(SINK_PORT))
                cls.start(number, "serve", layout.pod_name(number), vip, str(l4_tools.BUSY_PORT))
                if number == 1:
                    l4_tools.serve(cls, number, vip)
            log = cls.start(number, "decapsulate")
            if not process.wait_until(lambda: "ready" in log.read_text(), 10):
                raise AssertionError(log.read_text())
            sysctl(layout.pod_namespace(number), "net.ipv4.conf.tunnel0.rp_filter=0")
            ip("link set tunnel0 up", layout.pod_namespace(number))

    @classmethod
    def start(cls, number: int, *words: str) -> Path:
        """l4_peer.py in the namespace of this pod, until the class ends; its log."""
        log = layout.RUN_DIR / f"{layout.pod_name(number)}-{'-'.join(words).replace(':', '_')}.log"
        cls.addClassCleanup(process.kill, process.spawn(layout.pod_namespace(number), [sys.executable, PEER, *words], log))
        return log

    def configure(self, mode: str, pods: list) -> None:
        tables = ""
        for port in (ECHO_PORT, SINK_PORT):
            endpoints = ", ".join(f'{{ address = "{pod}:{port}" }}' for pod in pods)
            tables += f'\n[[service]]\nname = "pods-{port}"\nendpoints = [{endpoints}]\n'
            for vip in (layout.VIP, f"[{layout.VIP_6}]"):
                for protocol in ("tcp", "udp"):
                    tables += (f'\n[[listener]]\nname = "{vip}-{port}-{protocol}"\naddress = "{vip}:{port}"\nprotocol = "{protocol}"\n'
                               f'mode = "{mode}"\nservice = "pods-{port}"\n')
        self.reload(tables, ipv6=True)

    def client(self, *words: str) -> list:
        return json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, *words))

    def hold(self, vip: str) -> list:
        command = process.in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, PEER, "hold", vip, str(ECHO_PORT), str(COUNT)])
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    def expect_all_reached(self) -> None:
        names = {layout.pod_name(number) for number in range(1, PODS + 1)}
        for vip in (layout.VIP, layout.VIP_6):
            with self.subTest(vip):
                begun = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
                self.assertEqual(set(self.hold(vip)), names)
                heard = self.client("ask", vip, str(ECHO_PORT), str(COUNT))
                self.assertTrue(all(len(set(one)) == 1 for one in heard), heard)
                self.assertEqual({one[0] for one in heard}, names)
                now = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
                self.assertTrue(all(b > a for a, b in zip(begun, now)), (begun, now))
                self.assertTrue(self.client("send", vip, str(SINK_PORT), str(BYTES)))

    def test_dsr_changes_the_mac_address_alone(self) -> None:
        self.configure("dsr", [layout.pod_address(number) for number in range(1, PODS + 1)])
        self.expect_all_reached()
        stats = [worker["l4"] for worker in daemon.ask("stats")["workers"]]
        self.assertEqual(sum(one["to_clients"] for one in stats), 0)

    def test_tunnels_over_ipv4_carry_both_versions_and_tell_clients_their_mtu(self) -> None:
        self.configure("ipip", [layout.pod_address(number) for number in range(1, PODS + 1)])
        self.expect_all_reached()
        self.assertGreater(sum(worker["l4"]["errors_sent"] for worker in daemon.ask("stats")["workers"]), 0)

    def test_tunnels_over_ipv6_carry_both_versions(self) -> None:
        self.configure("ipip", [f"[{layout.pod_address_6(number)}]" for number in range(1, PODS + 1)])
        self.expect_all_reached()

    def test_programs_work(self) -> None:
        pods = {port: [layout.pod_address(1)] for port in (l4_tools.IPERF_PORT, l4_tools.NC_PORT, l4_tools.FILES_PORT)}
        for mode in ("dsr", "ipip"):
            self.reload(l4_tools.tables(mode, [layout.VIP, f"[{layout.VIP_6}]"], pods), ipv6=True)
            for vip in (layout.VIP, layout.VIP_6):
                with self.subTest(f"{mode} {vip}"):
                    l4_tools.expect_programs_work(self, vip)

    def test_busy_connections_stay_while_pods_come_and_go(self) -> None:
        for mode in ("dsr", "ipip"):
            with self.subTest(mode):
                l4_tools.expect_busy_connections_stay(self, layout.VIP, mode, lambda tables: self.reload(tables, ipv6=True))


main()
