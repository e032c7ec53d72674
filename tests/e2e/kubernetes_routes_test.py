#!/usr/bin/python3
"""Services of type ExternalName, and routes to pods that Nodes and the kernel know."""

import tempfile
from pathlib import Path

import dns_server
from dns_server import address
from kubernetes_api import NODES, SERVICES, endpoint
from kubernetes_lab import KubernetesLab
from support import daemon, lab, layout, logged, log_size, main, process, run
from sluicelab import network
from sluicelab.client import Client

BEHIND_NODE, BEHIND_KERNEL = "10.244.1.7", "10.244.2.7"
SERVICES_OF_TEST = ("outside", "behind-node", "behind-kernel")


def service(name: str) -> str:
    return f'\n[[service]]\nname = "{name}"\nendpoints = {{ kubernetes = "default/{name}:{layout.PORT}" }}\n'


class Routes(KubernetesLab):
    pods = 3
    # At all of its addresses, those behind it included.
    pod_command = f"POD_LISTEN=0.0.0.0 exec {layout.pod_binary()} --counts $POD_COUNTS"

    @classmethod
    def setUpClass(cls) -> None:
        cls.dns = dns_server.Server()
        cls.addClassCleanup(cls.dns.stop)
        cls.extra = "".join(map(service, SERVICES_OF_TEST)) + (
            f'\n[dns]\nservers = ["{layout.MANAGEMENT_ROOT}:{cls.dns.port}"]\n\n[routes]\nnodes = true\nkernel = true\n')
        super().setUpClass()
        network.ip(f"address add {BEHIND_NODE}/32 dev lo", layout.pod_namespace(1))
        network.ip(f"address add {BEHIND_KERNEL}/32 dev lo", layout.pod_namespace(2))

    @staticmethod
    def states(name: str) -> dict:
        """Of the service's pods that have not left, by address."""
        return {row["address"].rsplit(":", 1)[0]: row["state"] for row in daemon.ask("pods")["pods"]
                if row["service"] == name and row["state"] != "SHUTDOWN"}

    def wait(self, name: str, **states: str) -> None:
        self.wait_all(name, {layout.pod_address(int(pod[3:])): state for pod, state in states.items()})

    def wait_all(self, name: str, states: dict) -> None:
        self.assertTrue(process.wait_until(lambda: self.states(name) == states, 15, every=0.02),
                        f"{states} {self.states(name)} {self.error(name)}\n{process.tail(layout.SLUICED_LOG)}")

    @staticmethod
    def error(name: str) -> str:
        return next(row["last_error"] for row in daemon.ask("sources")["sources"] if row["service"] == name)

    def test_a_service_of_type_ExternalName_has_the_pods_of_its_name(self) -> None:
        self.assertTrue(process.wait_until(lambda: "has no EndpointSlice of default/outside" in self.error("outside"), 10))
        self.dns.records("one.test", 1, address(layout.pod_address(1)))
        self.dns.records("two.test", 1, address(layout.pod_address(3)))
        self.api.put_external("outside", "one.test")
        self.wait("outside", pod1="READY")
        self.assertEqual(self.error("outside"), "")
        # The name leads elsewhere, then the service has another name.
        self.dns.records("one.test", 1, address(layout.pod_address(2)))
        self.wait("outside", pod2="READY")
        self.api.put_external("outside", "two.test")
        self.wait("outside", pod3="READY")
        # A server that fails changes nothing.
        self.dns.code = dns_server.SERVFAIL
        self.addCleanup(setattr, self.dns, "code", None)
        self.assertTrue(process.wait_until(lambda: self.error("outside") != "", 10))
        self.wait("outside", pod3="READY")
        self.dns.code = None
        # From now on it is an ordinary service, and then none at all.
        self.api.put("outside-1", "outside", [endpoint(layout.pod_address(1), "uid-1")])
        self.wait("outside", pod1="READY")
        self.api.delete("outside", path=SERVICES)
        self.api.delete("outside-1")
        self.wait("outside")

    def test_pods_behind_a_node_are_reached_at_its_address(self) -> None:
        self.api.put("behind-node-1", "behind-node", [endpoint(BEHIND_NODE, "uid-node")])
        self.wait_all("behind-node", {BEHIND_NODE: "UNREACHABLE"})
        self.api.put_node("node-1", layout.pod_address(1), ["10.244.1.0/24"])
        self.wait_all("behind-node", {BEHIND_NODE: "READY"})
        # Nodes that may not be listed any more change nothing.
        since = log_size()
        self.api.forbidden.add(NODES)
        self.api.break_connections()
        self.assertTrue(logged(since, "Nodes: .*403.*the last routes stay"))
        self.assertEqual(self.states("behind-node"), {BEHIND_NODE: "READY"})
        self.api.forbidden.clear()
        self.api.delete("node-1", namespace="", path=NODES)
        self.wait_all("behind-node", {BEHIND_NODE: "UNREACHABLE"})

    def test_a_start_without_api_reaches_pods_behind_a_node(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        text = layout.CONFIG_FILE.read_text()
        self.addCleanup(lab.restart_sluiced)
        self.addCleanup(layout.CONFIG_FILE.write_text, text)
        layout.CONFIG_FILE.write_text(text.replace("[sluice]\n", f'[sluice]\nstate_directory = "{scratch.name}"\n'))
        lab.restart_sluiced()
        self.api.put("behind-node-1", "behind-node", [endpoint(BEHIND_NODE, "uid-node")])
        self.api.put_node("node-1", layout.pod_address(1), ["10.244.1.0/24"])
        self.wait_all("behind-node", {BEHIND_NODE: "READY"})
        saved = [Path(scratch.name, name) for name in ("routes.json", "endpoints.json")]
        self.assertTrue(process.wait_until(lambda: all(f.exists() and "10.244.1" in f.read_text() for f in saved), 10))
        self.addCleanup(self.api.start)
        self.api.stop()
        since = log_size()
        lab.restart_sluiced()
        self.assertTrue(logged(since, r"learned route\(s\) as they were when Sluice ran last"))
        self.wait_all("behind-node", {BEHIND_NODE: "READY"})
        report = Client(rate=200, duration=1000).wait()
        self.assertEqual(report["failed"], {})
        self.api.delete("behind-node-1")
        self.api.delete("node-1", namespace="", path=NODES)

    def test_pods_behind_a_gateway_of_the_kernel_are_reached_through_it(self) -> None:
        self.api.put("behind-kernel-1", "behind-kernel", [endpoint(BEHIND_KERNEL, "uid-kernel")])
        self.wait_all("behind-kernel", {BEHIND_KERNEL: "UNREACHABLE"})
        route = f"10.244.2.0/24 via {layout.pod_address(2)} dev management onlink"
        run(layout.SLUICE_NAMESPACE, *f"ip route add {route}".split())
        self.wait_all("behind-kernel", {BEHIND_KERNEL: "READY"})
        run(layout.SLUICE_NAMESPACE, *f"ip route delete {route}".split())
        self.wait_all("behind-kernel", {BEHIND_KERNEL: "UNREACHABLE"})


main()
