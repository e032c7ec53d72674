#!/usr/bin/python3
"""Counts the instructions of the production loop for a call, by callgrind over simulated ports, and compares them with those
stored in instructions.toml. Machines are noisy, instructions are not: a workload that takes 5 % more than stored has become
slower, and the test fails. A change that is worth it is stored with --store, and its commit says why.

The figures are those of a build as tools/test makes it: Debian 12's compiler, meson's default options of this project.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STORED = Path(__file__).resolve().with_name("instructions.toml")
WORSE = 1.05    # of what is stored: fails
BETTER = 0.95   # says that it should be stored
SECONDS = 120   # one workload

HEAD = """\
# Instructions of a worker for one call, TCP on both sides, HTTP/2, HPACK and relay included, drivers excluded.
# Written by `tests/perf/instructions.py --store`; tests/perf/instructions.cc tells what the workloads are.

"""


def measure(binary: Path, workload: str) -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured_turn*",
                               f"--callgrind-out-file={scratch}/out",
                               str(binary), workload],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        raise RuntimeError(f"{workload}: {done.stderr[-2000:]}")
    counts = json.loads(done.stdout)
    return {"workload": workload, "instructions": round(int(collected.group(1)) / counts["calls"]), **counts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("SLUICE_BUILD", REPOSITORY / "build")),
                        help="the build directory")
    parser.add_argument("--store", action="store_true", help="make what is measured the stored figures")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    binary = given.build / "tests" / "perf" / "instructions"
    workloads = subprocess.run([str(binary)], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda workload: measure(binary, workload), workloads))
    if given.json:
        given.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    if given.store:
        STORED.write_text(HEAD + "".join(f'"{row["workload"]}" = {row["instructions"]}\n' for row in rows))
    stored = tomllib.loads(STORED.read_text())
    slower = []
    for row in rows:
        before = stored.get(row["workload"])
        ratio = row["instructions"] / before if before else float("inf")
        note = "SLOWER" if ratio > WORSE else "faster: worth storing" if ratio < BETTER else ""
        if ratio > WORSE:
            slower.append(row["workload"])
        print(f"{row['workload']:<32} {row['instructions']:>9,} instructions a call, {ratio:7.1%} of what is stored  {note}")
    gone = sorted(set(stored) - set(workloads))
    if gone:
        print("stored but not measured: " + ", ".join(gone))
    return 1 if slower or gone else 0


sys.exit(main())
