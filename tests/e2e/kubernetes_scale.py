#!/usr/bin/python3
"""Ten thousand endpoints and a hundred changes a second: a new pod gets calls soon, and no worker stands still for it.

`--one` puts all endpoints into one service; otherwise a hundred services share them. `--slow N` shows the N slowest changes part by part. A
measurement, which tools/test does not run: ten thousand connects that are refused need most of a core for a while. It ends within about
three minutes, whatever happens: a change without a call counts as one that took PATIENCE."""

import datetime
import json
import mmap
import os
import random
import re
import struct
import sys
import threading
import time
from pathlib import Path

from kubernetes_api import endpoint
from kubernetes_lab import KubernetesLab
from pod_wire import Wire
from support import SANITIZED, daemon, layout, main, process, run, state
from sluicelab.client import Client, failed

ONE = "--one" in sys.argv
SLOW = int(sys.argv[sys.argv.index("--slow") + 1]) if "--slow" in sys.argv else 0
ENDPOINTS = 1_000 if SANITIZED else 10_000
SERVICES = 1 if ONE else 100
CHANGES = 20 if SANITIZED else 100  # a second
ADDRESSES = 5                       # the lab's pods: nobody listens at most of the ports, and one slice of each service has READY pods
SLICES = ENDPOINTS // SERVICES // ADDRESSES
TRIES = 60 if SANITIZED else 250
SECONDS = 100.0  # for all tries
PATIENCE = 10.0  # for one
RATE = 500  # calls a second: a call comes to each of five pods every 10 ms
ADMIN = "127.0.0.1:9464"


def service(i: int) -> str:
    return f'\n[[service]]\nname = "many-{i}"\nendpoints = {{ kubernetes = "default/many-{i}:grpc" }}\n'


class Churn(threading.Thread):
    """An endpoint of some slice comes or goes, a hundred times a second."""

    def __init__(self, api) -> None:
        super().__init__(daemon=True)
        self.api = api
        self.slices = [(i, s) for i in range(SERVICES) for s in range(SLICES)]
        self.whole = {key: True for key in self.slices}
        self.ended = threading.Event()
        self.changes = 0

    def put(self, key: tuple) -> None:
        i, s = key
        addresses = ADDRESSES if self.whole[key] else ADDRESSES - 1
        self.api.put(f"many-{i}-{s}", f"many-{i}", [endpoint(layout.pod_address(n), f"uid-{i}-{s}-{n}") for n in range(1, addresses + 1)],
                     ports=[{"name": "grpc", "protocol": "TCP", "port": 20_000 + s if s > 0 else layout.PORT}])

    def run(self) -> None:
        draw = random.Random(7)
        at = time.monotonic()
        while not self.ended.is_set():
            key = draw.choice(self.slices)
            self.whole[key] = not self.whole[key]
            self.put(key)
            self.changes += 1
            at += 1 / CHANGES
            time.sleep(max(0.0, at - time.monotonic()))


class Counts:
    """What a pod counts, in the memory that it shares."""

    def __init__(self, number: int) -> None:
        with open(layout.pod_counts(number), "rb") as file:
            self._memory = mmap.mmap(file.fileno(), 24, prot=mmap.PROT_READ)

    def begun(self) -> int:
        return struct.unpack_from("=Q", self._memory)[0]


class Scale(KubernetesLab):
    extra = "".join(map(service, range(SERVICES))) + f'\n[admin]\nhttp = "{ADMIN}"\n'

    @staticmethod
    def favour_workers() -> None:
        """Other processes of the machine get little of the worker's core: in production it is the worker's own."""
        for task in Path(f"/proc/{state.load()['sluiced_pid']}/task").iterdir():
            if os.sched_getaffinity(int(task.name)) == {0}:
                os.setpriority(os.PRIO_PROCESS, int(task.name), -20)

    def known(self) -> int:
        return sum(row["pods"] for row in daemon.ask("sources")["sources"])

    def come_and_go(self) -> list:
        """The last pod leaves and comes, again and again: when it was asked to come, and its first call after that; by time.time()."""
        counts = [Counts(n) for n in range(1, 6)]
        draw = random.Random(11)
        times = []
        until = time.monotonic() + SECONDS
        while len(times) < TRIES and time.monotonic() < until:
            self.publish([1, 2, 3, 4])
            self.assertTrue(process.wait_until(lambda: self.silent(counts), PATIENCE, every=0.001), "the pod that left gets calls")
            time.sleep(draw.uniform(0, 0.05))  # at any time of whatever goes on
            before = counts[4].begun()
            asked = time.time()
            self.publish([1, 2, 3, 4, 5])
            process.wait_until(lambda: counts[4].begun() > before, PATIENCE, every=0.0005)
            times.append((asked, time.time()))
        return times

    @staticmethod
    def silent(counts: list) -> bool:
        """The other pods get calls, and the last one gets none."""
        before = [c.begun() for c in counts]
        process.wait_until(lambda: sum(c.begun() for c in counts[:4]) - sum(before[:4]) >= 24, 1, every=0.002)
        return counts[4].begun() == before[4] and sum(c.begun() for c in counts[:4]) - sum(before[:4]) >= 24

    def test_a_new_pod_among_ten_thousand_gets_calls_soon(self) -> None:
        process.common_core()
        self.favour_workers()
        churn = Churn(self.api)
        self.assertTrue(process.wait_until(lambda: len([row for row in daemon.pod_rows().values() if row["service"] == "echo"
                                                        and row["state"] == "READY"]) == len(self.numbers()), 30))
        began = time.monotonic()
        for key in churn.slices:
            churn.put(key)
        self.assertTrue(process.wait_until(lambda: self.known() >= ENDPOINTS + len(self.numbers()), 60), f"{self.known()}")
        print(f"{ENDPOINTS} endpoints are known after {time.monotonic() - began:.1f} s")
        client = Client(rate=RATE, channels=2)
        self.addCleanup(client.kill)
        client.fresh()
        wire = Wire(5, layout.PORT)
        self.addCleanup(wire.stop)
        first = daemon.ask("workers")["workers"][0]
        churn.start()
        try:
            times = self.come_and_go()
        finally:
            churn.ended.set()
            churn.join()
        report = client.stop()
        self.tell(times, wire.stop())
        lags = [row["lag_ms"] for row in daemon.ask("pods")["pods"] if row["lag_ms"] is not None]
        print(f"{churn.changes} other changes; lag of pods as control measures it: median {sorted(lags)[len(lags) // 2]:.1f} ms, "
              f"most {max(lags):.1f} ms; failed calls: {failed(report)}; the client's p999 {report['p999_us'] / 1000:.1f} ms")
        worker = daemon.ask("workers")["workers"][0]
        print("a worker stood still for a new configuration: " + json.dumps({k: v for k, v in worker.items() if "adoption" in k})
              + f", of these before the changes: {json.dumps({k: v for k, v in first.items() if 'adoption' in k})}")
        missed = {row["name"]: sum(device["rx_missed"] for device in row["devices"]) for row in daemon.ask("nic")["ports"]}
        print(f"frames that overran a receive ring: {missed}")
        began = time.monotonic()
        text = run(layout.SLUICE_NAMESPACE, "curl", "-sS", f"http://{ADMIN}/metrics")
        took = time.monotonic() - began
        series = len(re.findall(r"^[a-z]", text, re.MULTILINE))
        print(f"a scrape of {series} series took {took:.2f} s")
        self.assertEqual(failed(report), 0, report)
        self.assertLess(series, 150_000)
        self.assertGreaterEqual(len(times), 50 if SANITIZED else 200)
        took_all = sorted(end - asked for asked, end in times)
        self.assertLess(took_all[len(took_all) * 99 // 100], 2 if SANITIZED else 0.1)

    def tell(self, times: list, wire: list) -> None:
        """Percentiles of the whole and of its parts."""
        published = self.publications()
        rows = [self.parts(asked, end, published, wire) for asked, end in times]
        names = list(rows[0])
        print(f"ms of {len(rows)} changes    median      p90      p99     most")
        for name in names:
            values = sorted(row[name] for row in rows if row[name] is not None)
            if values:
                of = [values[min(len(values) - 1, len(values) * share // 1000)] for share in (500, 900, 990)] + [values[-1]]
                print(f"  {name:20} " + " ".join(f"{1000 * v:8.1f}" for v in of) + f"  ({len(values)})")
        slowest = sorted(range(len(rows)), key=lambda i: -rows[i]["whole"])
        for i in slowest[:SLOW]:
            print(f"  change {i} at {times[i][0]:.3f}: " + ", ".join(f"{name} {1000 * v:.1f}" for name, v in rows[i].items() if v is not None))

    def parts(self, asked: float, end: float, published: list, wire: list) -> dict:
        """Seconds from step to step; None where a step was not seen."""
        def seen(what: str, after):
            return None if after is None else next((at for at, event in wire if event == what and after <= at <= end), None)

        sent = next((at for at in self.api.sent.get("greeter-1", []) if at >= asked), None)
        steps = {"to the socket": sent, "to publication": next((at for at in published if at >= (sent or asked)), None)}
        steps["to SYN"] = syn = seen("SYN", asked)
        steps["to SYN-ACK"] = answer = seen("SYN-ACK", syn)
        steps["to preface"] = preface = seen("to pod", answer)
        steps["to SETTINGS"] = seen("from pod", preface)
        steps["to the call"] = seen("call", preface)
        steps["to its count"] = end
        out, at = {"whole": end - asked}, asked
        for name, step in steps.items():
            out[name] = None if step is None else step - at
            at = step if step is not None else at
        return out

    @staticmethod
    def publications() -> list:
        """When control published endpoints of the pod's service."""
        out = []
        for line in layout.SLUICED_LOG.read_text(errors="replace").splitlines():
            found = re.match(r"\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+).*reload \(endpoints of ([^)]*)\): generation", line)
            if found and "echo" in found[2].split(", "):
                out.append(datetime.datetime.fromisoformat(found[1]).timestamp())
        return out


ARGUMENTS = sys.argv
sys.argv = [word for i, word in enumerate(ARGUMENTS) if word not in ("--one", "--slow") and ARGUMENTS[i - 1] != "--slow"]
main()
