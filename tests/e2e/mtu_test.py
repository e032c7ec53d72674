#!/usr/bin/python3
"""TAP ports of Sluice's own with an MTU of 9,000: large bodies up and down, and packets that nobody cuts."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from support import LabTest, configuration, daemon, lab, layout, main, process, run, worker

MTU = 9000
IPV4, TCP, ICMP = 20, 32, 8  # bytes of headers
MIB = 1 << 20
CALLS = 200


class Jumbo(LabTest):
    driver = "tun"

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, cls.driver, pod_command="nghttpd --no-tls -n 1 --echo-upload -d /etc $POD_PORT", workers=1)
        cls.addClassCleanup(lab.down)
        layout.CONFIG_FILE.write_text(configuration.sluiced_toml(cls.driver).replace("addresses =", f"mtu = {MTU}\naddresses ="))
        lab.restart_sluiced(wait=False)
        # The interfaces of sluiced have it already.
        for namespace in (layout.SOUTH_NAMESPACE, lab.namespace_of(layout.pod_name(1))):
            for link in json.loads(process.ip("-j link show", namespace)):
                if link["ifname"] != "lo" and link["mtu"] != MTU:
                    process.ip(f"link set {link['ifname']} mtu {MTU}", namespace)
        ready = lambda: [row["state"] for row in daemon.pod_rows().values()] == ["READY"]  # noqa: E731
        if not process.wait_until(ready, 20):
            raise AssertionError(f"the pod is not ready: {daemon.pod_rows()}")

    def test_a_large_body_returns_as_it_went(self) -> None:
        sent = os.urandom(MIB)
        before = worker()["ports"]
        with tempfile.TemporaryDirectory() as scratch:
            body, returned = Path(scratch) / "body", Path(scratch) / "returned"
            body.write_bytes(sent)
            for _ in range(4):
                run(layout.CLIENT_NAMESPACE, "sh", "-c",
                    f"nghttp -w 20 -W 20 -d {body} http://{layout.VIP}:{layout.PORT}/x > {returned}")
                self.assertEqual(hashlib.sha256(returned.read_bytes()).hexdigest(), hashlib.sha256(sent).hexdigest())
        for old, new in zip(before, worker()["ports"]):
            counts = {key: new[key] - old[key] for key in ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")}
            self.assertGreater(counts["rx_bytes"], 4 * MIB, counts)
            self.assertGreater(counts["tx_bytes"], 4 * MIB, counts)
            for reason in ("rx_errors", "rx_no_buffer", "tx_full", "tx_too_long", "tcp_checksum"):
                self.assertEqual(new["drops"][reason], old["drops"][reason], reason)

    def test_many_calls_are_answered(self) -> None:
        said = run(layout.CLIENT_NAMESPACE, "h2load", "-n", str(CALLS), "-c", "4", "-m", "8",
                   f"http://{layout.VIP}:{layout.PORT}/services")
        self.assertRegex(said, rf"{CALLS} succeeded, 0 failed")

    def test_the_virtual_address_answers_a_ping_of_9000_bytes(self) -> None:
        said = run(layout.CLIENT_NAMESPACE, "ping", "-c", "3", "-i", "0.2", "-w", "10", "-M", "do", "-s", str(MTU - IPV4 - ICMP), layout.VIP)
        self.assertIn(" 3 received", said)

    def test_segments_of_a_connection_are_as_large_as_the_mtu_allows(self) -> None:
        said = run(layout.CLIENT_NAMESPACE, "bash", "-c", f"exec 3<>/dev/tcp/{layout.VIP}/{layout.PORT}; ss -tin dst {layout.VIP}")
        self.assertRegex(said, rf"\bmss:{MTU - IPV4 - TCP}\b")


main()
