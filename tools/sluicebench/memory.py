"""`tools/bench memory`: what idle client connections cost Sluice, over the simulated port (tests/perf/idle_connections.cc).

No sockets of the kernel and no processes at the other end: a million clients fit beside the worker that serves them."""

import json
import subprocess
from pathlib import Path

from sluicelab import layout
from sluicelab.process import LabError

# Connections, calls on each before it rests, and what it speaks. 200 calls with ever fresh deadlines fill HPACK's tables.
STEPS = ((10_000, 0, "h2c"), (10_000, 10, "h2c"), (10_000, 200, "h2c"), (100_000, 0, "h2c"), (100_000, 10, "h2c"), (100_000, 200, "h2c"),
         (1_000_000, 10, "h2c"), (10_000, 10, "http1"), (100_000, 10, "http1"), (10_000, 0, "websocket"), (40_000, 0, "websocket"))
QUICK = 100_000   # connections; more are left out with --quick
SECONDS = 900     # of one step
TARGET = "tests/perf/idle_connections"


def binary() -> Path:
    return layout.build_dir() / "tests" / "perf" / "idle_connections"


def run(quick: bool) -> list:
    rows = []
    for connections, calls, speak in STEPS:
        if quick and connections > QUICK:
            continue
        done = subprocess.run([str(binary()), str(connections), str(calls), *([speak] if speak != "h2c" else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=SECONDS)
        if done.returncode != 0:
            raise LabError(f"{connections} connections, {calls} calls: {done.stderr.strip()}")
        row = {"speak": speak, **json.loads(done.stdout)}
        rows.append(row)
        print(f"{connections:>9,} connections of {speak:<9} after {calls:>3} calls: {row['bytes_each']:>7,.0f} bytes each, "
              f"{row['total_mib']:,.0f} MiB in all", flush=True)
    return rows
