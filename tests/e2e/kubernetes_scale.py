#!/usr/bin/python3
"""Ten thousand endpoints and a hundred changes a second: a new pod gets calls soon, and no worker stands still for it.

`--one` puts all endpoints into one service; otherwise a hundred services share them. A measurement, which tools/test does not run: ten
thousand connects that are refused need most of a core for a while."""

import json
import random
import re
import struct
import sys
import threading
import time

from kubernetes_api import endpoint
from kubernetes_lab import KubernetesLab
from support import SANITIZED, daemon, layout, main, process, run
from sluicelab.client import Client, failed

ONE = "--one" in sys.argv
ENDPOINTS = 1_000 if SANITIZED else 10_000
SERVICES = 1 if ONE else 100
CHANGES = 20 if SANITIZED else 100  # a second
ADDRESSES = 5                       # the lab's pods: nobody listens at most of the ports, and one slice of each service has READY pods
SLICES = ENDPOINTS // SERVICES // ADDRESSES
TRIES = 60
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


class Scale(KubernetesLab):
    extra = "".join(map(service, range(SERVICES))) + f'\n[admin]\nhttp = "{ADMIN}"\n'

    @staticmethod
    def begun(number: int) -> int:
        """Calls that the pod has begun."""
        return struct.unpack("=QQQ", layout.pod_counts(number).read_bytes())[0]

    def known(self) -> int:
        return sum(row["pods"] for row in daemon.ask("sources")["sources"])

    def test_a_new_pod_among_ten_thousand_gets_calls_soon(self) -> None:
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
        times = []
        churn.start()
        try:
            for _ in range(TRIES):
                self.publish([1, 2, 3, 4])
                self.assertTrue(process.wait_until(self.silent, 10, every=0.01))
                before = self.begun(5)
                asked = time.monotonic()
                self.publish([1, 2, 3, 4, 5])
                self.assertTrue(process.wait_until(lambda: self.begun(5) > before, 10, every=0.0005),
                                f"{[row for row in daemon.ask('pods')['pods'] if row['service'] == 'echo']} {client.fresh()}")
                times.append(time.monotonic() - asked)
        finally:
            churn.ended.set()
            churn.join()
        report = client.stop()
        times.sort()
        lags = [row["lag_ms"] for row in daemon.ask("pods")["pods"] if row["lag_ms"] is not None]
        worker = daemon.ask("workers")["workers"][0]
        print(f"from the API's change to the first call, of {TRIES}: median {1000 * times[TRIES // 2]:.1f} ms, p90 "
              f"{1000 * times[TRIES * 9 // 10]:.1f} ms, most {1000 * times[-1]:.1f} ms, with {churn.changes} other changes; lag of pods as "
              f"control measures it: median {sorted(lags)[len(lags) // 2]:.1f} ms, most {max(lags):.1f} ms")
        print("a worker stood still for a new configuration: " + json.dumps({k: v for k, v in worker.items() if "adoption" in k}))
        began = time.monotonic()
        text = run(layout.SLUICE_NAMESPACE, "curl", "-sS", f"http://{ADMIN}/metrics")
        took = time.monotonic() - began
        series = len(re.findall(r"^[a-z]", text, re.MULTILINE))
        print(f"a scrape of {series} series took {took:.2f} s")
        self.assertEqual(failed(report), 0, report)
        self.assertLess(series, 150_000)
        self.assertLess(times[TRIES // 2], 0.5 if SANITIZED else 0.1)
        self.assertLess(times[TRIES * 9 // 10], 2)

    def silent(self) -> bool:
        """No call has come to the pod for a while."""
        before = self.begun(5)
        time.sleep(0.03)
        return self.begun(5) == before


sys.argv = [word for word in sys.argv if word != "--one"]
main()
