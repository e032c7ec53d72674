#!/usr/bin/python3
"""Reload and drain: live connections do not notice the one, and lose no call in the other."""

import os
import signal
import time

from support import LabTest, active_calls, configuration, daemon, lab, layout, main
from sluicelab import pods
from sluicelab.client import Client, failed
from sluicelab.process import alive, tail, wait_until

SECOND = """
[[listener]]
name = "second"
address = "198.18.0.11:50051"
protocol = "h2c"
service = "echo"
"""


def log() -> str:
    return tail(layout.SLUICED_LOG, 30)


def generation() -> int:
    return daemon.ask("stats")["generation"]


class Reload(LabTest):
    pods = 2

    def setUp(self) -> None:
        self.addCleanup(self.write, configuration.sluiced_toml(self.driver))  # whatever becomes of the test
        self.client = Client(in_flight=5, delay=2, interval=200)
        self.client.fresh()

    def tearDown(self) -> None:
        report = self.client.stop()
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(report["connections"], 1)
        super().tearDown()

    def write(self, text: str) -> None:
        layout.CONFIG_FILE.write_text(text)

    def test_a_listener_comes_and_goes_with_the_file(self) -> None:
        before = generation()
        self.write(configuration.sluiced_toml(self.driver, extra=SECOND))
        self.assertTrue(wait_until(lambda: generation() > before, 5), log())
        second = Client(target="198.18.0.11:50051", in_flight=1, delay=1, duration=300)
        self.assertEqual(failed(second.wait()), 0)
        self.write(configuration.sluiced_toml(self.driver))
        self.assertTrue(wait_until(lambda: "second" not in [row["name"] for row in daemon.ask("listeners")["listeners"]], 5), log())

    def test_a_bad_file_is_refused_whole_and_the_old_one_stays(self) -> None:
        before = generation()
        self.write(configuration.sluiced_toml(self.driver).replace("round_robin", "robin_round"))
        os.kill(lab.status()["sluiced"]["pid"], signal.SIGHUP)
        self.assertTrue(wait_until(lambda: "robin_round" in log() or "balance" in log(), 5), log())
        self.assertEqual(generation(), before)

    def test_a_change_of_addresses_needs_a_restart(self) -> None:
        before = generation()
        self.write(configuration.sluiced_toml(self.driver).replace(layout.NORTH_ADDRESS + "/", "198.18.0.3/"))
        self.assertTrue(wait_until(lambda: "needs a restart" in log(), 5), log())
        self.assertEqual(generation(), before)

    def test_endpoints_are_picked_up_within_100_ms(self) -> None:
        took, asking = [], []
        for _ in range(5):
            began = time.monotonic()
            daemon.ask("pods")
            asking.append(time.monotonic() - began)
            began = time.monotonic()
            configuration.write_endpoints([1])
            self.assertTrue(wait_until(lambda: pods.idle([2]), 5, every=0.001), log())
            took.append(time.monotonic() - began)
            configuration.write_endpoints([1, 2])
            self.assertTrue(wait_until(lambda: daemon.pod_rows().get("pod2", {}).get("state") == "READY", 5), daemon.pod_rows())
        print(f"seen by sluicectl after {', '.join(f'{seconds * 1000:.0f}' for seconds in took)} ms")
        # 100 ms, and the time that sluicectl takes: one look too early, and one more. At best: a machine with other work may stand still
        # at any time.
        self.assertLess(min(took), 0.1 + 3 * max(asking))


class Drain(LabTest):
    pods = 2

    def test_calls_in_flight_survive_sigterm(self) -> None:
        client = Client(in_flight=20, delay=1500, interval=100)
        self.assertTrue(wait_until(lambda: active_calls() == 20, 5), daemon.pod_rows())
        pid = lab.status()["sluiced"]["pid"]
        os.kill(pid, signal.SIGTERM)
        report = client.stop()  # begins no more calls, waits for those in flight
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(sum(report["calls"].values()), 20)
        self.assertTrue(wait_until(lambda: not alive(pid), 5), log())
        lab.restart_sluiced()


class SecondSigterm(LabTest):
    def test_ends_at_once(self) -> None:
        client = Client(in_flight=1, delay=5000, interval=100)
        self.assertTrue(wait_until(lambda: active_calls() == 1, 5), daemon.pod_rows())
        pid = lab.status()["sluiced"]["pid"]
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: "draining" in log(), 5), log())  # two signals that wait for a process are one
        time.sleep(0.3)
        self.assertTrue(alive(pid), "it did not wait for the call")
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not alive(pid), 2), log())
        client.kill()
        lab.restart_sluiced()


main()
