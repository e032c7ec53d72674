#!/usr/bin/python3
"""IPv6 and IPv4, client side and pod side, in all four combinations; and the neighbourhood: discovery, ping, addresses that are
nobody's."""

import re
import subprocess

from support import SANITIZED, LabTest, lab, layout, main, process, run, worker

REQUESTS = 2_000 if SANITIZED else 20_000
CLIENTS = {"IPv4": layout.VIP, "IPv6": f"[{layout.VIP_6}]"}
PODS = {"IPv4": layout.PORT, "IPv6": layout.IPV6_PODS_PORT}


class Ipv6(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, pod_command="nghttpd --no-tls -n 1 -d /etc $POD_PORT", ipv6=True)
        cls.addClassCleanup(lab.down)

    def test_every_family_reaches_every_other(self) -> None:
        for client, address in CLIENTS.items():
            for pod, port in PODS.items():
                with self.subTest(f"{client} client, {pod} pod"):
                    said = run(layout.CLIENT_NAMESPACE, "h2load", "-n", str(REQUESTS), "-c", "10", "-m", "32",
                               f"http://{address}:{port}/hostname")
                    succeeded, failed = re.search(r"(\d+) succeeded, (\d+) failed", said).groups()
                    self.assertEqual((int(succeeded), int(failed)), (REQUESTS, 0))

    def test_long_answers_fill_the_segments_of_their_family(self) -> None:
        """curl checks the length, the TCP checksum each segment."""
        for address in CLIENTS.values():
            for port in PODS.values():
                size = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w",
                           "%{size_download}", f"http://{address}:{port}/services")
                self.assertGreater(int(size), 10_000)
        for port in worker()["ports"]:
            self.assertEqual((port["drops"]["tx_too_long"], port["drops"]["tcp_checksum"]), (0, 0), port)

    def test_the_virtual_address_answers_ping(self) -> None:
        for address in (layout.VIP_6, layout.NORTH_ADDRESS_6):
            self.assertIn(" 3 received", run(layout.CLIENT_NAMESPACE, "ping", "-6", "-c", "3", "-w", "10", address))

    def test_neighbours_find_sluice_again_after_they_forgot_it(self) -> None:
        run(layout.CLIENT_NAMESPACE, "ip", "-6", "neighbour", "flush", "dev", "eth0")
        self.assertIn(" 0% packet loss", run(layout.CLIENT_NAMESPACE, "ping", "-6", "-c", "1", layout.VIP_6))
        known = run(layout.CLIENT_NAMESPACE, "ip", "-6", "neighbour", "show", layout.VIP_6)
        self.assertIn("lladdr", known)

    def test_an_address_that_nobody_has_is_not_answered_for(self) -> None:
        said = run(layout.CLIENT_NAMESPACE, "ping", "-6", "-c", "1", "-W", "1", "fd00:198:18::99", check=False)
        self.assertIn("100% packet loss", said)

    def test_a_second_owner_of_the_vip_learns_that_it_is_taken(self) -> None:
        """Duplicate address detection of a kernel that wants the VIP for itself."""
        run(layout.CLIENT_NAMESPACE, "ip", "address", "add", f"{layout.VIP_6}/64", "dev", "eth0")
        try:
            found = process.wait_until(lambda: "dadfailed" in run(layout.CLIENT_NAMESPACE, "ip", "-6", "address", "show",
                                                                  "dev", "eth0"), 4)
        finally:
            subprocess.run(["ip", "-n", layout.CLIENT_NAMESPACE, "address", "del", f"{layout.VIP_6}/64", "dev", "eth0"])
        self.assertTrue(found)


main()
