#!/usr/bin/python3
"""Two workers of one process against two processes with a worker each, on the same two cores: the cycles a call. The two take
turns, so that both have the same moment's machine; the median of their ratios must not exceed 1.05.

Each run is short, and its figure the median of many pieces, as others use the machine too.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MOST = 1.05
TIMEOUT = 60


def started(binary: Path, seconds: float, cores: list) -> subprocess.Popen:
    return subprocess.Popen([str(binary), str(seconds), *map(str, cores)], stdout=subprocess.PIPE, text=True)


def cycles(processes: list) -> list:
    """A call's, of each worker of these processes."""
    printed = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    if any(process.returncode != 0 for process in processes):
        raise SystemExit("scale failed")
    return [int(line) for text in printed for line in text.split()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("SLUICE_BUILD", REPOSITORY / "build")), help="the build directory")
    parser.add_argument("--cores", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    given = parser.parse_args()
    binary = given.build / "tests" / "perf" / "scale"
    ratios = []
    for number in range(given.times):
        def together() -> list:
            return cycles([started(binary, given.seconds, given.cores)])

        def apart() -> list:
            return cycles([started(binary, given.seconds, [core]) for core in given.cores])

        if number % 2 == 0:
            one, two = together(), apart()
        else:
            two, one = apart(), together()
        ratios.append(sum(one) / sum(two))
        print(f"one process {one}, two processes {two} cycles a call: {ratios[-1]:.2f}", flush=True)
    median = statistics.median(ratios)
    print(f"median of {given.times}: {median:.2f}, at most {MOST} wanted")
    return 0 if median <= MOST else 1


sys.exit(main())
