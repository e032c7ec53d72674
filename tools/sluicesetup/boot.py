"""The kernel's arguments: only a reboot takes them, so that they are printed, and written for GRUB when that is asked for."""

from typing import List, Set

from . import changes
from .finding import Finding, Grade
from .host import Host, cores_of, list_of
from .needs import Needs

GRUB_DIRECTORY = "/etc/default/grub.d"
GRUB_FILE = f"{GRUB_DIRECTORY}/sluice.cfg"
PAGE_MIB = 2


def arguments(host: Host, needs: Needs) -> List[str]:
    """Those that the kernel was booted without."""
    cores, given = list_of(needs.worker_cores), host.read("/proc/cmdline").split()
    missing = []
    for file, argument in (("isolated", f"isolcpus=managed_irq,domain,{cores}"), ("nohz_full", f"nohz_full={cores}")):
        if not set(needs.worker_cores) <= _cores(host, file):
            missing.append(argument)
    if needs.huge_mib > 0 and not any(argument.startswith("hugepages=") for argument in given):
        missing.append(f"hugepages={-(-needs.huge_mib // PAGE_MIB)}")
    if needs.devices:
        wanted = ["iommu=pt", *(["intel_iommu=on"] if "GenuineIntel" in host.read("/proc/cpuinfo") else [])]
        missing += [argument for argument in wanted if argument not in given]
    return missing


def _cores(host: Host, file: str) -> Set[int]:
    text = host.read(f"/sys/devices/system/cpu/{file}")
    return set() if text == "(null)" else cores_of(text)


def for_grub(host: Host, needs: Needs) -> List[Finding]:
    if not host.exists("/etc/default/grub"):
        return [Finding(Grade.ADVICE, "This host does not boot by GRUB.",
                        f"Give the arguments to its boot loader: {' '.join(arguments(host, needs))}")]
    wanted = arguments(host, needs)
    if not wanted:
        return []
    if host.exists(GRUB_FILE):
        return [Finding(Grade.ADVICE, f"{GRUB_FILE} is there already, and its arguments are not all in use.",
                        "Run update-grub and reboot, or take it back first: tools/setup undo")]
    text = ("# Written by Sluice's tools/setup; `tools/setup undo` removes it.\n"
            f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {" ".join(wanted)}"\n')
    return [Finding(Grade.ADVICE, f"The kernel was booted without {' '.join(wanted)}.",
                    changes=[changes.create(GRUB_FILE, text, f"write {GRUB_FILE}, for update-grub and a reboot: {' '.join(wanted)}")])]
