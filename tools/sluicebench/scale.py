"""`tools/bench scale`: what a call costs a worker against the number of pods, connections and streams.

Over the same ports and pods as `tools/bench l7`, but only Sluice: its busy cycles a call, drivers apart. h2load is the
client; pods are as many nghttpd as asked for."""


from sluicelab import layout
from sluicelab.process import LabError

from . import loads, network, proxies
from .workloads import Workload

# What is varied, and the workload at each step: connections x streams in flight, and pods behind it.
STEPS = (
    ("pods", 1, 10, 32), ("pods", 5, 10, 32), ("pods", 20, 10, 32), ("pods", 99, 10, 32),
    ("connections", 1, 1, 32), ("connections", 10, 10, 32), ("connections", 100, 100, 4), ("connections", 1000, 1000, 1),
    ("connections", 4000, 4000, 1),
    ("streams", 1, 1, 1), ("streams", 10, 1, 10), ("streams", 100, 1, 100),
)


def run(seconds: float, scale_to) -> list:
    """`scale_to(n)` has so many pods running."""
    network.write_files({100})
    network.REQUEST_FILE.write_bytes(b"x" * 100)
    rows = []
    running = 0
    for what, value, connections, streams in STEPS:
        pods = value if what == "pods" else 1
        if pods >= running:
            running = pods + 1  # pod2 speaks gRPC and is left out
            scale_to(running)
        row = {"varied": what, "value": value, **_measure(what, value, pods, connections, streams, seconds)}
        rows.append(row)
        print(f"{what:<12} {value:>6} {row['calls_per_s']:>10,.0f} calls/s {row['cycles_per_call']:>8,.0f} cycles a call "
              f"without drivers, {row['busy_cycles_per_call']:>8,.0f} with them  {row['failed']} failed", flush=True)
    return rows


def _measure(what: str, value: int, pods: int, connections: int, streams: int, seconds: float) -> dict:
    sluice = proxies.Sluice()
    numbers = [number for number in range(1, pods + 2) if number != network.GRPC_POD]
    sluice.start(*map(layout.pod_address, numbers[:pods]))
    try:
        workload = Workload(f"{what}-{value}", "h2load", connections, streams, 100)
        loads.forget(sluice.address)
        for _ in range(2):
            loads.run(workload, sluice.namespace, sluice.address, 0.3, latencies=False)
        before = sluice.counters()
        outcome = loads.run(workload, sluice.namespace, sluice.address, seconds, latencies=False)
        after = sluice.counters()
    finally:
        sluice.stop()
    if outcome.calls == 0:
        raise LabError(f"{what} {value}: not a single call succeeded")
    busy, io = (after[key] - before[key] for key in ("cycles_busy", "cycles_io_busy"))
    return {"calls_per_s": outcome.calls_per_s, "failed": outcome.failed, "busy_cycles_per_call": busy / outcome.calls,
            "cycles_per_call": (busy - io) / outcome.calls}


def spread(rows: list) -> dict:
    """The dearest step over the cheapest, of each thing that is varied."""
    result = {}
    for what in dict.fromkeys(row["varied"] for row in rows):
        cycles = [row["cycles_per_call"] for row in rows if row["varied"] == what]
        result[what] = round(max(cycles) / min(cycles), 2)
    return result
