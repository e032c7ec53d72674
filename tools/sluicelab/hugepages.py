"""DPDK keeps its packets in huge pages; the lab lends them for as long as it is up."""

from pathlib import Path

from .process import LabError

COUNT_FILE = Path("/proc/sys/vm/nr_hugepages")
NEEDED = 1024  # of 2 MiB: 2 GiB, enough for the pools of two ports and the worker


def reserve() -> int:
    """How many there were before."""
    before = int(COUNT_FILE.read_text())
    if before < NEEDED:
        COUNT_FILE.write_text(str(NEEDED))
        got = int(COUNT_FILE.read_text())
        if got < NEEDED // 2:
            COUNT_FILE.write_text(str(before))
            raise LabError(f"only {got} of {NEEDED} huge pages of 2 MiB could be had: free some memory")
    return before


def restore(before: int) -> None:
    COUNT_FILE.write_text(str(before))
