#!/usr/bin/python3
"""NIC profiles with the drivers of real PCI cards: sluiced in a virtual machine, with cards that QEMU emulates, bound to vfio-pci.

        namespace sluice-vmPID-client      virtual machine                     namespace sluice-vmPID-pods
      sluice-client, 198.18.0.1 -- TAP -- card 0 [sluiced] card 1 -- TAP -- 198.18.1.101, .102, .103: sluice-pod
                                          198.18.0.2       198.18.1.1
                                          VIP 198.18.0.10

tools/setup is tried on the same machine, too. The consoles of the machines are in build/guest/.
"""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Iterator

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import guest, layout, vm  # noqa: E402
from sluicelab.client import Client, failed  # noqa: E402
from sluicelab.process import LabError, in_namespace, run, wait_until  # noqa: E402
from vm_networks import Networks  # noqa: E402
from vm_sluiced import CONFIG_DIRECTORY, PODS, Sluiced, files, refused_start  # noqa: E402

# Payloads and the number of calls with each. Large answers take chains of buffers, and several packets at once.
LARGE = 30_000
CALLS = {100: 300, LARGE: 200}
CALLS_SECONDS = 60.0
SETUP_SECONDS = 60.0
CONSOLES = layout.build_dir() / "guest"
QUEUES = 2
JUMBO = 9_000
IP_AND_ICMP = 20 + 8  # bytes of headers
MOST_CLIENTS = 16
FAIR_MARGIN = 0.05  # of a pod's share: the counting begins while calls are in flight


def counted(report: dict) -> int:
    return sum(report["calls"].values())


class PciCards(unittest.TestCase):
    """The contexts end inside of each test, and not in clean-ups: unittest skips clean-ups when it is interrupted."""

    @contextlib.contextmanager
    def machine(self, card: str, inside: dict, queues: int = 1, options: str = "", mtu: int = 1500) -> Iterator[tuple]:
        """A machine with two such cards, bound to vfio-pci, and the networks around it. inside: files in the machine."""
        system = guest.System()
        with tempfile.TemporaryDirectory(prefix="sluice-vm-") as scratch, Networks(queues, mtu) as networks:
            networks.start_pods(Path(scratch))
            initramfs = guest.make_initramfs(system, Path(scratch), [layout.sluiced_binary(), layout.sluicectl_binary()], inside)
            console = CONSOLES / f"{self.id().rpartition('test_')[2]}.console"
            with contextlib.closing(vm.Machine(system, initramfs, card, networks.taps, console, options)) as machine:
                for number in range(len(networks.taps)):
                    machine.bind_to_vfio(number)
                yield machine, networks

    @contextlib.contextmanager
    def sluiced(self, machine: vm.Machine, profile: str, chosen: str, flows: str) -> Iterator[Sluiced]:
        """Nothing is dropped, and it ends in order."""
        sluiced = Sluiced(machine)
        try:
            ports = [(port["profile"], port["profile_chosen"], port["flows"]) for port in sluiced.ask("nic")["ports"]]
            self.assertEqual(ports, [(profile, chosen, flows)] * 2)
            # A card of QEMU's offers all that its profile claims.
            for claim in (claim for port in sluiced.ask("nic")["ports"] for claim in port["claims"]):
                self.assertTrue(claim["claimed"] != "yes" or claim["used"] == "yes", claim)
            yield sluiced
            self.assertEqual([port["flows"] for port in sluiced.ask("nic")["ports"]], [flows] * 2, "the hashes differ from software's")
            self.assertEqual(sluiced.drops(), {})
            self.assertEqual(sluiced.stop(), 0)
        except Exception:
            print(f"{sluiced.log()}\n{machine.evidence()}")
            raise

    def prove(self, card: str, profile: str, flows: str = "none", lacks_something: bool = True) -> None:
        """Sluice chooses the profile. A card that lacks nothing can refuse no profile."""
        with self.machine(card, files()) as (machine, networks):
            if lacks_something:
                self.a_profile_that_claims_too_much_is_refused(machine)
            with self.sluiced(machine, profile, "auto", flows) as sluiced:
                for payload, calls in CALLS.items():
                    self.every_call_ends_with_a_pods_answer(networks, sluiced, payload, calls)
                if sluiced.uses("rx_interrupts"):
                    self.frames_wake_a_worker_that_sleeps(networks, sluiced)

    def prove_jumbo_frames(self, card: str, profile: str, flows: str = "none") -> None:
        with self.machine(card, files(mtu=JUMBO), mtu=JUMBO) as (machine, networks):
            with self.sluiced(machine, profile, "auto", flows) as sluiced:
                for payload, calls in CALLS.items():
                    self.every_call_ends_with_a_pods_answer(networks, sluiced, payload, calls)
                for namespace, address in ((networks.client, layout.NORTH_ADDRESS), (networks.pods, layout.SOUTH_ADDRESS)):
                    run(*in_namespace(namespace, ["ping", "-q", "-c", "3", "-M", "do", "-s", str(JUMBO - IP_AND_ICMP), address]))

    def prove_two_queues(self, profile: str, chosen: str, flows: str, options: str = "") -> list:
        """virtio's. Both workers have clients. Returns the workers' counters."""
        inside = files(QUEUES, "auto" if chosen == "auto" else profile)
        with self.machine("virtio-net-pci", inside, QUEUES, ",mq=on,vectors=6" + options) as (machine, networks):
            with self.sluiced(machine, profile, chosen, flows) as sluiced:
                self.calls_of_both_workers_end_with_a_pods_answer(networks, sluiced)
                return sluiced.ask("stats")["workers"]

    def a_profile_that_claims_too_much_is_refused(self, machine: vm.Machine) -> None:
        code, output = refused_start(machine)
        self.assertEqual(code, 1, output)
        self.assertRegex(output, r"profile 'boastful' says \w+ = (true, and the driver does not offer it|64, and the driver takes)", output)

    def every_call_ends_with_a_pods_answer(self, networks: Networks, sluiced: Sluiced, payload: int, calls: int) -> None:
        client = Client(networks.client, payload=payload)
        try:
            if not wait_until(sluiced.all_pods_are_ready, CALLS_SECONDS, every=0.2):
                raise LabError(f"not all pods became READY: {sluiced.ask('pods')}")
            client.fresh()  # this one may have been made before they were
            first = last = client.fresh()
            while counted(last) - counted(first) < calls:
                self.assertLess(last["t"] - first["t"], CALLS_SECONDS, f"{calls} calls took too long: {last}")
                last = client.fresh()
            final = client.stop()
        finally:
            client.kill()
        self.assertEqual((failed(final), final["in_flight"], final["connections"]), (0, 0, 1), final)
        by_pod = {pod: final["calls"].get(pod, 0) - first["calls"].get(pod, 0) for pod in map(layout.pod_name, PODS)}
        for pod, number in by_pod.items():
            self.assertAlmostEqual(number / sum(by_pod.values()), 1 / len(PODS), delta=FAIR_MARGIN, msg=f"{pod} of {by_pod}")
        print(f"{counted(final)} calls of {payload:,} bytes, {by_pod} ... ", end="", flush=True)

    def calls_of_both_workers_end_with_a_pods_answer(self, networks: Networks, sluiced: Sluiced) -> None:
        clients: list = []

        def all_workers_have_one() -> bool:
            return all(worker["http2"]["client_connections"] > 0 for worker in sluiced.ask("stats")["workers"])

        try:
            while not all_workers_have_one():
                self.assertLess(len(clients), MOST_CLIENTS, "all of them are one worker's")
                clients.append(Client(networks.client, payload=LARGE, in_flight=4))
                begun = clients[-1].fresh()
                while counted(clients[-1].fresh()) == 0:
                    self.assertLess(clients[-1].fresh()["t"] - begun["t"], CALLS_SECONDS)
            before = list(map(counted, (client.fresh() for client in clients)))
            until = time.monotonic() + CALLS_SECONDS
            while sum(counted(client.fresh()) for client in clients) - sum(before) < CALLS[LARGE]:
                self.assertLess(time.monotonic(), until, "the calls took too long")
            final = [client.stop() for client in clients]
        finally:
            for client in clients:
                client.kill()
        for one in final:
            self.assertEqual((failed(one), one["in_flight"], one["connections"]), (0, 0, 1), one)
        print(f"{sum(map(counted, final))} calls of {len(final)} clients ... ", end="", flush=True)

    def frames_wake_a_worker_that_sleeps(self, networks: Networks, sluiced: Sluiced) -> None:
        """A worker that nothing wakes sleeps 10 ms at a time. One that frames wake sleeps between the frames, and so more often."""
        def sleeps_a_second(namespace: str, *command: str) -> float:
            before, began = sluiced.sleeps(), time.monotonic()
            run(*in_namespace(namespace, command))
            return (sluiced.sleeps() - before) / (time.monotonic() - began)

        undisturbed = sleeps_a_second(networks.client, "sleep", "3")
        woken = sleeps_a_second(networks.client, "ping", "-q", "-i", "0.003", "-w", "3", layout.NORTH_ADDRESS)
        print(f"{undisturbed:.0f} sleeps a second, and {woken:.0f} with pings ... ", end="", flush=True)
        self.assertGreater(undisturbed, 10)
        self.assertLess(undisturbed, 200, "something wakes it all the time")
        self.assertGreater(woken, 1.3 * undisturbed)

    def test_e1000(self) -> None:
        self.prove("e1000", "e1000")

    def test_e1000e(self) -> None:
        self.prove("e1000e", "e1000e")

    def test_vmxnet3(self) -> None:
        self.prove("vmxnet3", "vmxnet3")

    def test_e1000e_at_an_mtu_of_9000(self) -> None:
        self.prove_jumbo_frames("e1000e", "e1000e")

    def test_vmxnet3_at_an_mtu_of_9000(self) -> None:
        self.prove_jumbo_frames("vmxnet3", "vmxnet3")

    def test_virtio(self) -> None:
        self.prove("virtio-net-pci", "virtio", "returns-where-sent", lacks_something=False)

    def test_virtio_with_two_queues(self) -> None:
        self.prove_two_queues("virtio", "auto", "returns-where-sent")

    def test_virtio_with_two_queues_and_rss(self) -> None:
        """A packet arrives at its flow's worker."""
        workers = self.prove_two_queues("virtio-rss", "named", "rss", ",rss=on")
        self.assertEqual([worker["steer"]["handed_over"] for worker in workers], [0, 0])


class Setup(unittest.TestCase):
    """tools/setup with a real kernel, whose driver has the cards."""

    def test_sluiced_starts_on_a_host_that_was_set_up_and_undo_gives_the_cards_back(self) -> None:
        system = guest.System()
        python = Path("/usr/bin/python3").resolve()
        programs = [layout.sluiced_binary(), layout.sluicectl_binary(), python, Path(shutil.which("ip"))]
        trees = [Path("/usr/lib", python.name), REPOSITORY / "tools" / "setup", REPOSITORY / "tools" / "sluicesetup"]
        command = f"{python.name} {REPOSITORY}/tools/setup --config {CONFIG_DIRECTORY}/sluiced.toml"
        drivers = " ".join(f"/sys/bus/pci/devices/{vm.pci_address(number)}/driver" for number in (0, 1))
        with tempfile.TemporaryDirectory(prefix="sluice-vm-") as scratch, Networks() as networks:
            initramfs = guest.make_initramfs(system, Path(scratch), programs, files(), trees)
            with contextlib.closing(vm.Machine(system, initramfs, "vmxnet3", networks.taps, CONSOLES / "setup.console")) as machine:
                machine.run("rmmod vfio_pci; echo 0 >/proc/sys/vm/nr_hugepages")
                before = machine.run(f"ls -l {drivers}")
                self.assertEqual(before.count("drivers/vmxnet3"), 2, before)
                code, printed = machine.try_run(f"{command} check", SETUP_SECONDS)
                self.assertEqual(code, 1, printed)
                self.assertIn("0 MiB of huge pages are free of the 192 MiB", printed)
                machine.run(command, SETUP_SECONDS)
                self.assertIn("sluiced can start on this host.", machine.run(f"{command} check", SETUP_SECONDS))
                self.assertEqual(Sluiced(machine).stop(), 0)
                machine.run(f"{command} undo", SETUP_SECONDS)
                self.assertEqual(machine.run(f"ls -l {drivers}").count("drivers/vmxnet3"), 2)
                self.assertEqual(machine.run("cat /proc/sys/vm/nr_hugepages").strip(), "0")
                self.assertIn("nothing to undo", machine.run(f"{command} undo", SETUP_SECONDS))


def interrupt(number, frame) -> None:
    """Once: what follows is the clean-up."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupt)
    unittest.main(verbosity=2, warnings="ignore")
