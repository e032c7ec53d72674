"""PCI devices: VFIO, the IOMMU, and the interfaces that the kernel must keep."""

from typing import Dict, List

from . import changes, interfaces
from .changes import VFIO
from .finding import Finding, Grade
from .host import Host
from .needs import Needs

# DPDK drives these NICs together with the kernel's driver, which stays.
SHARED_DRIVERS = ("mlx4_core", "mlx5_core")

BRIDGE_CLASS = "0x06"  # bridges of an IOMMU group keep their driver
PCI = "/sys/bus/pci/devices"
NO_IOMMU_MODE = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"


def examine(host: Host, needs: Needs) -> List[Finding]:
    found: List[Finding] = []
    to_bind = []
    for device in needs.devices:
        driver = host.link(f"{PCI}/{device}/driver")
        if not host.exists(f"{PCI}/{device}"):
            found.append(Finding(Grade.IMPOSSIBLE, f"There is no PCI device {device}.",
                                 "lspci -D lists the devices; correct pci in the dpdk file."))
        elif driver != VFIO and driver not in SHARED_DRIVERS:
            to_bind.append(device)
    bound = [device for device in needs.devices if host.link(f"{PCI}/{device}/driver") == VFIO]
    for device in (*bound, *to_bind):
        found += _iommu(host, device, needs.devices)
    if to_bind:
        found += _module(host)
        found += _bind(host, to_bind)
    return found


def _module(host: Host) -> List[Finding]:
    if host.exists(f"/sys/bus/pci/drivers/{VFIO}"):
        return []
    return [Finding(Grade.NEEDED, f"The kernel module {VFIO} is not loaded.", changes=[changes.load(VFIO)])]


def _bind(host: Host, devices: List[str]) -> List[Finding]:
    protected = interfaces.protected(host)
    addresses = interfaces.addresses(host)
    found = []
    for device in devices:
        names = interfaces.of_device(host, device)
        lost = [{"name": name, "addresses": addresses.get(name, [])} for name in names]
        found += [Finding(Grade.DANGEROUS, f"{device} is {name}, which {protected[name]}: this host would no longer be reached.",
                          "Give Sluice another NIC, or be sure of another way in and use --force.")
                  for name in names if name in protected]
        found.append(Finding(Grade.NEEDED, f"{device} is bound to {host.link(f'{PCI}/{device}/driver') or 'no driver'}, not to {VFIO}.",
                             changes=[changes.bind(host, device, lost)]))
    return found


def _iommu(host: Host, device: str, ours: List[str]) -> List[Finding]:
    if host.link(f"{PCI}/{device}/iommu_group") is None:
        if host.read(NO_IOMMU_MODE) == "Y":
            return []
        return [Finding(Grade.IMPOSSIBLE, f"{device} is behind no IOMMU, which VFIO needs.",
                        "Switch VT-d or AMD-Vi on in the firmware, and boot with intel_iommu=on (Intel); a virtual machine needs a virtual "
                        "IOMMU. docs/setup.md has a way without.")]
    others: Dict[str, str] = {}
    for other in host.names(f"{PCI}/{device}/iommu_group/devices"):
        driver = host.link(f"{PCI}/{other}/driver")
        bridge = host.read(f"{PCI}/{other}/class").startswith(BRIDGE_CLASS)
        if other not in ours and not bridge and driver not in (None, VFIO, "pci-stub"):
            others[other] = driver
    return [Finding(Grade.IMPOSSIBLE, f"{device} shares its IOMMU group with {other}, which {driver} drives.",
                    f"Unbind {other} too (--pci {other}), or move the card to another slot.")
            for other, driver in others.items()]
