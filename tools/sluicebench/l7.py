"""`tools/bench l7`: every workload through every proxy, in turn, several times over."""

import math
import sys
import threading
from typing import Callable, Optional

from sluicelab.process import LabError

from . import loads, machine, network, proxies, reflector
from .workloads import ALL, REQUEST_BYTES, Workload

WORKER_CORE = machine.Core(proxies.WORKER_CORE)
WARM_SECONDS = 0.15   # connections to the pod, caches, the first pages
LATENCY_SHARE = 0.35  # of a measurement's time, for h2load's run with a log

# Times of one measurement, and how often each is repeated.
FULL_SECONDS, FULL_REPETITIONS = 2.0, 5
QUICK_SECONDS, QUICK_REPETITIONS = 0.5, 1


def chosen(only: Optional[list]) -> list:
    if not only:
        return list(ALL)
    unknown = set(only) - {workload.name for workload in ALL}
    if unknown:
        raise LabError(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(w.name for w in ALL)}")
    return [workload for workload in ALL if workload.name in only]


def run(workloads: list, seconds: float, repetitions: int) -> list:
    """One row a workload, proxy and repetition. The lab is up, with its pods and the peers' cables."""
    network.write_files({workload.answer for workload in workloads})
    network.REQUEST_FILE.write_bytes(b"x" * REQUEST_BYTES)
    everybody = proxies.everybody()
    rows = []
    for repetition in range(repetitions):
        if any(_one_at_a_time(workload) for workload in workloads):
            _measured(rows, repetition, reflector.WORKLOAD, reflector.NAME, lambda: reflector.measure(seconds))
        for workload in workloads:
            # Another one begins each time: nobody always runs on a machine that the same neighbour has warmed.
            first = repetition % len(everybody)
            for proxy in everybody[first:] + everybody[:first]:
                _measured(rows, repetition, workload.name, proxy.name, lambda: measure(workload, proxy, seconds))
    return rows


def _one_at_a_time(workload: Workload) -> bool:
    return workload.connections == workload.streams == 1


def _measured(rows: list, repetition: int, workload: str, name: str, measurement: Callable[[], dict]) -> None:
    try:
        row = measurement()
    except LabError as error:
        print(f"{workload} {name}: {error}", file=sys.stderr, flush=True)
        row = {"workload": workload, "proxy": name, "error": str(error)}
    row["repetition"] = repetition
    rows.append(row)
    _show(row)


def _show(row: dict) -> None:
    if "error" in row:
        return
    cpu = f"{row['cpu_us_per_call']:>8.2f} us CPU" if "cpu_us_per_call" in row else " " * 15
    print(f"{row['repetition'] + 1}  {row['workload']:<30} {row['proxy']:<9} {row['calls_per_s']:>10,.0f} calls/s "
          f"{cpu}  p50 {row['p50_us']:>9,.0f}  p99 {row['p99_us']:>9,.0f} us"
          + (f"  {row['failed']} failed" if row["failed"] else ""), flush=True)


def measure(workload: Workload, proxy, seconds: float) -> dict:
    proxy.start(loads.pod_of(workload))
    try:
        loads.forget(proxy.address)
        for _ in range(2):  # the second one finds everything warm, and says how many calls the measurement takes
            loads.run(workload, proxy.namespace, proxy.address, WARM_SECONDS, latencies=False)
        memory = {}
        sampler = threading.Timer(seconds * 0.7, lambda: memory.update(zip(("resident", "huge"), proxy.memory())))
        sampler.start()
        before, counted = WORKER_CORE.look(), proxy.counters()
        outcome = loads.run(workload, proxy.namespace, proxy.address, seconds, latencies=False)
        after, recounted = WORKER_CORE.look(), proxy.counters()
        sampler.join()
        latencies = outcome
        if outcome.p50_us is None:
            latencies = loads.run(workload, proxy.namespace, proxy.address, max(seconds * LATENCY_SHARE, WARM_SECONDS))
    finally:
        proxy.stop()
    if outcome.calls == 0:
        raise LabError("not a single call succeeded")
    wall, core, stolen = (b - a for a, b in zip(before, after))
    row = {"workload": workload.name, "proxy": proxy.name, "calls_per_s": outcome.calls_per_s,
           "cpu_us_per_call": core / outcome.calls * 1e6, "core_share": core / wall, "stolen_share": stolen / wall,
           "p50_us": latencies.p50_us, "p99_us": latencies.p99_us, "p999_us": latencies.p999_us,
           "failed": outcome.failed + (latencies.failed if latencies is not outcome else 0),
           "rss_mib": memory["resident"], "hugepages_mib": memory["huge"]}
    if counted is not None:
        row.update(_without_empty_polls(core, wall, {key: recounted[key] - counted[key] for key in counted}, outcome.calls))
    return row


def _without_empty_polls(core: float, wall: float, cycles: dict, calls: int) -> dict:
    """A worker polls all the time: what a call costs is its core's time less the turns that found nothing to do. Those are
    measured in cycles by the worker itself, whose turns fill all of its time."""
    second = cycles["cycles"] / wall
    empty = (cycles["cycles"] - cycles["cycles_busy"]) / second
    return {"cpu_us_per_call": max(core - empty, 0.0) / calls * 1e6,
            "raw_cpu_us_per_call": core / calls * 1e6,
            "io_us_per_call": cycles["cycles_io_busy"] / second / calls * 1e6,
            "busy_cycles_per_call": cycles["cycles_busy"] / calls,
            "io_cycles_per_call": cycles["cycles_io_busy"] / calls}


def summary(rows: list) -> list:
    """One row a workload and proxy: medians, and the spread of what is compared."""
    grouped: dict = {}
    for row in rows:
        if "error" not in row:
            grouped.setdefault((row["workload"], row["proxy"]), []).append(row)
    result = []
    for (workload, proxy), group in grouped.items():
        merged = {"workload": workload, "proxy": proxy, "repetitions": len(group)}
        for key, value in group[0].items():
            if not isinstance(value, (int, float)) or key in ("repetition", "failed"):
                continue
            values = sorted(row[key] for row in group)
            merged[key] = round(_median(values), 3)
            if key in ("calls_per_s", "cpu_us_per_call", "p50_us"):
                merged[key + "_min"], merged[key + "_max"] = round(values[0], 3), round(values[-1], 3)
        merged["failed"] = sum(row["failed"] for row in group)
        result.append(merged)
    return result


def latencies(summary_rows: list) -> list:
    """Of the workloads with one call at a time: Sluice's p50 beside a bare port's round trip, and what it adds to a call, beside what
    the best peer adds."""
    p50 = {(row["workload"], row["proxy"]): row["p50_us"] for row in summary_rows}
    told = []
    for workload in dict.fromkeys(row["workload"] for row in summary_rows):
        peers = [p50[workload, name] for name in proxies.PEERS if (workload, name) in p50]
        bare, ours, direct = p50.get((reflector.WORKLOAD, reflector.NAME)), p50.get((workload, "sluice")), p50.get((workload, "direct"))
        if not workload.endswith("-1x1") or not peers or None in (bare, ours, direct) or min(peers) <= direct:
            continue
        told.append({"workload": workload, "p50_us": ours, "of_the_reflector": ours / bare, "of_the_best_peer": ours / min(peers),
                     "added_us": ours - direct, "added_of_the_reflector": (ours - direct) / bare,
                     "added_of_the_best_peer": (ours - direct) / (min(peers) - direct)})
    return told


def _median(values: list) -> float:
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def ratios(rows: list) -> list:
    """Sluice against the best peer of each workload: repetition by repetition, so that noise of the machine that lasts
    longer than a repetition falls out; the median, the smallest and the largest."""
    by_run = {(row["workload"], row["repetition"], row["proxy"]): row for row in rows if "error" not in row}
    result = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        cpu, bare, latency, direct = [], [], [], []
        for repetition in sorted({row["repetition"] for row in rows}):
            ours = by_run.get((workload, repetition, "sluice"))
            peers = [by_run[key] for key in ((workload, repetition, peer) for peer in proxies.PEERS) if key in by_run]
            nobody = by_run.get((workload, repetition, "direct"))
            if ours is None or not peers:
                continue
            best = min(row["cpu_us_per_call"] for row in peers)
            cpu.append(_over(best, ours["cpu_us_per_call"]))
            bare.append(_over(best, ours["cpu_us_per_call"] - ours["io_us_per_call"]))
            latency.append(_over(min(row["p50_us"] for row in peers), ours["p50_us"]))
            if nobody is not None:
                direct.append(_over(ours["calls_per_s"], nobody["calls_per_s"]))
        if cpu:
            result.append({"workload": workload, "calls_per_cpu_second": _spread(cpu), "without_io": _spread(bare),
                           "p50": _spread(latency), "of_direct": _spread(direct)})
    return result


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


def _spread(values: list) -> Optional[dict]:
    values = sorted(values)
    if not values:
        return None
    return {"median": round(_median(values), 3), "min": round(values[0], 3), "max": round(values[-1], 3)}
