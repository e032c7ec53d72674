#!/usr/bin/python3
"""Deployments roll over, again and again, under two thousand calls a second: pods that end well lose no call, and pods that are killed
lose only those that they had."""

import json
import random
import signal
import threading
import time
from datetime import datetime

from kubernetes_lab import KubernetesLab
from support import SANITIZED, daemon, layout, main, process
from sluicelab import pods, state
from sluicelab.client import Client, failed

RATE = 200 if SANITIZED else 2000  # calls a second, where the machine has them
REPLICAS, SURGE, UNAVAILABLE = 5, 3, 2
UPDATES = 10
RACE = 2.0  # seconds from SIGTERM to the removal of the endpoint, at most, either way
CLOSING = 0.1  # seconds; the clock of a worker stands still for a turn of its loop
LOG = layout.RUN_DIR / "access.log"


class Deployment:
    """Replaces pods as a Deployment with maxSurge and maxUnavailable does. Pods have numbers, and each a new address."""

    def __init__(self, publish, end) -> None:
        """end(pid): the way in which a pod ends."""
        self._publish, self._end = publish, end
        self._lock = threading.Lock()
        self._state = state.load()
        self._draw = random.Random(5)
        self.ready = {int(n) for n in self._state["pods"]}  # the endpoints
        self.running = dict((int(n), pid) for n, pid in self._state["pods"].items())
        self._leaving: list = []

    def _change(self, change) -> None:
        with self._lock:
            change()
            self._state["pods"] = {str(n): pid for n, pid in self.running.items()}
            state.save(self._state)
            self._publish(self.ready)

    def _start(self, number: int) -> None:
        pid = pods.start(number, self._state["pod_command"])
        self._change(lambda: self.running.__setitem__(number, pid))
        pods.wait_listening(number, pid)
        self._change(lambda: self.ready.add(number))

    def _remove(self, number: int) -> None:
        race = self._draw.uniform(-RACE, RACE)

        def leave() -> None:
            pid = self.running[number]
            if race < 0:
                self._change(lambda: self.ready.discard(number))
                time.sleep(-race)
                self._end(number, pid)
            else:
                self._end(number, pid)
                time.sleep(race)
                self._change(lambda: self.ready.discard(number))
            process.wait_until(lambda: not process.alive(pid), 20)
            self._change(lambda: self.running.pop(number))

        self._leaving.append(threading.Thread(target=leave))
        self._leaving[-1].start()

    def update(self) -> None:
        old = sorted(self.ready)
        fresh = [n for n in range(1, 3 * REPLICAS) if n not in self.running][:REPLICAS]
        # As many as may be unavailable leave at once, and as many as may be too many come.
        gone = UNAVAILABLE
        for number in old[:gone]:
            self._remove(number)
        for i, number in enumerate(fresh):
            if i < SURGE:
                starting = threading.Thread(target=self._start, args=(number,))
                self._leaving.append(starting)
                starting.start()
                continue
            process.wait_until(lambda: len([n for n in fresh if n in self.ready]) >= i - SURGE + 1, 20)
            if gone < len(old):
                self._remove(old[gone])
                gone += 1
            self._start(number)
        for number in old[gone:]:
            self._remove(number)
        for thread in self._leaving:
            thread.join()
        self._leaving.clear()


def lines() -> list:
    return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []


class Rollouts(KubernetesLab):
    # gRPC C++ answers calls that meet its Shutdown() with CANCELLED, which is an answer of the pod: so a pod lingers, as with a preStop hook.
    pod_command = f"exec {layout.pod_binary()} --counts $POD_COUNTS --linger 2500 --grace 10000"
    extra = f'\n[access_log]\nfile = "{LOG}"\none_in = 0\n'

    def setUp(self) -> None:
        self.client = Client(rate=RATE, channels=2, delay=5)
        self.addCleanup(self.client.kill)
        self.client.fresh()

    def test_scaling_from_one_pod_to_five_and_back_loses_no_call(self) -> None:
        running = self.numbers()
        for numbers in (running[:1], running, running[:1], running):
            self.publish(numbers)
            self.wait_for(numbers)
            time.sleep(0.5)
        self.assertEqual(self.client.stop()["failed"], {})

    def test_ten_rolling_updates_with_the_termination_race_lose_no_call(self) -> None:
        deployment = Deployment(self.publish, lambda number, pid: process.send_signal(pid, signal.SIGTERM))
        began = time.monotonic()
        for _ in range(UPDATES):
            deployment.update()
        report = self.client.stop()
        print(f"{UPDATES} updates in {time.monotonic() - began:.0f} s: {sum(report['calls'].values())} calls, p999 {report['p999_us']} us")
        self.assertEqual(report["failed"], {}, f"{report['last_error']} {lines()[-3:]} {daemon.ask('pods')}")

    def test_pods_that_are_killed_lose_only_calls_that_they_had(self) -> None:
        killed: dict = {}  # by pod: when, and when it was seen to be dead

        def end(number: int, pid: int) -> None:
            began = time.time()
            process.send_signal(pid, signal.SIGKILL)
            process.wait_until(lambda: not process.alive(pid), 5, every=0.001)
            killed[layout.pod_name(number)] = (began, time.time())

        LOG.write_text("")
        deployment = Deployment(self.publish, end)
        deployment.update()
        deployment.update()
        report = self.client.stop()
        lost = failed(report)
        self.assertTrue(process.wait_until(lambda: len(lines()) >= lost, 10), f"{len(lines())} lines for {lost} failed calls")
        by_pod: dict = {}
        for line in lines():
            # The call was with the pod when the pod died. It may have begun while the kernel was still closing the pod's connections.
            self.assertEqual(line["end"], "the pod was lost", line)
            arrival = datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
            began, dead = killed[line["pod"]]
            self.assertLess(arrival, dead + CLOSING, line)
            self.assertGreater(arrival + line["duration_ms"] / 1000, began - CLOSING, line)
            by_pod[line["pod"]] = by_pod.get(line["pod"], 0) + 1
        print(f"{len(killed)} pods were killed; failed calls: {report['failed']}; lines of the log by pod: {by_pod}")
        self.assertEqual(sum(by_pod.values()), lost)


main()
