#!/usr/bin/python3
"""Many connections with many streams, pods that come and go under load: no call fails."""

import time

from support import SANITIZED, LabTest, daemon, lab, main, worker
from sluicelab.client import Client, failed
from sluicelab.process import wait_until

CALLS = 1_000 if SANITIZED else 10_000
CHANGES = 25  # of scale


class ManyStreams(LabTest):
    pods = 5

    def test_a_hundred_connections_with_a_hundred_streams_each(self) -> None:
        client = Client(channels=100, in_flight=100, delay=200, interval=500)
        self.assertTrue(wait_until(lambda: sum(client.fresh()["calls"].values()) > CALLS, 120))
        report = client.stop()
        calls = report["calls"]
        total = sum(calls.values())
        print(f"{total} calls on {report['connections']} connections: {calls}")
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(report["connections"], 100)
        for pod, count in calls.items():
            self.assertAlmostEqual(count / total, 0.2, delta=0.02, msg=pod)
        # And nothing is left of it.
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 5))
        self.assertTrue(wait_until(lambda: worker()["http2"]["client_connections"] == 0, 5))


class Scaling(LabTest):
    pods = 2

    def test_scaling_up_and_down_every_half_second_fails_no_call(self) -> None:
        client = Client(in_flight=20, delay=5, interval=500)
        counts = (4, 1, 5, 2, 3, 1)
        for change in range(CHANGES):
            began = time.monotonic()
            lab.scale(counts[change % len(counts)])
            time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))
        report = client.stop()
        print(f"{sum(report['calls'].values())} calls over {CHANGES} changes of scale")
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(report["connections"], 1)

    def test_pods_without_new_streams_finish_the_old_ones(self) -> None:
        lab.scale(2)
        client = Client(in_flight=10, delay=1500, interval=200)
        time.sleep(0.7)
        lab.scale(1)
        time.sleep(2.0)
        report = client.stop()
        self.assertEqual(failed(report), 0, report["last_error"])
        rows = [row for row in daemon.pod_rows().values() if row["active"]]
        self.assertLessEqual(len(rows), 1)


main()
