#!/usr/bin/python3
"""Pods that close every connection when it is two seconds old (MaxConnectionAge, with grace): no call fails."""

import time

from support import SANITIZED, LabTest, daemon, layout, main, worker
from sluicelab import gopod
from sluicelab.client import Client, failed

SECONDS = 22
RATE = 100 if SANITIZED else 750  # calls a second, through Sluice and directly
AGE_MS, GRACE_MS = 2000, 3000
LONG_MS = 600  # calls that a GOAWAY meets in flight, and that end within the grace
# gRPC ages connections with a jitter of 10 %, and a GOAWAY has two phases.
FEWEST_GOAWAYS = int(SECONDS * 1000 / (1.1 * AGE_MS + LONG_MS))  # of one pod

AGE = f"--max-age {AGE_MS} --max-age-grace {GRACE_MS}"


class ConnectionAge(LabTest):
    pods = 4
    pod_command = f'case "$POD_NAME" in pod1|pod2) exec {layout.pod_binary()} {AGE};; *) exec {gopod.binary()} {AGE};; esac'

    @classmethod
    def setUpClass(cls) -> None:
        gopod.build()
        super().setUpClass()

    def test_no_call_fails_and_the_goaways_are_counted(self) -> None:
        before = worker()["http2"]
        short = Client(rate=RATE, channels=2, delay=5)
        direct = Client(rate=RATE, channels=2, delay=5, namespace=layout.SOUTH_NAMESPACE, target=f"{layout.pod_address(3)}:{layout.PORT}")
        long = Client(in_flight=20, delay=LONG_MS)
        time.sleep(SECONDS)
        reports, beside = [short.stop(), long.stop()], direct.stop()
        after = worker()["http2"]
        goaways = after["goaways_in"] - before["goaways_in"]
        calls = [sum(report["calls"].values()) for report in reports]
        print(f"{calls[0]} short and {calls[1]} long calls, {goaways} GOAWAYs, {after['retries'] - before['retries']} retried")
        for report in reports:
            self.assertEqual(failed(report), 0, f"{report['failed']} {report['last_error']}; {daemon.ask('pods')}")
            self.assertEqual(len(report["calls"]), self.pods)
        self.assertEqual([report["connections"] for report in reports], [2, 1])  # the clients noticed nothing
        self.assertGreater(calls[0], 0.5 * sum(beside["calls"].values()), "fewer than on a pod's own connection that ages as fast")
        self.assertGreaterEqual(goaways, self.pods * FEWEST_GOAWAYS)


main()
