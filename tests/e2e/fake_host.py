"""A host in a directory: the files of /proc and /sys that tools/setup reads, and as much of the kernel as answers its writes."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from sluicesetup.host import Host  # noqa: E402

PCI, DRIVERS = "/sys/bus/pci/devices", "/sys/bus/pci/drivers"
HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB"
ESTABLISHED, LISTEN = "01", "0A"


class FakeHost(Host):
    """Four cores, 8 huge pages of which 2 are used, and eth0 with the default route on the card 0000:02:00.0. The cards 0000:03:00.0 and
    0000:03:00.1 are eth1 and eth2."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.native: Dict[str, str] = {}     # the kernel's own driver of each device
        self.addresses: Dict[str, List[str]] = {"lo": ["127.0.0.1/8"], "eth0": ["192.0.2.2/24", "2001:db8::2/64"]}
        self.most_huge_pages = 10_000        # that memory has room for
        self.managed_interrupts: set = set()  # whose affinity the kernel does not let go
        self.commands: List[str] = []
        self.put({"/sys/devices/system/cpu/online": "0-3", "/sys/devices/system/cpu/isolated": "",
                  f"{HUGE}/nr_hugepages": "8", f"{HUGE}/free_hugepages": "6",
                  "/proc/cmdline": "root=/dev/vda", "/proc/cpuinfo": "vendor_id : GenuineIntel",
                  "/proc/sys/kernel/random/boot_id": "first",
                  "/proc/irq/default_smp_affinity": "f", "/proc/irq/24/smp_affinity_list": "0-3", "/proc/irq/25/smp_affinity_list": "1",
                  "/proc/irq/26/smp_affinity_list": "2", f"{PCI}/../drivers_probe": "",
                  "/proc/net/route": "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n"
                                     "eth0 00000000 010200C0 0003 0 0 0 00000000 0\neth1 000A0000 00000000 0001 0 0 0 0000FFFF 0"})
        for directory in (DRIVERS, "/sys/module", "/var/lib", "/etc/default"):
            self.path(directory).mkdir(parents=True)
        for number, address in enumerate(("0000:02:00.0", "0000:03:00.0", "0000:03:00.1")):
            self.add_card(address, f"eth{number}", group=str(number))

    def put(self, files: Dict[str, str]) -> None:
        for name, text in files.items():
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            self.path(name).write_text(text + "\n")

    def add_card(self, address: str, interface: str, group: str = "", driver: str = "ixgbe") -> None:
        self.native[address] = driver
        self.put({f"{PCI}/{address}/class": "0x020000", f"{PCI}/{address}/driver_override": "(null)"})
        for directory in (f"{PCI}/{address}/net/{interface}", f"/sys/class/net/{interface}", f"{DRIVERS}/{driver}"):
            self.path(directory).mkdir(parents=True, exist_ok=True)
        self._bind(address, driver)
        if group:
            self.path(f"/sys/kernel/iommu_groups/{group}/devices/{address}").mkdir(parents=True)
            self.path(f"{PCI}/{address}/iommu_group").symlink_to(self.path(f"/sys/kernel/iommu_groups/{group}"))

    def add_process(self, name: str, pid: int, connections: Dict[int, str] = {}) -> None:
        """connections: a line of /proc/net/tcp or tcp6, "LOCAL STATE", by inode."""
        self.put({f"/proc/{pid}/comm": name})
        self.path(f"/proc/{pid}/fd").mkdir()
        for inode, line in connections.items():
            local, state = line.split()
            self.path(f"/proc/{pid}/fd/{inode}").symlink_to(f"socket:[{inode}]")
            table = "/proc/net/tcp6" if len(local) > len("0202000A:0016") else "/proc/net/tcp"
            before = self.read(table) or "header"
            self.put({table: f"{before}\n0: {local} 00000000:0000 {state} 0:0 0:0 0 0 0 {inode}"})

    def reboot(self) -> None:
        """Takes only the boot's id away; the test says what else."""
        self.put({"/proc/sys/kernel/random/boot_id": "second"})

    def driver(self, address: str) -> str:
        return self.link(f"{PCI}/{address}/driver") or "none"

    def contents(self) -> Dict[str, str]:
        """All files, links and directories, to compare."""
        found = {}
        for path in sorted(self.path("/").rglob("*")):
            if path.is_symlink():
                found[str(path)] = "-> " + os.readlink(path)
            elif path.is_file():
                found[str(path)] = path.read_text()
            else:
                found[str(path)] = "a directory"
        return found

    def write(self, path: str, text: str) -> None:
        name = path.rpartition("/")[2]
        if name == "unbind":
            self.path(f"{PCI}/{text}/driver").unlink()
        elif name == "drivers_probe":
            override = self.read(f"{PCI}/{text}/driver_override")
            driver = self.native[text] if override == "(null)" else override
            if self.exists(f"{DRIVERS}/{driver}"):
                self._bind(text, driver)
        elif name == "driver_override":
            self.put({path: text.strip() or "(null)"})
        elif name == "nr_hugepages":
            count = min(int(text), self.most_huge_pages)
            used = int(self.read(path)) - int(self.read(f"{HUGE}/free_hugepages"))
            self.put({path: str(count), f"{HUGE}/free_hugepages": str(count - used)})
        elif name == "smp_affinity_list" and path.split("/")[3] in self.managed_interrupts:
            raise OSError(errno.EIO, "Input/output error")
        elif path.startswith("/proc/irq/"):
            self.put({path: text})
        else:
            super().write(path, text)

    def run(self, *command: str) -> str:
        if command[0] == "ip":
            return json.dumps([{"ifname": name, "addr_info": [dict(zip(("local", "prefixlen"), each.split("/")), scope="global")
                                                              for each in own]} for name, own in self.addresses.items()])
        self.commands.append(" ".join(command))
        for directory in (f"{DRIVERS}/vfio-pci", "/sys/module/vfio_pci"):
            if command[1] == "-r":
                self.path(directory).rmdir()
            else:
                self.path(directory).mkdir(parents=True)
        return ""

    def _bind(self, address: str, driver: str) -> None:
        self.path(f"{PCI}/{address}/driver").symlink_to(self.path(f"{DRIVERS}/{driver}"))
