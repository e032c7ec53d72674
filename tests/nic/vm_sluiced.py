"""sluiced in a virtual machine, with the machine's two cards as its ports north and south."""

import json

from sluicelab import layout, vm
from sluicelab.process import LabError, wait_until

PODS = (1, 2, 3)
START_SECONDS = 40.0
STOP_SECONDS = 20.0

CONFIG_DIRECTORY = "/etc/sluice"
SOCKET, LOG, ENDED = "/run/sluiced.sock", "/tmp/sluiced.log", "/tmp/ended"  # ENDED has the exit code

# A profile that claims more than any card but virtio's offers: e1000 and e1000e have no TSO, and vmxnet3 takes fewer buffers.
BOASTFUL = """\
name = "boastful"
multi_segment = true
tx_checksum = true
tso = true
tx_segments = 64
rx_descriptors = 512
tx_descriptors = 512
"""

# Buffers that hold a frame of 9,000 bytes, and fewer of them.
JUMBO = {"rx_mbufs = 16384": "rx_mbufs = 10240", "tx_mbufs = 8192": "tx_mbufs = 4096", "hold_mbufs = 16384": "hold_mbufs = 4096",
         "data_room = 2176": "data_room = 9344", "memory_mib = 192": "memory_mib = 256"}

DPDK = f"""\
worker_cores = [1, 0]
control_core = 0
memory_mib = 192
in_memory = true
rx_mbufs = 16384
tx_mbufs = 8192
hold_mbufs = 16384
data_room = 2176
pci = ["{vm.pci_address(0)}", "{vm.pci_address(1)}"]
"""


def dpdk_toml(mtu: int) -> str:
    text = DPDK
    for small, large in JUMBO.items() if mtu > 1500 else ():
        text = text.replace(small, large)
    return text


def sluiced_toml(profile: str, workers: int = 1, mtu: int = 1500) -> str:
    endpoints = ", ".join(f'{{ address = "{layout.pod_address(pod)}:{layout.PORT}", id = "{layout.pod_name(pod)}" }}' for pod in PODS)
    return f"""\
dpdk = "dpdk.toml"
nic_profiles = "nic_profiles"

[sluice]
workers = {workers}
admin_socket = "{SOCKET}"
log_level = "info"

[timeouts]
drain_announce = "0s"

[[port]]
name = "north"
device = "{vm.pci_address(0)}"
profile = "{profile}"
mtu = {mtu}
addresses = ["{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}"]

[[port]]
name = "south"
device = "{vm.pci_address(1)}"
profile = "{profile}"
mtu = {mtu}
addresses = ["{layout.SOUTH_ADDRESS}/{layout.PREFIX_LENGTH}"]

[[listener]]
name = "grpc"
address = "{layout.VIP}:{layout.PORT}"
protocol = "h2c"
service = "echo"

[[service]]
name = "echo"
balance = "round_robin"
endpoints = [{endpoints}]
"""


def files(workers: int = 1, profile: str = "auto", mtu: int = 1500) -> dict:
    """For the initramfs."""
    inside = {"dpdk.toml": dpdk_toml(mtu), "sluiced.toml": sluiced_toml(profile, workers, mtu), "boastful.toml": BOASTFUL,
              "refused.toml": sluiced_toml("boastful.toml")}
    for profile in (layout.REPOSITORY / "nic_profiles").glob("*.toml"):
        inside[f"nic_profiles/{profile.name}"] = profile.read_text()
    return {f"{CONFIG_DIRECTORY}/{name}": text for name, text in inside.items()}


def refused_start(machine: vm.Machine) -> tuple:
    """Exit code and output of a start with the profile that claims everything."""
    return machine.try_run(f"sluiced --config {CONFIG_DIRECTORY}/refused.toml", START_SECONDS)


class Sluiced:
    """Has started when the constructor returns."""

    def __init__(self, machine: vm.Machine) -> None:
        self._machine = machine
        machine.run(f"(sluiced --config {CONFIG_DIRECTORY}/sluiced.toml >{LOG} 2>&1; echo $? >{ENDED}) &")
        if not wait_until(lambda: self._answers() or self._ended(), START_SECONDS, every=0.2) or self._ended():
            raise LabError(f"sluiced does not answer:\n{self.log()}")

    def _answers(self) -> bool:
        return self._machine.try_run(f"sluicectl --socket {SOCKET} status")[0] == 0

    def _ended(self) -> bool:
        return self._machine.try_run(f"test -e {ENDED}")[0] == 0

    def ask(self, what: str) -> dict:
        return json.loads(self._machine.run(f"sluicectl --socket {SOCKET} {what} --json"))

    def all_pods_are_ready(self) -> bool:
        rows = self.ask("pods")["pods"]
        return len(rows) == len(PODS) and all(row["state"] == "READY" for row in rows)

    def drops(self) -> dict:
        """By port and reason; none that is zero."""
        drops: dict = {}
        for worker in self.ask("stats")["workers"]:
            for port in worker["ports"]:
                for reason, count in port["drops"].items():
                    if count > 0:
                        drops[f"{port['name']}: {reason}"] = drops.get(f"{port['name']}: {reason}", 0) + count
        return drops

    def uses(self, key: str) -> bool:
        """Whether both ports use this claim of their profile."""
        return all(claim["used"] == "yes" for port in self.ask("nic")["ports"] for claim in port["claims"] if claim["key"] == key)

    def sleeps(self) -> int:
        """Of the worker, so far."""
        return self.ask("workers")["workers"][0]["sleeps"]

    def log(self) -> str:
        return self._machine.try_run(f"cat {LOG}")[1]

    def stop(self) -> int:
        """Exit code of sluiced."""
        self._machine.run("kill -TERM $(pidof sluiced)")
        if not wait_until(self._ended, STOP_SECONDS, every=0.2):
            raise LabError(f"sluiced does not end:\n{self.log()}")
        return int(self._machine.run(f"cat {ENDED}"))
