#!/usr/bin/python3
"""One device for both sides: as a single port, and as two ports that are told apart by VLAN id."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from support import LabTest, configuration, daemon, lab, layout, main, process, run

VLAN = 20
TAGGED_NETWORK = "198.18.9"
CALLS = 400


def port(name: str, addresses: list, keys: str = "") -> str:
    north, _ = configuration.DEVICES["tap"]
    profile = layout.REPOSITORY / "nic_profiles" / "tap.toml"
    return f'[[port]]\nname = "{name}"\ndevice = "{north}"\nprofile = "{profile}"\naddresses = {addresses}\n{keys}\n'


class OneArm(LabTest):
    """The pod answers in the clients' namespace, so that everything crosses the north port's device."""

    driver = "tap"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.files = Path(tempfile.mkdtemp(prefix="sluice-one-arm-"))
        cls.addClassCleanup(shutil.rmtree, cls.files, ignore_errors=True)
        (cls.files / "small").write_bytes(b"x" * 100)
        (cls.files / "large").write_bytes(b"y" * 300_000)

    def start_with(self, ports: str, pod_device: str) -> None:
        """sluiced with these ports, and the pod's address at that device of the clients' namespace."""
        address = f"{layout.pod_address(1)}/{layout.PREFIX_LENGTH}"
        process.ip(f"address add {address} dev {pod_device}", layout.CLIENT_NAMESPACE)
        self.addCleanup(process.ip, f"address delete {address} dev {pod_device}", layout.CLIENT_NAMESPACE)
        pod = process.spawn(layout.CLIENT_NAMESPACE, ["nghttpd", "--no-tls", "-a", layout.pod_address(1), "-d", str(self.files),
                                                      str(layout.PORT)], layout.RUN_DIR / "one-arm-pod.log")
        self.addCleanup(process.kill, pod)
        text = configuration.sluiced_toml("tap")
        begin, end = text.index("[[port]]"), text.index("[[listener]]")
        layout.CONFIG_FILE.write_text(text[:begin] + ports + text[end:])
        lab.restart_sluiced()

    def every_call_is_answered(self) -> None:
        for name in ("small", "large"):
            said = run(layout.CLIENT_NAMESPACE, "h2load", "-n", str(CALLS), "-c", "2", "-m", "5",
                       f"http://{layout.VIP}:{layout.PORT}/{name}")
            self.assertRegex(said, rf"{CALLS} succeeded, 0 failed")

    def test_one_port_serves_both_sides(self) -> None:
        both = [f"{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}", f"{layout.SOUTH_ADDRESS}/{layout.PREFIX_LENGTH}"]
        self.start_with(port("both", both), "eth0")
        self.every_call_is_answered()

    def test_ports_that_share_a_device_are_told_apart_by_vlan_id(self) -> None:
        """The frames of north have no tag, and the calls cross it; the other port is asked for its address in tagged frames."""
        both = [f"{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}", f"{layout.SOUTH_ADDRESS}/{layout.PREFIX_LENGTH}"]
        self.start_with(port("north", both) + port("other", [f"{TAGGED_NETWORK}.1/24"], f"vlan = {VLAN}"), "eth0")
        self.every_call_is_answered()
        self.assertEqual(self.ask_for(f"{TAGGED_NETWORK}.1", VLAN), [VLAN])
        self.assertEqual(self.ask_for(layout.NORTH_ADDRESS, VLAN), [])
        self.assertEqual(self.ask_for(f"{TAGGED_NETWORK}.1", VLAN + 1), [])
        unknown = lambda: daemon.ask("nic")["ports"][0]["drops"]["unknown_vlan"]  # noqa: E731
        self.assertTrue(process.wait_until(lambda: unknown() == 1, 10), daemon.ask("nic"))

    def ask_for(self, address: str, vlan: int) -> list:
        """The VLAN ids of the answers to an ARP request."""
        said = run(layout.CLIENT_NAMESPACE, sys.executable, str(Path(__file__).with_name("tagged_arp.py")), "eth0", str(vlan), address)
        return json.loads(said)


main()
