#!/usr/bin/python3
"""tools/setup prepares a host and takes back what it did, on a host that is a directory."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True

from fake_host import DRIVERS, ESTABLISHED, HUGE, LISTEN, PCI, FakeHost

from sluicesetup import commands, needs
from sluicesetup.host import SetupError, cores_of, list_of

CARD, OTHER_CARD, DEFAULT_ROUTE_CARD = "0000:03:00.0", "0000:03:00.1", "0000:02:00.0"
STATE = "/var/lib/sluice/setup.json"
GRUB_FILE = "/etc/default/grub.d/sluice.cfg"

SLUICED = 'dpdk = "dpdk.toml"\n[sluice]\nworkers = 2\n'
DPDK = f'worker_cores = [1, 2, 3]\ncontrol_core = 0\nmemory_mib = 64\npci = ["{CARD}"]\n'


class SetupTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.host = FakeHost(self.directory / "root")
        without_ssh = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
        self.enterContext(mock.patch.dict(os.environ, without_ssh, clear=True))

    def needs(self, sluiced: str = SLUICED, dpdk: str = DPDK, more_devices: tuple = ()) -> needs.Needs:
        (self.directory / "sluiced.toml").write_text(sluiced)
        (self.directory / "dpdk.toml").write_text(dpdk)
        return needs.read_needs(self.directory / "sluiced.toml", more_devices)

    def say(self, command, *given, **how) -> tuple:
        """Whether all was well, and what was printed."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            well = command(self.host, *given, **how)
        return well, printed.getvalue()

    def prepare(self, **how) -> tuple:
        return self.say(commands.prepare, how.pop("needs", None) or self.needs(), **how)

    def check(self, **how) -> tuple:
        return self.say(commands.check, self.needs(**how))

    def undo(self, **how) -> tuple:
        return self.say(commands.undo, **how)


class Needs(SetupTest):
    def test_the_first_worker_cores_are_used_and_addresses_get_their_domain(self) -> None:
        wanted = self.needs(dpdk='worker_cores = [4, 5, 6]\npci = ["03:00.0,rx_vec=1", "0000:03:00.0"]\n')
        self.assertEqual(wanted, needs.Needs(worker_cores=[4, 5], control_core=0, huge_mib=512, devices=[CARD]))

    def test_without_huge_pages_none_are_needed(self) -> None:
        self.assertEqual(self.needs(dpdk="hugepages = false").huge_mib, 0)

    def test_a_configuration_that_cannot_be_read_is_said(self) -> None:
        for sluiced, dpdk, part in (("dpdk = ", DPDK, "sluiced.toml: Invalid value"), ('dpdk = "no.toml"', DPDK, "no.toml: No such file"),
                                    ("", DPDK, "does not name a dpdk file"), (SLUICED, 'pci = ["eth0"]', "eth0 is not a PCI address"),
                                    (SLUICED, 'memory_mib = "much"', "has mistakes")):
            with self.subTest(part), self.assertRaisesRegex(SetupError, part):
                self.needs(sluiced, dpdk)

    def test_lists_of_cores_are_the_kernels(self) -> None:
        self.assertEqual(list_of({0, 1, 2, 5, 7, 8}), "0-2,5,7-8")
        self.assertEqual(cores_of("0-2,5,7-8\n"), {0, 1, 2, 5, 7, 8})


class Prepare(SetupTest):
    def test_everything_that_is_missing_is_done(self) -> None:
        well, printed = self.prepare()
        self.assertTrue(well, printed)
        self.assertEqual(self.host.read(f"{HUGE}/free_hugepages"), "32")
        self.assertEqual(self.host.read(f"{HUGE}/nr_hugepages"), "34")
        self.assertEqual(self.host.commands, ["modprobe vfio-pci"])
        self.assertEqual(self.host.driver(CARD), "vfio-pci")
        self.assertEqual(self.host.driver(OTHER_CARD), "ixgbe")
        self.assertEqual([self.host.read(f"/proc/irq/{number}/smp_affinity_list") for number in (24, 25, 26)], ["0,3", "0,3", "0,3"])
        self.assertEqual(self.host.read("/proc/irq/default_smp_affinity"), "9")
        self.assertTrue(self.check()[0])

    def test_undo_restores_the_host_file_by_file(self) -> None:
        self.host.put({"/etc/default/grub": ""})
        before = self.host.contents()
        self.prepare(needs=self.needs(more_devices=(OTHER_CARD,)), grub=True)
        self.assertNotEqual(self.host.contents(), before)
        well, printed = self.undo()
        self.assertTrue(well, printed)
        self.assertEqual(self.host.contents(), before)
        self.assertEqual(self.host.commands, ["modprobe vfio-pci", "modprobe -r vfio-pci"])
        self.assertEqual(self.undo(), (True, "There is nothing to undo.\n"))

    def test_a_dry_run_shows_the_changes_and_makes_none(self) -> None:
        before = self.host.contents()
        well, printed = self.prepare(dry_run=True)
        self.assertTrue(well)
        self.assertIn(f"would bind {CARD} to vfio-pci instead of ixgbe, which takes eth1 from the kernel", printed)
        self.assertIn("nr_hugepages from 8 to 34", printed)
        self.assertIn("would keep interrupts off the cores 1-2 (3 times)", printed)
        self.assertEqual(self.host.contents(), before)

    def test_a_second_run_changes_nothing_and_undo_still_knows_the_first(self) -> None:
        before = self.host.contents()
        self.prepare()
        after = self.host.contents()
        self.prepare()
        self.assertEqual(self.host.contents(), after)
        self.undo()
        self.assertEqual(self.host.contents(), before)

    def test_what_somebody_else_changed_since_stays(self) -> None:
        self.prepare()
        self.host.put({f"{HUGE}/nr_hugepages": "100"})
        well, printed = self.undo()
        self.assertTrue(well)
        self.assertIn("nr_hugepages is 100, and was 34 after tools/setup: it stays", printed)
        self.assertEqual(self.host.read(f"{HUGE}/nr_hugepages"), "100")
        self.assertEqual(self.host.driver(CARD), "ixgbe")

    def test_a_device_that_does_not_bind_is_an_error_and_undo_helps(self) -> None:
        before = self.host.contents()
        with mock.patch.object(FakeHost, "_bind", side_effect=OSError), self.assertRaisesRegex(SetupError, "bound to no driver, not to vf"):
            self.prepare()
        self.undo()
        self.assertEqual(self.host.contents(), before)

    def test_huge_pages_that_cannot_be_had_are_an_error_and_undo_gives_back_the_others(self) -> None:
        self.host.most_huge_pages = 20
        with self.assertRaisesRegex(SetupError, "only 20 of 34 huge pages could be had"):
            self.prepare()
        self.undo()
        self.assertEqual(self.host.read(f"{HUGE}/nr_hugepages"), "8")

    def test_each_numa_node_gets_its_share_of_the_pages(self) -> None:
        nodes = "/sys/devices/system/node"
        for node, cores in ((0, "0-1"), (1, "2-3")):
            self.host.put({f"{nodes}/node{node}/cpulist": cores, f"{nodes}/node{node}/hugepages/hugepages-2048kB/nr_hugepages": "0",
                           f"{nodes}/node{node}/hugepages/hugepages-2048kB/free_hugepages": "0"})
        printed = self.prepare(dry_run=True)[1]
        self.assertIn("node0/hugepages/hugepages-2048kB/nr_hugepages from 0 to 22", printed)  # two of three threads
        self.assertIn("node1/hugepages/hugepages-2048kB/nr_hugepages from 0 to 11", printed)

    def test_an_interrupt_that_the_kernel_places_itself_stays(self) -> None:
        self.host.managed_interrupts = {"25"}
        well, printed = self.prepare()
        self.assertTrue(well)
        self.assertIn("1 interrupts stay where the kernel has placed them", printed)
        self.undo()
        self.assertEqual(self.host.read("/proc/irq/25/smp_affinity_list"), "1")

    def test_the_kernels_arguments_are_printed_and_written_only_on_request(self) -> None:
        self.host.put({"/etc/default/grub": ""})
        arguments = "isolcpus=managed_irq,domain,1-2 nohz_full=1-2 hugepages=32 iommu=pt intel_iommu=on"
        self.assertIn(arguments, self.prepare()[1])
        self.assertFalse(self.host.exists(GRUB_FILE))
        self.prepare(grub=True)
        self.assertIn(f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {arguments}"', self.host.read(GRUB_FILE))

    def test_a_reboot_has_undone_all_but_the_file_for_grub(self) -> None:
        self.host.put({"/etc/default/grub": ""})
        self.prepare(grub=True)
        self.host.reboot()
        self.host.put({f"{HUGE}/nr_hugepages": "34"})  # by the kernel's arguments
        self.assertTrue(self.undo()[0])
        self.assertEqual(self.host.read(f"{HUGE}/nr_hugepages"), "34")
        self.assertEqual(self.host.driver(CARD), "vfio-pci")
        self.assertFalse(self.host.exists(GRUB_FILE))
        self.assertFalse(self.host.exists(STATE))

    def test_nvidias_driver_stays(self) -> None:
        self.host.add_card("0000:05:00.0", "eth5", driver="mlx5_core", group="5")
        self.prepare(needs=self.needs(dpdk='pci = ["0000:05:00.0"]'))
        self.assertEqual(self.host.driver("0000:05:00.0"), "mlx5_core")
        self.assertEqual(self.host.commands, [])

    def test_addresses_that_the_kernel_lost_are_named_at_undo(self) -> None:
        self.host.addresses["eth1"] = ["10.0.0.5/24"]
        self.assertIn("takes eth1 10.0.0.5/24 from the kernel", self.prepare()[1])
        self.assertIn("ip address add 10.0.0.5/24 dev eth1", self.undo()[1])


class Refusals(SetupTest):
    def assert_refused(self, part: str, device: str = CARD, forcible: bool = True) -> None:
        before = self.host.contents()
        wanted = self.needs(more_devices=(device,))
        well, printed = self.prepare(needs=wanted)
        self.assertFalse(well)
        self.assertIn(part, printed)
        self.assertIn("Nothing was changed.", printed)
        self.assertEqual(self.host.contents(), before)
        self.assertEqual(self.prepare(needs=wanted, force=True)[0], forcible)
        self.assertEqual(self.host.driver(device) == "vfio-pci", forcible)

    def test_the_card_of_the_default_route(self) -> None:
        self.assert_refused(f"{DEFAULT_ROUTE_CARD} is eth0, which has the default route", DEFAULT_ROUTE_CARD)

    def test_the_card_of_the_default_route_of_ipv6(self) -> None:
        zeros = "0" * 32
        self.host.put({"/proc/net/ipv6_route": f"{zeros} 00 {zeros} 00 fe80{zeros[4:]} 00000400 00000001 00000000 00000003 eth1\n"
                                               f"{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200 lo"})
        self.assert_refused(f"{CARD} is eth1, which has the default route")

    def test_a_part_of_the_bond_of_the_vlan_of_the_default_route(self) -> None:
        self.host.put({"/proc/net/route": "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n"
                                          "vlan7 00000000 010200C0 0003 0 0 0 00000000 0"})
        for upper, lower in (("vlan7", "bond0"), ("bond0", "eth1")):
            self.host.path(f"/sys/class/net/{upper}/lower_{lower}").mkdir(parents=True)
        self.assert_refused("eth1, which is part of bond0, which is part of vlan7, which has the default route")

    def test_the_card_of_this_ssh_session(self) -> None:
        self.host.addresses["eth1"] = ["10.0.0.5/24"]
        with mock.patch.dict(os.environ, {"SSH_CONNECTION": "10.0.0.9 50000 10.0.0.5 22"}):
            self.assert_refused("eth1, which carries an SSH session")

    def test_the_card_of_any_connection_of_sshd(self) -> None:
        """Of another terminal, under sudo, which drops SSH_CONNECTION, or inside of tmux."""
        for local in ("0500000A:0016", "0000000000000000FFFF00000500000A:0016"):
            with self.subTest(local):
                self.setUp()
                self.host.addresses["eth1"] = ["10.0.0.5/24"]
                self.host.add_process("sshd-session", 700, {4711: f"{local} {ESTABLISHED}"})
                self.assert_refused("eth1, which carries an SSH session")

    def test_a_socket_that_listens_or_is_not_sshds_protects_nothing(self) -> None:
        self.host.addresses["eth1"] = ["10.0.0.5/24"]
        self.host.add_process("sshd", 700, {4711: f"0500000A:0016 {LISTEN}"})
        self.host.add_process("nginx", 701, {4712: f"0500000A:0050 {ESTABLISHED}"})
        self.assertTrue(self.prepare()[0])

    def test_a_virtio_card_is_known_by_its_interface_too(self) -> None:
        self.host.add_card("0000:06:00.0", "none", group="6", driver="virtio-pci")
        self.host.path(f"{PCI}/0000:06:00.0/virtio3/net/ens6").mkdir(parents=True)
        self.host.put({"/proc/net/route": "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n"
                                          "ens6 00000000 010200C0 0003 0 0 0 00000000 0"})
        self.assert_refused("0000:06:00.0 is ens6, which has the default route", "0000:06:00.0")

    def test_while_sluiced_runs(self) -> None:
        self.host.add_process("sluiced", 800)
        self.assert_refused("sluiced runs, and may use the devices")
        well, printed = self.undo()
        self.assertFalse(well)
        self.assertEqual(self.host.driver(CARD), "vfio-pci")

    def test_a_card_without_an_iommu(self) -> None:
        self.host.add_card("0000:07:00.0", "eth7")
        self.assert_refused("0000:07:00.0 is behind no IOMMU", "0000:07:00.0", forcible=False)
        self.host.put({"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode": "Y"})
        self.assertTrue(self.prepare(needs=self.needs(more_devices=("0000:07:00.0",)))[0])

    def test_a_card_whose_neighbour_in_the_iommu_group_keeps_its_driver(self) -> None:
        self.host.add_card("0000:08:00.0", "eth8", group="8")
        self.host.add_card("0000:08:00.1", "eth9", group="8")
        self.host.add_card("0000:00:01.0", "none", group="8", driver="pcieport")
        self.host.put({f"{PCI}/0000:00:01.0/class": "0x060400"})
        self.assert_refused("shares its IOMMU group with 0000:08:00.1, which ixgbe drives", "0000:08:00.0", forcible=False)
        self.assertTrue(self.prepare(needs=self.needs(more_devices=("0000:08:00.0", "0000:08:00.1")))[0])

    def test_a_card_that_is_not_there(self) -> None:
        self.assert_refused("There is no PCI device 0000:09:00.0", "0000:09:00.0", forcible=False)


class Check(SetupTest):
    def test_each_thing_that_is_missing_is_a_sentence_with_its_remedy(self) -> None:
        self.host.add_process("irqbalance", 900)
        well, printed = self.check()
        self.assertFalse(well)
        for part in ("12 MiB of huge pages are free of the 64 MiB that DPDK takes (/sys/kernel/mm/hugepages). tools/setup does that.",
                     "The kernel module vfio-pci is not loaded. tools/setup does that.",
                     f"{CARD} is bound to ixgbe, not to vfio-pci. tools/setup does that.",
                     "4 interrupts may run on the workers' cores 1-2. tools/setup moves those",
                     "irqbalance runs, and may move interrupts to the workers' cores. Write IRQBALANCE_BANNED_CPULIST=1-2",
                     "The scheduler puts other processes on the workers' cores 1-2."):
            self.assertIn(part, printed)

    def test_a_host_that_has_everything_is_ready(self) -> None:
        self.prepare()
        self.host.put({"/sys/devices/system/cpu/isolated": "1-2", "/sys/devices/system/cpu/nohz_full": "1-2",
                       "/proc/cmdline": "hugepages=64 iommu=pt intel_iommu=on"})
        self.assertEqual(self.check(), (True, "This host is ready for sluiced.\n"))

    def test_a_sluiced_that_runs_lacks_no_huge_pages(self) -> None:
        self.prepare()
        self.host.add_process("sluiced", 800)
        self.host.put({f"{HUGE}/free_hugepages": "0"})
        well, printed = self.check()
        self.assertTrue(well, printed)

    def test_a_core_that_the_machine_does_not_have_is_said(self) -> None:
        self.assertIn("This machine has no core 4-5.", self.check(dpdk="worker_cores = [4, 5]")[1])

    def test_pages_of_one_gibibyte_count_too(self) -> None:
        large = "/sys/kernel/mm/hugepages/hugepages-1048576kB"
        self.host.put({f"{large}/nr_hugepages": "1", f"{large}/free_hugepages": "1"})
        self.assertNotIn("huge pages", self.check()[1].replace("hugepages", ""))

    def test_the_module_is_not_asked_for_when_its_driver_is_there(self) -> None:
        self.host.path(f"{DRIVERS}/vfio-pci").mkdir()
        self.assertNotIn("is not loaded", self.check()[1])


if __name__ == "__main__":
    unittest.main()
