#!/usr/bin/python3
"""L4 listeners: a connection, or a UDP flow, stays on the pod that was chosen for it, whatever becomes of the pods."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import l4_tools
from support import LabTest, daemon, lab, layout, main, process, run
from sluicelab.client import Client, failed
from sluicelab.process import ip

PEER = str(Path(__file__).with_name("l4_peer.py"))
ECHO_PORT = 7000        # of the VIP and of the pods: l4_peer.py
FILES_PORT = 7001       # of the VIP and of pod1: files over HTTP
NOBODY_PORT = 7002      # of the VIP: a service without pods
CLOSED_PORT = 7003      # of the VIP: a port of the pods at which nobody listens
SOURCE_PORT = 7004      # of the VIP and of pod1: as many bytes as a client asks for
CONNECTIONS = 200
FILE_BYTES = 20_000_000


def listener(name: str, protocol: str, port: int, service: str) -> str:
    return f"""
[[listener]]
name = "{name}"
address = "{layout.VIP}:{port}"
protocol = "{protocol}"
mode = "nat"
service = "{service}"
"""


def service(name: str, pods: list, port: int) -> str:
    endpoints = ", ".join(f'{{ address = "{layout.pod_address(number)}:{port}", id = "{name}{number}" }}' for number in pods)
    return f'\n[[service]]\nname = "{name}"\nendpoints = [{endpoints}]\n'


def tables(pods: list) -> str:
    """Listeners of both protocols over these echo pods."""
    return (listener("echo-tcp", "tcp", ECHO_PORT, "plain") + listener("echo-udp", "udp", ECHO_PORT, "plain")
            + service("plain", pods, ECHO_PORT))


def row(name: str) -> dict:
    return next(row for row in daemon.ask("listeners")["listeners"] if row["name"] == name)


def counter(name: str) -> int:
    """Over all workers."""
    return sum(worker["l4"][name] for worker in daemon.ask("stats")["workers"])


def serve(cls: type, name: str, number: int, address: str, port: int = ECHO_PORT) -> None:
    """l4_peer.py in the namespace of this pod, until the class ends."""
    server = process.spawn(layout.pod_namespace(number), [sys.executable, PEER, "serve", name, address, str(port)],
                           layout.RUN_DIR / f"echo-{name}-{port}.log")
    cls.addClassCleanup(process.kill, server)


class Held:
    """Connections of l4_peer.py that stay open."""

    def __init__(self, count: int, address: str = layout.VIP, port: int = ECHO_PORT) -> None:
        command = process.in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, PEER, "hold", address, str(port), str(count)])
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


class L4:
    pods = 3
    timeouts = {"flow_closing_timeout": "2s"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for number in range(1, cls.pods + 1):
            serve(cls, layout.pod_name(number), number, layout.pod_address(number))

    def setUp(self) -> None:
        self.tables = ""
        self.addCleanup(self.configure, "")

    def configure(self, tables: str) -> None:
        """The lab's own file and these tables."""
        if tables != self.tables:
            self.reload(tables)
        self.tables = tables

    def hold(self, count: int) -> Held:
        held = Held(count)
        self.addCleanup(held.end)
        return held

    def test_a_grpc_client_stays_on_one_pod_and_spreads_over_all_through_h2c(self) -> None:
        lab.scale(1)
        clients = {port: Client(target=f"{layout.VIP}:{port}", in_flight=5) for port in (layout.TCP_PORT, layout.PORT)}
        for client in clients.values():
            self.assertTrue(process.wait_until(lambda c=client: c.fresh()["calls"], 20))
        before = {port: client.fresh()["calls"] for port, client in clients.items()}
        lab.scale(self.pods)
        spread = clients[layout.PORT]
        self.assertTrue(process.wait_until(lambda: len(spread.fresh()["calls"]) == self.pods, 20))
        for client in clients.values():
            client.fresh()
        reports = {port: client.stop() for port, client in clients.items()}
        for port, report in reports.items():
            self.assertEqual(failed(report), 0, report["last_error"])
            self.assertEqual(set(before[port]), {layout.pod_name(1)})
        self.assertEqual(set(reports[layout.TCP_PORT]["calls"]), {layout.pod_name(1)})
        self.assertEqual(len(reports[layout.PORT]["calls"]), self.pods)

    def test_connections_spread_over_the_pods_and_each_stays_while_pods_come_and_go(self) -> None:
        self.configure(tables([1, 2]))
        before = row("echo-tcp")["connections"]
        old = self.hold(CONNECTIONS)
        self.assertEqual(set(old.pods), {"pod1", "pod2"})
        self.assertLess(max(Counter(old.pods).values()), 0.7 * CONNECTIONS)
        self.configure(tables([1, 2, 3]))
        self.assertEqual(old.ask(), old.pods)
        self.configure(tables([3]))
        self.assertEqual(old.ask(), old.pods)
        new = self.hold(CONNECTIONS)
        self.assertEqual(set(new.pods), {"pod3"})
        self.assertEqual(old.ask(), old.pods)
        self.assertEqual(row("echo-tcp")["connections"] - before, 2 * CONNECTIONS)
        self.assertGreaterEqual(row("echo-tcp")["active_connections"], 2 * CONNECTIONS)

    def test_connections_outlive_their_listener(self) -> None:
        self.configure(tables([1, 2]))
        held = self.hold(20)
        self.configure("")
        self.assertEqual(held.ask(), held.pods)

    def test_datagrams_of_one_socket_go_to_one_pod_and_their_answers_come_back(self) -> None:
        self.configure(tables([1, 2, 3]))
        before = row("echo-udp")["connections"]
        heard = json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, "ask", layout.VIP, str(ECHO_PORT), str(CONNECTIONS)))
        self.assertTrue(all(len(set(names)) == 1 for names in heard), heard)
        self.assertEqual({names[0] for names in heard}, {"pod1", "pod2", "pod3"})
        flows = row("echo-udp")["connections"] - before
        self.assertLessEqual(flows, CONNECTIONS)
        self.assertGreater(flows, 0.9 * CONNECTIONS)  # a socket may get the port of an earlier one, and then its flow

    def test_datagrams_in_fragments_and_their_answers_cross_whole(self) -> None:
        self.configure(tables([1, 2]))
        heard = json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, "ask", layout.VIP, str(ECHO_PORT), "20", "5000"))
        self.assertTrue(all(len(set(names)) == 1 for names in heard), heard)
        self.assertGreater(counter("fragments"), 20 * 3 * 2)

    def test_flows_are_listed_and_a_pod_is_flushed(self) -> None:
        self.configure(tables([1, 2]))
        held = self.hold(20)
        self.assertEqual(set(held.pods), {"pod1", "pod2"})
        flows = json.loads(self.sluicectl("flows", "--listener", "echo-tcp", "--json"))["flows"]
        ours = [flow for flow in flows if flow["state"] == "established"]
        self.assertGreaterEqual(len(ours), 20)
        self.assertIn("established", self.sluicectl("flows"))
        pod = f"{layout.pod_address(1)}:{ECHO_PORT}"
        self.assertEqual({flow["pod"] for flow in json.loads(self.sluicectl("flows", "--pod", pod, "--json"))["flows"]}, {pod})
        before = counter("flushed")
        self.sluicectl("flush", pod)
        expected = [pod if pod == "pod2" else "reset" for pod in held.pods]
        self.assertTrue(process.wait_until(lambda: held.ask() == expected, 10))
        self.assertGreaterEqual(counter("flushed") - before, held.pods.count("pod1"))

    def test_a_listener_that_flushes_resets_the_connections_of_a_pod_that_leaves(self) -> None:
        flushing = lambda pods: tables(pods).replace('mode = "nat"', 'mode = "nat"\nleaving_pods = "flush"')
        self.configure(flushing([1, 2]))
        held = self.hold(20)
        self.configure(flushing([2]))
        expected = [pod if pod == "pod2" else "reset" for pod in held.pods]
        self.assertTrue(process.wait_until(lambda: held.ask() == expected, 10))

    def sluicectl(self, *words: str) -> str:
        return subprocess.run([layout.sluicectl_binary(), "--socket", layout.ADMIN_SOCKET, *words], stdout=subprocess.PIPE, text=True,
                              check=True, timeout=30).stdout

    def test_a_file_crosses_whole(self) -> None:
        with tempfile.TemporaryDirectory() as files:
            content = Path(files, "file")
            content.write_bytes(bytes(range(250)) * (FILE_BYTES // 250))
            server = process.spawn(layout.pod_namespace(1), [sys.executable, "-m", "http.server", "-d", files, "-b", layout.pod_address(1),
                                                             str(FILES_PORT)], layout.RUN_DIR / "files.log")
            self.addCleanup(process.kill, server)
            self.configure(listener("files", "tcp", FILES_PORT, "files") + service("files", [1], FILES_PORT))
            run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--retry", "5", "--retry-connrefused", "-o", f"{files}/copy",
                f"http://{layout.VIP}:{FILES_PORT}/file")
            self.assertEqual(Path(files, "copy").read_bytes(), content.read_bytes())

    def test_a_connection_for_which_there_is_no_pod_is_refused(self) -> None:
        self.configure(listener("nobody", "tcp", NOBODY_PORT, "nobody") + service("nobody", [], ECHO_PORT))
        for port in (NOBODY_PORT, NOBODY_PORT + 1):
            said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "5", f"http://{layout.VIP}:{port}/", check=False)
            self.assertRegex(said, "refused|Couldn't connect|Failed to connect")

    def test_flows_end_with_their_connections(self) -> None:
        self.configure(tables([1]))
        held = Held(20)
        begun = counter("flows")
        self.assertGreaterEqual(begun, 20)
        held.end()
        self.assertTrue(process.wait_until(lambda: counter("flows") <= begun - 20, 60), daemon.ask("stats"))


class OneWorker(L4, LabTest):
    workers = 1


class TwoWorkers(L4, LabTest):
    workers = 2
    pods = 5

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for number in range(1, cls.pods + 1):
            serve(cls, layout.pod_name(number), number, layout.pod_address(number), l4_tools.BUSY_PORT)

    def test_both_workers_have_flows(self) -> None:
        self.configure(tables([1, 2, 3]))
        before = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
        self.hold(CONNECTIONS)
        after = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
        self.assertTrue(all(b > a for a, b in zip(before, after)), (before, after))

    def test_programs_work(self) -> None:
        l4_tools.serve(type(self), 1, layout.pod_address(1))
        pods = {port: [layout.pod_address(1)] for port in (l4_tools.IPERF_PORT, l4_tools.NC_PORT, l4_tools.FILES_PORT)}
        self.configure(l4_tools.tables("nat", [layout.VIP], pods))
        l4_tools.expect_programs_work(self, layout.VIP)

    def test_busy_connections_stay_while_pods_come_and_go(self) -> None:
        l4_tools.expect_busy_connections_stay(self, layout.VIP, "nat", self.configure)

    def test_pods_scale_from_one_to_five_to_two_under_load_and_established_flows_stay(self) -> None:
        names = [layout.pod_name(number) for number in range(1, 6)]
        self.configure(l4_tools.scaled("nat", layout.VIP, (1,)))
        of_one = l4_tools.Busy(self, layout.VIP, 20)
        self.configure(l4_tools.scaled("nat", layout.VIP, range(1, 6)))
        of_five = l4_tools.Busy(self, layout.VIP, 60)
        self.configure(l4_tools.scaled("nat", layout.VIP, (1, 2)))
        of_two = l4_tools.Busy(self, layout.VIP, 20)
        self.assertEqual(of_two.pods(least=1), set(names[:2]))
        self.assertEqual(of_five.pods(), set(names))
        self.assertEqual(of_one.pods(), set(names[:1]))


class Tun(L4, LabTest):
    """Packets of 64 KiB with partial checksums come from the kernel, and are forwarded as such."""

    driver = "tun"


class Ipv6(LabTest):
    """Clients and pods of both versions."""

    workers = 2
    vips = {"ipv4": layout.VIP, "ipv6": layout.VIP_6}
    pod_addresses = {"ipv4": layout.pod_address(1), "ipv6": layout.pod_address_6(1)}

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, ipv6=True, workers=cls.workers)
        cls.addClassCleanup(lab.down)
        for family, address in cls.pod_addresses.items():
            serve(cls, family, 1, address)

    def configure(self, protocol: str, port: int) -> None:
        """A listener for each version of IP, with the pod of the same version."""
        extra = ""
        for family, vip in self.vips.items():
            own, pod = (f"[{vip}]", f"[{self.pod_addresses[family]}]") if family == "ipv6" else (vip, self.pod_addresses[family])
            extra += (f'\n[[service]]\nname = "{family}"\nendpoints = [{{ address = "{pod}:{port}" }}]\n'
                      f'\n[[listener]]\nname = "{family}"\naddress = "{own}:{port}"\nprotocol = "{protocol}"\nservice = "{family}"\n')
        self.reload(extra, ipv6=True)

    def client(self, *words: str, namespace: str = layout.CLIENT_NAMESPACE):
        return json.loads(run(namespace, sys.executable, PEER, *words))

    def test_datagrams_in_fragments_and_their_answers_cross_whole(self) -> None:
        self.configure("udp", ECHO_PORT)
        for family, vip in self.vips.items():
            with self.subTest(family):
                before = counter("fragments")
                self.assertEqual(self.client("ask", vip, str(ECHO_PORT), "20", "5000"), [[family] * 3] * 20)
                self.assertGreaterEqual(counter("fragments") - before, 20 * 3 * 2 * 3)

    def test_a_port_at_which_nobody_listens_is_told_to_clients(self) -> None:
        self.configure("udp", CLOSED_PORT)
        for family, vip in self.vips.items():
            with self.subTest(family):
                self.assertTrue(self.client("refused", vip, str(CLOSED_PORT)))

    def test_pods_learn_the_mtu_of_paths_to_clients(self) -> None:
        far = self.far_client()
        for family, address in self.pod_addresses.items():
            server = process.spawn(layout.pod_namespace(1), [sys.executable, PEER, "source", address, str(SOURCE_PORT)],
                                   layout.RUN_DIR / f"source-{family}.log")
            self.addCleanup(process.kill, server)
        self.configure("tcp", SOURCE_PORT)
        for family, vip in self.vips.items():
            with self.subTest(family):
                before = counter("errors_translated")
                self.assertTrue(self.client("far", vip, str(SOURCE_PORT), "500000", namespace=far))
                self.assertGreater(counter("errors_translated"), before)

    def far_client(self) -> str:
        """A client behind the lab's, which is a router for it: it takes packets of 1,300 bytes toward it, and any from it."""
        name, near = "sluice-far", layout.CLIENT_NAMESPACE
        own = {"": layout.CLIENT_ADDRESS[:-1] + "77/32", "-6 ": layout.CLIENT_ADDRESS_6[:-1] + "77/128"}
        ip(f"netns add {name}")
        self.addCleanup(ip, f"netns delete {name}")
        ip(f"link add far netns {near} type veth peer name eth0 netns {name}")
        run(near, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.proxy_arp=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv6.conf.eth0.proxy_ndp=1", "net.ipv4.conf.eth0.send_redirects=0", "net.ipv4.conf.all.send_redirects=0")
        mac = json.loads(ip("-j link show far", near))[0]["address"]
        ip("link set far up", near)
        ip("link set lo up", name)
        ip("link set eth0 up", name)
        for family, address in own.items():
            gateway = "169.254.0.1" if not family else "fe80::1"
            ip(f"{family}address add {address} dev eth0" + (" nodad" if family else ""), name)
            ip(f"{family}neighbour add {gateway} lladdr {mac} dev eth0", name)
            ip(f"{family}route add default via {gateway} dev eth0 onlink", name)
            ip(f"{family}route add {address} dev far mtu lock 1300", near)
        ip(f"-6 neighbour add proxy {own['-6 '].partition('/')[0]} dev eth0", near)
        return name

    def test_every_family_reaches_every_other(self) -> None:
        pods = {"ipv4": layout.pod_address(1), "ipv6": f"[{layout.pod_address_6(1)}]"}
        ports = {"ipv4": ECHO_PORT, "ipv6": ECHO_PORT + 1}
        extra = ""
        for pod, address in pods.items():
            extra += f'\n[[service]]\nname = "{pod}"\nendpoints = [{{ address = "{address}:{ECHO_PORT}" }}]\n'
            for vip, own in {"ipv4": layout.VIP, "ipv6": f"[{layout.VIP_6}]"}.items():
                for protocol in ("tcp", "udp"):
                    extra += (f'\n[[listener]]\nname = "{vip}-{pod}-{protocol}"\naddress = "{own}:{ports[pod]}"\n'
                              f'protocol = "{protocol}"\nservice = "{pod}"\n')
        self.reload(extra, ipv6=True)
        for client, address in self.vips.items():
            for pod, port in ports.items():
                with self.subTest(f"{client} client, {pod} pod"):
                    heard = json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, PEER, "ask", address, str(port), "20"))
                    self.assertEqual(heard, [[pod] * 3] * 20)
                    held = Held(20, address, port)
                    self.assertEqual(held.pods, [pod] * 20)
                    held.end()


main()
