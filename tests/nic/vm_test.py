#!/usr/bin/python3
"""NIC profiles with the drivers of real PCI cards: sluiced in a virtual machine, with cards that QEMU emulates, bound to vfio-pci.

        namespace sluice-vmPID-client      virtual machine                     namespace sluice-vmPID-pods
      sluice-client, 198.18.0.1 -- TAP -- card 0 [sluiced] card 1 -- TAP -- 198.18.1.101, .102, .103: sluice-pod
                                          198.18.0.2       198.18.1.1
                                          VIP 198.18.0.10

After a failure, the consoles of the machines are in build/guest/.
"""

import contextlib
import os
import signal
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Iterable

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import guest, layout, network, vm  # noqa: E402
from sluicelab.client import Client, failed  # noqa: E402
from sluicelab.process import KILL_SECONDS, LabError, alive, ip, run, spawn, tail, wait_until  # noqa: E402
from sluicelab.tap import open_tap  # noqa: E402
from vm_sluiced import PODS, Sluiced, files, refused_start  # noqa: E402

# Payloads and the number of calls with each. Large answers take chains of buffers, and several packets at once.
CALLS = {100: 300, 30_000: 100}
CALLS_SECONDS = 60.0
LISTEN_SECONDS = 20.0
FAIR_MARGIN = 0.05  # of a pod's share: the counting begins and ends while calls are in flight


class Networks:
    """Two namespaces of this process's own, each with a TAP device for a card. `taps` are in the order of the cards."""

    def __init__(self) -> None:
        self.client, self.pods = (f"sluice-vm{os.getpid()}-{end}" for end in ("client", "pods"))
        self.taps: list = []

    def __enter__(self) -> "Networks":
        try:
            self._add(self.client, [layout.CLIENT_ADDRESS])
            self._add(self.pods, map(layout.pod_address, PODS))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add(self, namespace: str, addresses: Iterable[str]) -> None:
        network.add_namespace(namespace)
        network.no_ipv6(namespace)
        self.taps.append(open_tap(namespace, "eth0"))
        for address in addresses:
            ip(f"address add {address}/{layout.PREFIX_LENGTH} dev eth0", namespace)
        ip("link set eth0 up", namespace)

    def __exit__(self, *_) -> None:
        for tap in self.taps:
            os.close(tap)
        for namespace in filter(network.namespace_exists, (self.client, self.pods)):
            pids = list(map(int, run("ip", "netns", "pids", namespace).split()))
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not any(map(alive, pids)), KILL_SECONDS)
            ip(f"netns delete {namespace}")

    def start_pods(self, logs: Path) -> None:
        started = {}
        for pod in PODS:
            log = logs / f"{layout.pod_name(pod)}.log"
            started[log] = spawn(self.pods, [str(layout.pod_binary())], log,
                                 {"POD_IP": layout.pod_address(pod), "POD_NAME": layout.pod_name(pod), "POD_PORT": str(layout.PORT)})
        for log, pid in started.items():
            if not wait_until(lambda: "serves on" in log.read_text() or not alive(pid), LISTEN_SECONDS) or not alive(pid):
                raise LabError(f"a pod does not serve:\n{tail(log)}")


def counted(report: dict) -> int:
    return sum(report["calls"].values())


class PciCards(unittest.TestCase):
    """The contexts end inside of each test, and not in clean-ups: unittest skips clean-ups when it is interrupted."""

    def prove(self, card: str, profile: str) -> None:
        consoles = layout.build_dir() / "guest"
        system = guest.System()
        with tempfile.TemporaryDirectory(prefix="sluice-vm-") as scratch, Networks() as networks:
            networks.start_pods(Path(scratch))
            text = (REPOSITORY / "nic_profiles" / profile).read_text()
            initramfs = guest.make_initramfs(system, Path(scratch), [layout.sluiced_binary(), layout.sluicectl_binary()], files(text))
            with contextlib.closing(vm.Machine(system, initramfs, card, networks.taps, consoles / f"{card}.console")) as machine:
                for number in range(len(networks.taps)):
                    machine.bind_to_vfio(number)
                self.a_profile_that_claims_too_much_is_refused(machine)
                sluiced = Sluiced(machine)
                try:
                    for payload, calls in CALLS.items():
                        self.every_call_ends_with_a_pods_answer(networks, sluiced, payload, calls)
                    self.assertEqual(sluiced.drops(), {})
                    self.assertEqual(sluiced.stop(), 0)
                except Exception:
                    print(f"{sluiced.log()}\n{machine.evidence()}")
                    raise

    def a_profile_that_claims_too_much_is_refused(self, machine: vm.Machine) -> None:
        code, output = refused_start(machine)
        self.assertEqual(code, 1, output)
        self.assertRegex(output, r"profile 'boastful' says \w+ = true, and the driver does not offer it", output)

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
        by_pod = {pod: last["calls"].get(pod, 0) - first["calls"].get(pod, 0) for pod in map(layout.pod_name, PODS)}
        for pod, number in by_pod.items():
            self.assertAlmostEqual(number / sum(by_pod.values()), 1 / len(PODS), delta=FAIR_MARGIN, msg=f"{pod} of {by_pod}")
        print(f"{counted(final)} calls of {payload:,} bytes, {by_pod} ... ", end="")

    def test_e1000(self) -> None:
        self.prove("e1000", "e1000.toml")

    def test_e1000e(self) -> None:
        self.prove("e1000e", "e1000e.toml")

    def test_vmxnet3(self) -> None:
        self.prove("vmxnet3", "vmxnet3.toml")

    def test_virtio(self) -> None:
        self.prove("virtio-net-pci", "virtio.toml")


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
