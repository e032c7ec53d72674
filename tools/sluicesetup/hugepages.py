"""Huge pages for DPDK's memory."""

from typing import Dict, List

from . import changes
from .finding import Finding, Grade
from .host import Host, cores_of
from .needs import Needs

PAGE_KIB = 2048
NODES = "/sys/devices/system/node"


def examine(host: Host, needs: Needs, sluiced_runs: bool) -> List[Finding]:
    """A sluiced that runs has taken its pages: then the pages count that are there, and otherwise those that are free."""
    if needs.huge_mib == 0:
        return []
    if not host.exists("/sys/kernel/mm/hugepages"):
        return [Finding(Grade.IMPOSSIBLE, "The kernel has no huge pages.",
                        "Boot a kernel with CONFIG_HUGETLBFS, or set hugepages = false.")]
    counted = "nr_hugepages" if sluiced_runs else "free_hugepages"
    found = []
    for directory, mib in _shares(host, needs).items():
        have = sum(int(host.read(f"{directory}/{size}/{counted}") or 0) * _kib(size) for size in host.names(directory)) // 1024
        if have >= mib:
            continue
        missing = -(-(mib - have) * 1024 // PAGE_KIB)
        path = f"{directory}/hugepages-{PAGE_KIB}kB/nr_hugepages"
        before = host.read(path)
        if not before:
            found.append(Finding(Grade.NEEDED, f"{have} MiB of huge pages are free of the {mib} MiB that DPDK takes.",
                                 "This machine has no pages of 2 MiB: reserve its own on the kernel's command line."))
            continue
        after = str(int(before) + missing)
        found.append(Finding(Grade.NEEDED, f"{have} MiB of huge pages are free of the {mib} MiB that DPDK takes ({directory}).",
                             changes=[changes.write(path, before, after, f"raise {path} from {before} to {after}")]))
    return found


def complaint(change: dict, wanted: str) -> str:
    """After a change; empty when there is none."""
    if not change.get("path", "").endswith("/nr_hugepages") or int(change["after"]) >= int(wanted):
        return ""
    return (f"only {change['after']} of {wanted} huge pages could be had in {change['path']}, since memory is in use or fragmented: "
            f"reserve them at boot (tools/setup --grub)")


def _kib(directory: str) -> int:
    return int(directory[len("hugepages-"):-len("kB")])


def _shares(host: Host, needs: Needs) -> Dict[str, int]:
    """MiB by directory. DPDK divides its memory among the NUMA nodes by the number of its threads on each."""
    nodes = [node for node in host.names(NODES) if node.startswith("node") and node[4:].isdecimal()]
    if len(nodes) < 2:
        return {"/sys/kernel/mm/hugepages": needs.huge_mib}
    threads = [*needs.worker_cores, needs.control_core]
    shares = {}
    for node in nodes:
        here = cores_of(host.read(f"{NODES}/{node}/cpulist"))
        count = sum(core in here for core in threads)
        if count > 0:
            shares[f"{NODES}/{node}/hugepages"] = -(-needs.huge_mib * count // len(threads))
    return shares
