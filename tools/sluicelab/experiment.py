"""The demo's experiment: phases, a live table, a verdict.

Four clients make calls all the while, each on one connection: two of gRPC and two of HTTP/1.1 with keep-alive. Of each kind, one calls
through a listener that chooses a pod for each call, and one through a `tcp` listener, the old world, which chooses one for the connection.
"""

import sys
import time

from . import daemon, lab, layout, pods
from .client import Client, Http1Client, failed
from .process import LabError, wait_until

IN_FLIGHT = 20      # calls at once on the one connection
POD_DELAY_MS = 10   # what a pod takes for a call; with IN_FLIGHT, about 1,900 calls a second
L4_IN_FLIGHT = 2    # of the client of the tcp listener
PHASE_SECONDS = 4.0
READY_SECONDS = 5.0
FAIR_SHARE = 0.20
FAIR_MARGIN = 0.02
BAR = 30            # characters for a share of 100 %
KILLED = "pod2"


class Clients:
    """The four: of gRPC and of HTTP/1.1, through L7 and through `tcp`."""

    def __init__(self) -> None:
        self.grpc = Client(in_flight=IN_FLIGHT, delay=POD_DELAY_MS, interval=100)
        self.grpc_tcp = Client(target=f"{layout.VIP}:{layout.TCP_PORT}", in_flight=L4_IN_FLIGHT, delay=POD_DELAY_MS, interval=100)
        self.http1 = Http1Client(target=f"{layout.VIP}:{layout.HTTP1_PORT}", interval=100)
        self.http1_tcp = Http1Client(target=f"{layout.VIP}:{layout.HTTP1_TCP_PORT}", interval=100)

    def each(self) -> dict:
        return {"grpc": self.grpc, "grpc_tcp": self.grpc_tcp, "http1": self.http1, "http1_tcp": self.http1_tcp}

    def fresh(self) -> dict:
        return {name: client.fresh() for name, client in self.each().items()}

    def stop(self) -> dict:
        return {name: client.stop() for name, client in self.each().items()}

    def kill(self) -> None:
        for client in self.each().values():
            client.kill()


def run() -> dict:
    """{"verdict": "pass" or "fail", "reasons": [...], "phases": [...]}"""
    clients = Clients()
    try:
        screen = Screen()
        phases = [
            _phase(clients, screen, "one pod", 1, lambda: None),
            _phase(clients, screen, "scaled to five", 5, lambda: lab.scale(5)),
            _phase(clients, screen, "scaled to two", 2, lambda: lab.scale(2)),
            _killing(clients, screen),
        ]
        final = clients.stop()
    finally:
        clients.kill()
    for name, key in (("grpc", "failed"), ("http1", "http1_failed")):
        phases[-1][key] = failed(final[name]) - sum(phase[key] for phase in phases[:-1])
    phases[-1]["client_connections"] = final["grpc"]["connections"]
    phases[-1]["http1_connections"] = final["http1"]["connections"]
    reasons = _complaints(phases)
    result = {"verdict": "fail" if reasons else "pass", "reasons": reasons, "phases": phases}
    _print_verdict(result)
    return result


def _all_ready(count: int) -> bool:
    """Of both services."""
    rows = [row for row in daemon.pod_rows().values() if row["state"] != "SHUTDOWN"]
    return len(rows) == 2 * count and all(row["state"] == "READY" for row in rows)


def _phase(clients: Clients, screen: "Screen", name: str, count: int, change) -> dict:
    """Calls are counted once all pods are READY; failures from the moment of the change."""
    before = clients.fresh()
    change()
    if not wait_until(lambda: _all_ready(count), READY_SECONDS, every=0.05):
        raise LabError(f"not all of {count} pods became READY: {daemon.ask('pods')}")
    clients.fresh()  # this one may have been made before they were
    return _watch(clients, screen, name, count, clients.fresh(), before)


def _since(report: dict, start: dict) -> dict:
    """The calls of each pod between two reports of a client."""
    calls = {pod: total - start["calls"].get(pod, 0) for pod, total in sorted(report["calls"].items())}
    return {pod: n for pod, n in calls.items() if n > 0}


def _watch(clients: Clients, screen: "Screen", name: str, count: int, start: dict, before: dict) -> dict:
    screen.begin(name)
    until = time.monotonic() + PHASE_SECONDS
    while True:
        now = clients.fresh()
        calls = {name: _since(now[name], start[name]) for name in now}
        phase = {"name": name, "pods": count, "calls": calls["grpc"], "tcp_calls": calls["grpc_tcp"],
                 "http1_calls": calls["http1"], "http1_tcp_calls": calls["http1_tcp"],
                 "failed": failed(now["grpc"]) - failed(before["grpc"]), "client_connections": now["grpc"]["connections"],
                 "http1_failed": failed(now["http1"]) - failed(before["http1"]), "http1_connections": now["http1"]["connections"]}
        screen.show(phase, now)
        if time.monotonic() >= until:
            return phase


def _killing(clients: Clients, screen: "Screen") -> dict:
    start = clients.fresh()
    row = daemon.pod_rows()[KILLED]
    in_flight, failed_before = row["active"], row["failed"]
    lab.kill(KILLED)
    # Between the two looks calls came and went: what the pod itself had begun when it died counts too.
    in_flight = max(in_flight, pods.in_flight(int(KILLED[3:])))
    phase = _watch(clients, screen, f"{KILLED} killed", 1, start, start)
    # And calls on their way to or from the pod, which only Sluice can tell: streams that were on its connection at the end.
    in_flight = max(in_flight, daemon.pod_rows()[KILLED]["failed"] - failed_before)
    phase["in_flight_at_kill"] = in_flight
    return phase


def _complaints(phases: list) -> list:
    one, five, two, killed = phases
    complaints = []
    for kind, key in (("gRPC", "calls"), ("HTTP/1.1", "http1_calls")):
        total = sum(five[key].values())
        for number in range(1, 6):
            share = five[key].get(f"pod{number}", 0) / max(total, 1)
            if abs(share - FAIR_SHARE) > FAIR_MARGIN:
                complaints.append(f"{kind}: with five pods, pod{number} got {share:.1%} of the calls and not 20 % +-2")
        for phase in phases:
            if set(phase[f"{_old_world(key)}"]) != {"pod1"}:
                complaints.append(f"{phase['name']}, {kind}: calls through the tcp listener went to "
                                  f"{', '.join(phase[_old_world(key)]) or 'none'}, and their connection had begun on pod1")
        if set(two[key]) != {"pod1", "pod2"}:
            complaints.append(f"{kind}: with two pods, calls went to {', '.join(two[key]) or 'none'}")
        if not killed[key].get("pod1"):
            complaints.append(f"{kind}: after the kill, no calls went on")
    for phase in phases:
        for kind, key in (("gRPC", "client_connections"), ("HTTP/1.1", "http1_connections")):
            if phase[key] != 1:
                complaints.append(f"{phase['name']}: the client of {kind} had {phase[key]} connections and not one")
    for phase in (one, five, two):
        for kind, key in (("gRPC", "failed"), ("HTTP/1.1", "http1_failed")):
            if phase[key]:
                complaints.append(f"{phase['name']}: {phase[key]} calls of {kind} failed")
    if killed["failed"] > killed["in_flight_at_kill"]:
        complaints.append(f"{killed['failed']} calls failed when {KILLED} was killed, "
                          f"which had only {killed['in_flight_at_kill']} in flight")
    if killed["http1_failed"] > 1:
        complaints.append(f"{killed['http1_failed']} requests of HTTP/1.1 failed when {KILLED} was killed, and one was under way at most")
    return complaints


def _old_world(key: str) -> str:
    return key.replace("calls", "tcp_calls")


def _print_verdict(result: dict) -> None:
    print()
    for phase in result["phases"]:
        shares = ", ".join(f"{pod} {n}" for pod, n in phase["calls"].items())
        note = f" (in flight on it: {phase['in_flight_at_kill']})" if "in_flight_at_kill" in phase else ""
        old = ", ".join(f"{pod} {n}" for pod, n in phase["tcp_calls"].items())
        print(f"{phase['name']:<16} gRPC      {shares}; {phase['failed']} failed{note}; through the tcp listener: {old}")
        shares = ", ".join(f"{pod} {n}" for pod, n in phase["http1_calls"].items())
        old = ", ".join(f"{pod} {n}" for pod, n in phase["http1_tcp_calls"].items())
        print(f"{'':<16} HTTP/1.1  {shares}; {phase['http1_failed']} failed; through the tcp listener: {old}")
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
        lines = [f"{'pod':<8}{'gRPC':>8}{'share':>9}  {'':{BAR}}{'HTTP/1.1':>10}{'share':>9}"]
        totals = [max(sum(phase[key].values()), 1) for key in ("calls", "http1_calls")]
        for pod in sorted({*phase["calls"], *phase["http1_calls"]}):
            grpc, http1 = phase["calls"].get(pod, 0), phase["http1_calls"].get(pod, 0)
            lines.append(f"{pod:<8}{grpc:>8}{grpc / totals[0]:>9.1%}  {'#' * round(BAR * grpc / totals[0]):{BAR}}"
                         f"{http1:>10}{http1 / totals[1]:>9.1%}  {'#' * round(BAR * http1 / totals[1])}")
        for kind, name, prefix in (("gRPC", "grpc", ""), ("HTTP/1.1", "http1", "http1_")):
            connections = phase["http1_connections" if prefix else "client_connections"]
            lines.append(f"{kind}: on {connections} connection, {phase[prefix + 'failed']} failed, p50 {report[name]['p50_us'] / 1000:.1f} ms, "
                         f"p99 {report[name]['p99_us'] / 1000:.1f} ms; through the tcp listener: "
                         f"{', '.join(f'{pod} {n}' for pod, n in phase[prefix + 'tcp_calls'].items())}")
        if self._live and self._lines:
            sys.stdout.write(f"\x1b[{self._lines}A\x1b[J")
        print("\n".join(lines), flush=True)
        self._lines = len(lines)
