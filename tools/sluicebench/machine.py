"""What the kernel says of cores and processes."""

import os
import time
from pathlib import Path
from typing import Iterable

TICKS = os.sysconf("SC_CLK_TCK")
MIB_KIB = 1024.0

# Columns of /proc/stat in which a core does not work for us: idle, iowait, steal. Of the others (user, nice, system, irq, softirq)
# the kernel takes samples, 250 a second; these it measures.
AWAY = (3, 4, 7)
STEAL = 7


class Core:
    """Seconds that one core worked, and those that the hypervisor took from it, between two looks."""

    def __init__(self, number: int) -> None:
        self._label = f"cpu{number}"

    def look(self) -> tuple:
        for line in Path("/proc/stat").read_text().splitlines():
            label, *columns = line.split()
            if label == self._label:
                ticks = [int(text) for text in columns]
                now = time.monotonic()
                return (now, now - sum(ticks[i] for i in AWAY) / TICKS, ticks[STEAL] / TICKS)
        raise RuntimeError(f"/proc/stat knows no {self._label}")


def waited(pids: Iterable[int]) -> dict:
    """Seconds that each thread of these waited for a core while others had it, since its start."""
    seconds = {}
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                seconds[task] = int(task.read_text().split()[1]) / 1e9
            except (OSError, IndexError):
                pass
    return seconds


def longest_wait(before: dict, after: dict) -> float:
    """Between two looks at the same threads, seconds of the one that waited the longest."""
    return max((seconds - before.get(task, 0.0) for task, seconds in after.items()), default=0.0)


def group_members(group: int) -> list:
    """The processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def memory_mib(pids: Iterable[int]) -> tuple:
    """Resident memory of the processes, pages that they share counted once (PSS); huge pages apart."""
    resident = huge = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, *rest = line.split()
                if name == "Pss:":
                    resident += int(rest[0])
                elif name in ("Private_Hugetlb:", "Shared_Hugetlb:"):
                    huge += int(rest[0])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return resident / MIB_KIB, huge / MIB_KIB


def model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
