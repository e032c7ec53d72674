"""The workers' cores: without interrupts now, and isolated from the next boot on."""

from typing import List, Set

from . import changes
from .finding import Finding, Grade
from .host import Host, cores_of, list_of
from .needs import Needs

DEFAULT_AFFINITY = "/proc/irq/default_smp_affinity"
WORD_DIGITS = 8  # of a mask: the kernel puts a comma between words of 32 bits


def examine(host: Host, needs: Needs) -> List[Finding]:
    online = cores_of(host.read("/sys/devices/system/cpu/online"))
    workers = set(needs.worker_cores)
    absent = (workers | {needs.control_core}) - online
    if absent:
        return [Finding(Grade.IMPOSSIBLE, f"This machine has no core {list_of(absent)}.",
                        f"Its cores are {list_of(online)}: correct the dpdk file.")]
    others = online - workers
    if not others:
        return [Finding(Grade.ADVICE, "The workers have all cores, and interrupts have to run on one of them.",
                        "Leave a core to the rest of the host.")]
    found = []
    if needs.control_core in workers:
        found.append(Finding(Grade.ADVICE, f"Core {needs.control_core} is a worker's and the control thread's.",
                             "Give control_core another core."))
    return found + _interrupts(host, workers, others) + _isolation(host, workers)


def _interrupts(host: Host, workers: Set[int], others: Set[int]) -> List[Finding]:
    moves = []
    for number in (name for name in host.names("/proc/irq") if name.isdecimal()):
        path = f"/proc/irq/{number}/smp_affinity_list"
        before = host.read(path)
        if cores_of(before) & workers:
            after = list_of(cores_of(before) - workers or others)
            moves.append(changes.write(path, before, after, f"keep interrupts off the cores {list_of(workers)}", optional=True))
    before = host.read(DEFAULT_AFFINITY)
    mask = int(before.replace(",", "") or "0", 16)
    kept = mask & ~sum(1 << core for core in workers) or sum(1 << core for core in others)
    if mask != kept:
        after = _mask(kept, len(before))
        moves.append(changes.write(DEFAULT_AFFINITY, before, after, f"keep new interrupts off the cores {list_of(workers)}", optional=True))
    found = []
    if moves:
        found.append(Finding(Grade.ADVICE, f"{len(moves)} interrupts may run on the workers' cores {list_of(workers)}.",
                             "tools/setup moves those that the kernel lets go.", moves))
    if host.processes("irqbalance"):
        found.append(Finding(Grade.ADVICE, "irqbalance runs, and may move interrupts to the workers' cores.",
                             f"Write IRQBALANCE_BANNED_CPULIST={list_of(workers)} to /etc/default/irqbalance, and restart irqbalance."))
    return found


def _mask(mask: int, width: int) -> str:
    """As wide as before."""
    digits = f"{mask:0{width - width // (WORD_DIGITS + 1)}x}"
    words = []
    while digits:
        words.insert(0, digits[-WORD_DIGITS:])
        digits = digits[:-WORD_DIGITS]
    return ",".join(words)


def _isolation(host: Host, workers: Set[int]) -> List[Finding]:
    shared = workers - cores_of(host.read("/sys/devices/system/cpu/isolated"))
    if not shared:
        return []
    return [Finding(Grade.ADVICE, f"The scheduler puts other processes on the workers' cores {list_of(shared)}.",
                    "Boot with the kernel's arguments below (tools/setup --grub writes them for GRUB).")]
