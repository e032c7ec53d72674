"""`tools/bench l7`: every workload through every proxy, in turn, several times over."""

import math
import random
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


def run(workloads: list, drivers: list, seconds: float, repetitions: int) -> list:
    """One row a workload, proxy and repetition. The lab is up, with its pods and the peers' cables."""
    network.write_files({workload.answer for workload in workloads})
    network.REQUEST_FILE.write_bytes(b"x" * REQUEST_BYTES)
    everybody = proxies.everybody(drivers)
    rows = []
    for repetition in range(repetitions):
        if any(_one_at_a_time(workload) for workload in workloads):
            _measured(rows, repetition, reflector.WORKLOAD, reflector.NAME, lambda: reflector.measure(seconds))
        for workload in workloads:
            # In another order each time: nobody always runs on a machine that the same neighbour has warmed.
            for proxy in random.sample(everybody, len(everybody)):
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
    proxy.start(loads.pod_of(workload), workload)
    try:
        loads.forget(proxy.address)
        for _ in range(2):  # the second one finds everything warm, and says how many calls the measurement takes
            loads.run(workload, proxy.namespace, proxy.address, WARM_SECONDS, latencies=False)
        memory = {}
        sampler = threading.Timer(seconds * 0.7, lambda: memory.update(zip(("resident", "huge"), proxy.memory())))
        sampler.daemon = True
        sampler.start()
        before, counted, waited = WORKER_CORE.look(), proxy.counters(), machine.waited(proxy.pollers())
        helped = proxy.helpers()
        outcome = loads.run(workload, proxy.namespace, proxy.address, seconds, latencies=False)
        after, recounted = WORKER_CORE.look(), proxy.counters()
        helped = (proxy.helpers() - helped) / max(outcome.calls, 1) * 1e6
        others = machine.longest_wait(waited, machine.waited(proxy.pollers()))
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
           "waited_share": others / wall,
           "p50_us": latencies.p50_us, "p99_us": latencies.p99_us, "p999_us": latencies.p999_us,
           "failed": outcome.failed + (latencies.failed if latencies is not outcome else 0),
           "rss_mib": memory["resident"], "hugepages_mib": memory["huge"]}
    if counted is not None:
        row.update(_without_empty_polls(core, wall, {key: recounted[key] - counted[key] for key in counted}, outcome.calls))
        row["cpu_us_per_call"] += helped
        row["raw_cpu_us_per_call"] += helped
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
    """One row a workload and proxy: medians, and the spread of what is compared, of undisturbed repetitions where there are any."""
    grouped: dict = {}
    for row in rows:
        if "error" not in row:
            grouped.setdefault((row["workload"], row["proxy"]), []).append(row)
    bad = disturbed(rows)
    result = []
    for (workload, proxy), group in grouped.items():
        good = [row for row in group if (workload, row["repetition"]) not in bad] or group
        merged = {"workload": workload, "proxy": proxy, "repetitions": len(good)}
        for key, value in good[0].items():
            if not isinstance(value, (int, float)) or key in ("repetition", "failed"):
                continue
            values = sorted(row[key] for row in good if row[key] is not None)
            merged[key] = round(_median(values), 3)
            if key in ("calls_per_s", "cpu_us_per_call", "p50_us"):
                merged[key + "_min"], merged[key + "_max"] = round(values[0], 3), round(values[-1], 3)
        merged["failed"] = sum(row["failed"] for row in group)
        result.append(merged)
    return result


def latencies(rows: list) -> list:
    """Of the workloads with one call at a time: Sluice's p50 beside a bare port's round trip, and what it adds to a call, beside what
    the best peer adds. Within a repetition, then the median, the smallest and the largest."""
    told = []
    for workload, runs in _by_repetition(rows).items():
        if not workload.endswith("-1x1"):
            continue
        found: dict = {}
        for run_ in (run_ for run_ in runs if {reflector.NAME, "sluice"} <= set(run_)):
            ours, direct = run_["sluice"]["p50_us"], run_["direct"]["p50_us"]
            best, bare = min(run_[name]["p50_us"] for name in proxies.PEERS), run_[reflector.NAME]["p50_us"]
            values = {"p50_us": ours, "of_the_reflector": ours / bare, "of_the_best_peer": ours / best}
            if direct < min(ours, best):  # what a load cannot tell from its own noise is not said
                values.update(added_us=ours - direct, added_of_the_reflector=(ours - direct) / bare,
                              added_of_the_best_peer=(ours - direct) / (best - direct))
            for key, value in values.items():
                found.setdefault(key, []).append(value)
        if found:
            told.append({"workload": workload, **{key: _spread(values) for key, values in found.items()}})
    return told


# With nobody on core 0, `direct` leaves it idle; what it does then it does for others, and every proxy is charged with it. A worker
# that has to wait has been preempted, mostly in an empty turn.
QUIET_SHARE = 0.03


def disturbed(rows: list) -> set:
    """Workload and repetition in which others had core 0 for more than QUIET_SHARE of the time: they compare nothing."""
    return {(row["workload"], row["repetition"]) for row in rows if "error" not in row and
            max(row.get("waited_share", 0), row.get("stolen_share", 0),
                row["core_share"] if row["proxy"] == "direct" else 0) > QUIET_SHARE}


def _by_repetition(rows: list) -> dict:
    """Of each workload the repetitions that can be compared, as rows by proxy: no peer missing, and undisturbed unless all are not."""
    bad = disturbed(rows)
    bare = {row["repetition"]: row for row in rows if row["proxy"] == reflector.NAME and "error" not in row}
    result: dict = {}
    for workload in dict.fromkeys(row["workload"] for row in rows if row["proxy"] != reflector.NAME):
        runs: dict = {}
        for row in rows:
            if row["workload"] == workload and "error" not in row:
                runs.setdefault(row["repetition"], {})[row["proxy"]] = row
        whole = {number: {**run_, **({reflector.NAME: bare[number]} if number in bare else {})}
                 for number, run_ in runs.items() if {"direct", *proxies.PEERS} <= set(run_)}
        good = {number: run_ for number, run_ in whole.items() if (workload, number) not in bad}
        result[workload] = list((good or whole).values())
    return result


def _median(values: list) -> float:
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def ratios(rows: list, driver: str) -> list:
    """Sluice over one driver against the best peer of each workload: repetition by repetition, so that noise of the machine that lasts
    longer than a repetition falls out; the median, the smallest and the largest."""
    result = []
    for workload, runs in _by_repetition(rows).items():
        cpu, bare, latency, direct = [], [], [], []
        name = proxies.sluice_name(driver)
        for run_ in (run_ for run_ in runs if name in run_):
            ours, peers = run_[name], [run_[name] for name in proxies.PEERS]
            best = min(row["cpu_us_per_call"] for row in peers)
            cpu.append(_over(best, ours["cpu_us_per_call"]))
            bare.append(_over(best, ours["cpu_us_per_call"] - ours["io_us_per_call"]))
            latency.append(_over(min(row["p50_us"] for row in peers), ours["p50_us"]))
            direct.append(_over(ours["calls_per_s"], run_["direct"]["calls_per_s"]))
        if cpu:
            result.append({"workload": workload, "driver": driver, "repetitions": len(cpu), "calls_per_cpu_second": _spread(cpu),
                           "without_io": _spread(bare), "p50": _spread(latency), "of_direct": _spread(direct)})
    return result


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


def _spread(values: list) -> Optional[dict]:
    values = sorted(values)
    if not values:
        return None
    return {"median": round(_median(values), 3), "min": round(values[0], 3), "max": round(values[-1], 3)}
