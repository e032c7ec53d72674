"""The demo's experiment: phases, a live table, a verdict.

Two gRPC clients make calls all the while, each on one connection. The `h2c` listener chooses a pod for each call; the `tcp` listener,
the old world, chooses one for the connection.
"""

import sys
import time

from . import daemon, lab, layout, pods
from .client import Client, failed
from .process import LabError, wait_until

IN_FLIGHT = 20      # calls at once on the one connection
POD_DELAY_MS = 10   # what a pod takes for a call; with IN_FLIGHT, about 1,900 calls a second
L4_IN_FLIGHT = 2    # of the client of the tcp listener
PHASE_SECONDS = 4.0
READY_SECONDS = 5.0
FAIR_SHARE = 0.20
FAIR_MARGIN = 0.02
BAR = 40            # characters for a share of 100 %
KILLED = "pod2"


def run() -> dict:
    """{"verdict": "pass" or "fail", "reasons": [...], "phases": [...]}"""
    client = Client(in_flight=IN_FLIGHT, delay=POD_DELAY_MS, interval=100)
    old_world = Client(target=f"{layout.VIP}:{layout.TCP_PORT}", in_flight=L4_IN_FLIGHT, delay=POD_DELAY_MS, interval=100)
    try:
        screen = Screen()
        phases = [
            _phase(client, old_world, screen, "one pod", 1, lambda: None),
            _phase(client, old_world, screen, "scaled to five", 5, lambda: lab.scale(5)),
            _phase(client, old_world, screen, "scaled to two", 2, lambda: lab.scale(2)),
            _killing(client, old_world, screen),
        ]
        old_world.stop()
        final = client.stop()
    finally:
        client.kill()
        old_world.kill()
    phases[-1]["failed"] = failed(final) - sum(phase["failed"] for phase in phases[:-1])
    phases[-1]["client_connections"] = final["connections"]
    reasons = _complaints(phases)
    result = {"verdict": "fail" if reasons else "pass", "reasons": reasons, "phases": phases}
    _print_verdict(result)
    return result


def _all_ready(count: int) -> bool:
    rows = [row for row in daemon.pod_rows().values() if row["state"] != "SHUTDOWN"]
    return len(rows) == count and all(row["state"] == "READY" for row in rows)


def _phase(client: Client, old_world: Client, screen: "Screen", name: str, count: int, change) -> dict:
    """Calls are counted once all pods are READY; failures from the moment of the change."""
    failed_before = failed(client.fresh())
    change()
    if not wait_until(lambda: _all_ready(count), READY_SECONDS, every=0.05):
        raise LabError(f"not all of {count} pods became READY: {daemon.ask('pods')}")
    client.fresh()  # this one may have been made before they were
    start = client.fresh()
    return _watch(client, old_world, screen, name, count, start, failed_before)


def _since(report: dict, start: dict) -> dict:
    """The calls of each pod since then."""
    calls = {pod: total - start["calls"].get(pod, 0) for pod, total in sorted(report["calls"].items())}
    return {pod: n for pod, n in calls.items() if n > 0}


def _watch(client: Client, old_world: Client, screen: "Screen", name: str, count: int, start: dict, failed_before: int) -> dict:
    screen.begin(name)
    old_start = old_world.fresh()
    until = time.monotonic() + PHASE_SECONDS
    while True:
        report = client.fresh()
        phase = {"name": name, "pods": count, "calls": _since(report, start), "tcp_calls": _since(old_world.fresh(), old_start),
                 "failed": failed(report) - failed_before, "client_connections": report["connections"]}
        screen.show(phase, report)
        if time.monotonic() >= until:
            return phase


def _killing(client: Client, old_world: Client, screen: "Screen") -> dict:
    start = client.fresh()
    row = daemon.pod_rows()[KILLED]
    in_flight, failed_before = row["active"], row["failed"]
    lab.kill(KILLED)
    # Between the two looks calls came and went: what the pod itself had begun when it died counts too.
    in_flight = max(in_flight, pods.in_flight(int(KILLED[3:])))
    phase = _watch(client, old_world, screen, f"{KILLED} killed", 1, start, failed(start))
    # And calls on their way to or from the pod, which only Sluice can tell: streams that were on its connection at the end.
    in_flight = max(in_flight, daemon.pod_rows()[KILLED]["failed"] - failed_before)
    phase["in_flight_at_kill"] = in_flight
    return phase


def _complaints(phases: list) -> list:
    _, five, two, killed = phases
    complaints = []
    total = sum(five["calls"].values())
    for number in range(1, 6):
        share = five["calls"].get(f"pod{number}", 0) / max(total, 1)
        if abs(share - FAIR_SHARE) > FAIR_MARGIN:
            complaints.append(f"with five pods, pod{number} got {share:.1%} of the calls and not 20 % +-2")
    for phase in phases:
        if set(phase["tcp_calls"]) != {"pod1"}:
            complaints.append(f"{phase['name']}: calls through the tcp listener went to {', '.join(phase['tcp_calls']) or 'none'}, "
                              "and their connection had begun on pod1")
    if set(two["calls"]) != {"pod1", "pod2"}:
        complaints.append(f"with two pods, calls went to {', '.join(two['calls']) or 'none'}")
    if not killed["calls"].get("pod1"):
        complaints.append("after the kill, no calls went on")
    for phase in phases:
        if phase["client_connections"] != 1:
            complaints.append(f"{phase['name']}: the client had {phase['client_connections']} connections and not one")
    for phase in phases[:-1]:
        if phase["failed"]:
            complaints.append(f"{phase['name']}: {phase['failed']} calls failed")
    if killed["failed"] > killed["in_flight_at_kill"]:
        complaints.append(f"{killed['failed']} calls failed when {KILLED} was killed, "
                          f"which had only {killed['in_flight_at_kill']} in flight")
    return complaints


def _print_verdict(result: dict) -> None:
    print()
    for phase in result["phases"]:
        shares = ", ".join(f"{pod} {n}" for pod, n in phase["calls"].items())
        note = f" (in flight on it: {phase['in_flight_at_kill']})" if "in_flight_at_kill" in phase else ""
        old = ", ".join(f"{pod} {n}" for pod, n in phase["tcp_calls"].items())
        print(f"{phase['name']:<16} {shares}; {phase['failed']} failed{note}; through the tcp listener: {old}")
    print()
    for reason in result["reasons"]:
        print(f"  {reason}")
    print(f"verdict: {result['verdict']}", flush=True)


class Screen:
    """Repaints the phase's table in place on a terminal; elsewhere prints only its last state."""

    def __init__(self) -> None:
        self._lines = 0
        self._live = sys.stdout.isatty()
        self._printed_at = 0.0

    def begin(self, name: str) -> None:
        self._lines = 0
        print(f"\n== {name} ==", flush=True)

    def show(self, phase: dict, report: dict) -> None:
        if not self._live and time.monotonic() - self._printed_at < 1.0:
            return
        self._printed_at = time.monotonic()
        total = max(sum(phase["calls"].values()), 1)
        lines = [f"{'pod':<8}{'calls':>8}{'share':>9}"]
        for pod, calls in phase["calls"].items():
            lines.append(f"{pod:<8}{calls:>8}{calls / total:>9.1%}  {'#' * round(BAR * calls / total)}")
        lines.append(f"on {phase['client_connections']} connection, {phase['failed']} failed, "
                     f"p50 {report['p50_us'] / 1000:.1f} ms, p99 {report['p99_us'] / 1000:.1f} ms")
        lines.append(f"through the tcp listener: {', '.join(f'{pod} {n}' for pod, n in phase['tcp_calls'].items())}")
        if self._live and self._lines:
            sys.stdout.write(f"\x1b[{self._lines}A\x1b[J")
        print("\n".join(lines), flush=True)
        self._lines = len(lines)
