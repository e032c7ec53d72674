"""Where a worker's cycles go, by room: samples of its core, put into the room whose function was running."""

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Optional

from sluicelab.process import LabError, wait_until

SAMPLES_PER_SECOND = 3999
START_SECONDS = 5.0
OPEN_SECONDS = 1.0  # from its file to its first sample
# A function belongs to the first that matches its library and its name up to template arguments.
STAGES = (
    ("driver: rx_burst, tx_burst", r"librte_|\brte_"),
    ("kernel", r"kernel"),
    ("nic: frames, checksums to send", r"sluice::nic::"),
    ("ip: Ethernet, IP, checksum of what came", r"sluice::ip::|sum_avx2|sum_any|sum_blocks"),
    ("tcp", r"sluice::(tcp|flow|transport)::|sluice::siphash"),
    ("http2: HPACK", r"sluice::http2::hpack::|huffman"),
    ("http2: frames, validation", r"sluice::http2?::"),
    ("relay, balance", r"sluice::(relay|upstream|balance|pods)::"),
    ("buf: slices, queues", r"sluice::buf::"),
    ("timers, the loop", r"sluice::(worker::|TimerWheel)|\bserve\b|std::_Function_handler"),
    ("memcpy, memset, memcmp, malloc", r"mem(cpy|move|set|cmp)|malloc|free|operator new|operator delete"),
)
OTHER = "other"


class Sampler:
    """Looks at a core from its construction to shares(), which tells of the time that look() was called behind."""

    def __init__(self, core: int, scratch: Path) -> None:
        self._core, self._data = core, scratch / "perf.data"
        self._process: Optional[subprocess.Popen] = None

    def start(self) -> None:
        """Before a load that never sleeps would keep it from starting."""
        self._process = subprocess.Popen(["perf", "record", "-q", "-o", str(self._data), "-F", str(SAMPLES_PER_SECOND), "-e", "cpu-clock",
                                          "-k", "CLOCK_MONOTONIC", "-C", str(self._core)], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        wait_until(lambda: self._data.exists(), START_SECONDS)
        time.sleep(OPEN_SECONDS)

    def look(self, seconds: float) -> None:
        """At the last `seconds`."""
        self._end = time.monotonic()
        self._begin = self._end - seconds

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def shares(self, thread: str) -> dict:
        """Share of this thread's samples by stage."""
        self._process.send_signal(signal.SIGINT)
        said = self._process.communicate()[1]
        if not self._data.exists() or self._data.stat().st_size == 0:
            raise LabError(f"perf: {said}")
        printed = subprocess.run(["perf", "report", "-i", str(self._data), "--comm", thread, "--percentage", "relative", "--no-children",
                                  "--sort", "dso,symbol", "--stdio", "-t", "\t",
                                  "--time", f"{self._begin:.6f},{self._end:.6f}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        self._data.unlink()
        shares = dict.fromkeys([name for name, _ in STAGES] + [OTHER], 0.0)
        for line in printed.splitlines():
            cells = line.split("\t")
            if len(cells) < 3 or not cells[0].strip().endswith("%"):
                continue
            where = f"{cells[1].strip()} {cells[2].strip()}"
            where = where.partition("<")[0] if "std::_Function_handler" not in where else where
            stage = next((name for name, pattern in STAGES if re.search(pattern, where)), OTHER)
            shares[stage] += float(cells[0].strip().rstrip("%")) / 100
        if not any(shares.values()):
            raise LabError(f"perf saw nothing of {thread}")
        return {name: share for name, share in shares.items() if share > 0}


def table(rows: list) -> str:
    """Cycles a call by stage; empty without stages."""
    rows = [row for row in rows if "stages" in row]
    if not rows:
        return ""
    names = [name for name in [name for name, _ in STAGES] + [OTHER] if any(name in row["stages"] for row in rows)]
    lines = ["| cycles a call | " + " | ".join(row["workload"] for row in rows) + " |", "|---|" + "--:|" * len(rows)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{row['stages'].get(name, 0):,.0f}" for row in rows) + " |")
    lines.append("| of it in turns that found nothing to do | " + " | ".join(f"{row['idle_cycles_per_call']:,.0f}" for row in rows) + " |")
    return "\n".join(lines)
