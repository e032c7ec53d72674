#!/usr/bin/python3
"""Two devices as a bond: calls cross it, and go on when a member fails.

      client -- north-veth -- bridge -- switch-a -- cable-a == member-a --.
                                 `----- switch-b -- cable-b == member-b --- bond of sluiced

A cable is joined to a TAP device of sluiced's by rules of the kernel, since a bridge takes the address of a TAP device for its own.
"""

import sys
from pathlib import Path

from support import LabTest, configuration, daemon, lab, layout, main, process, run

from sluicelab.client import Client, failed
from sluicelab.process import wait_until

MEMBERS = {"a": "north", "b": "member-b"}  # the lab waits for a TAP device "north"
CALLS = 200
SECONDS = 30


def link(words: str) -> None:
    process.ip(f"link {words}", layout.SLUICE_NAMESPACE)


def redirect(source: str, target: str) -> None:
    for words in (f"qdisc add dev {source} clsact",
                  f"filter add dev {source} ingress protocol all u32 match u32 0 0 action mirred egress redirect dev {target}"):
        run(layout.SLUICE_NAMESPACE, "tc", *words.split())


class Bond:
    driver = "tap"
    keys = ""  # of the bond's vdev line

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        text = (layout.REPOSITORY / "dpdk_conf" / "tap.toml").read_text()
        vdevs = ["net_tap0,iface=north", "net_tap1,iface=south", f"net_tap2,iface={MEMBERS['b']}",
                 f"net_bonding0,slave=net_tap0,slave=net_tap2,{cls.keys}"]
        dpdk = layout.RUN_DIR / "bond.toml"
        dpdk.write_text(text[:text.index("vdevs =")] + f"vdevs = {vdevs}\n".replace("'", '"'))
        config = configuration.sluiced_toml("tap").replace(str(layout.REPOSITORY / "dpdk_conf" / "tap.toml"), str(dpdk))
        layout.CONFIG_FILE.write_text(config.replace('device = "net_tap0"', 'device = "net_bonding0"'))
        lab.restart_sluiced()
        link("set north nomaster")
        for name, member in MEMBERS.items():
            link(f"add switch-{name} type veth peer name cable-{name}")
            link(f"set switch-{name} master br-north up")
            run(layout.SLUICE_NAMESPACE, "bridge", "link", "set", "dev", f"switch-{name}", "isolated", "on")  # from the other
            link(f"set cable-{name} up")
            link(f"set {member} up")
            redirect(member, f"cable-{name}")
            redirect(f"cable-{name}", member)

    def set(self, name: str, state: str) -> None:
        """Of the member and of the switch's port."""
        for device in (f"cable-{name}", MEMBERS[name]):
            link(f"set {device} {state}")

    def calls_go_on(self, client: Client, why: str) -> None:
        first = last = client.fresh()
        while sum(last["calls"].values()) - sum(first["calls"].values()) < CALLS:
            self.assertLess(last["t"] - first["t"], SECONDS, f"{why}: {last} {daemon.ask('nic')}")
            last = client.fresh()

    def test_calls_are_answered(self) -> None:
        client = Client(in_flight=4, payload=10_000)
        try:
            self.calls_go_on(client, "both members are up")
            final = client.stop()
        finally:
            client.kill()
        self.assertEqual((failed(final), final["connections"]), (0, 1), final)


    def test_calls_go_on_while_each_member_fails_in_turn(self) -> None:
        client = Client(in_flight=4, payload=10_000)
        try:
            self.calls_go_on(client, "both members are up")
            self.set("a", "down")
            self.calls_go_on(client, "the first member has failed")
            self.set("a", "up")
            self.calls_go_on(client, "the first member is back")
            self.set("b", "down")
            self.calls_go_on(client, "the other member has failed")
            self.set("b", "up")
            final = client.stop()
        finally:
            client.kill()
        self.assertEqual((failed(final), final["connections"]), (0, 1), final)

    def test_the_link_is_up_while_a_member_is(self) -> None:
        def links() -> list:
            (device,) = daemon.ask("nic")["ports"][0]["devices"]
            return [device["link"]["up"], *(member["up"] for member in device["members"])]

        for states in (("down", "up"), ("down", "down"), ("up", "down"), ("up", "up")):
            for name, state in zip(MEMBERS, states):
                self.set(name, state)
            expected = ["up" in states, *(state == "up" for state in states)]
            self.assertTrue(wait_until(lambda: links() == expected, SECONDS), f"{states}: {daemon.ask('nic')}")
            if not expected[0]:
                self.assertTrue(wait_until(lambda: "port north: link down" in layout.SLUICED_LOG.read_text(), SECONDS))


class ActiveBackup(Bond, LabTest):
    """DPDK's TAP driver tells the bond of no change of a link: Sluice looks itself."""

    keys = "mode=1,primary=net_tap0"


class Lacp(Bond, LabTest):
    keys = "mode=4"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        partner = [sys.executable, str(Path(__file__).with_name("lacp_partner.py")), "switch-a", "switch-b"]
        cls.addClassCleanup(process.kill, process.spawn(layout.SLUICE_NAMESPACE, partner, layout.RUN_DIR / "lacp-partner.log"))


main()
