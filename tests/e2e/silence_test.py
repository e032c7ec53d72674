#!/usr/bin/python3
"""Pods and nodes that are gone without a word, come back elsewhere, or are not understood: what calls and the log notice."""

import time

from support import LabTest, daemon, lab, layout, log_size, logged, main, run
from sluicelab.client import Client, failed
from sluicelab.process import ip, wait_until


def ok(report: dict) -> int:
    return sum(report["calls"].values())


class SilentNode(LabTest):
    pods = 2

    def test_a_node_that_dies_without_a_word_costs_the_calls_of_one_timeout(self) -> None:
        client = Client(rate=10, interval=100)
        self.assertTrue(wait_until(lambda: ok(client.fresh()) >= 10, 10))
        ip(f"link set {layout.pod_name(2)} down", layout.SOUTH_NAMESPACE)
        time.sleep(7)
        ip(f"link set {layout.pod_name(2)} up", layout.SOUTH_NAMESPACE)
        report = client.stop()
        # Half of ten calls a second went there for 5 s: 24 would be lost. On a machine that stands still for a moment, calls come
        # together.
        self.assertLessEqual(failed(report), 5, report)
        self.assertGreater(ok(report), 60)

    def test_b_it_is_served_again_when_it_is_back(self) -> None:
        self.assertTrue(wait_until(lambda: daemon.pod_rows()["pod2"]["state"] == "READY", 15), daemon.pod_rows())
        before = daemon.pod_rows()["pod2"]["streams"]
        self.assertEqual(failed(Client(rate=20, duration=1000).wait()), 0)
        self.assertGreater(daemon.pod_rows()["pod2"]["streams"], before)


class NewMac(LabTest):
    def test_a_pod_with_a_new_mac_address_is_served_within_3_s_and_no_call_is_lost(self) -> None:
        self.assertEqual(failed(Client(rate=10, duration=500).wait()), 0)
        time.sleep(1)  # nothing is on its way any more, or an ACK of the pod would give it away
        ip("link set eth0 address 02:00:00:00:77:01", layout.pod_namespace(1))
        client = Client(rate=10, interval=100)
        began = time.monotonic()
        self.assertTrue(wait_until(lambda: ok(client.fresh()) > 0, 10))
        took = time.monotonic() - began
        self.assertEqual(failed(client.stop()), 0)
        self.assertLess(took, 3)


class WhatTheLogSays(LabTest):
    def test_a_pod_that_goes_and_comes_and_the_calls_that_fail_meanwhile(self) -> None:
        log = log_size()
        lab.kill("pod1")
        self.assertTrue(logged(log, r"service echo: pod pod1 \(.*\) is not reachable: connection refused"))
        self.assertTrue(logged(log, "service echo: no pod reachable"))
        self.assertEqual(set(Client(rate=50, duration=300).wait()["failed"]), {"UNAVAILABLE"})
        row = daemon.ask("listeners")["listeners"][0]
        self.assertGreater(row["failures"]["no_pod"], 0)
        self.assertGreaterEqual(row["failed"], row["failures"]["no_pod"])
        log = log_size()
        lab.scale(0)
        lab.scale(1)
        self.assertTrue(logged(log, r"service echo: pod pod1 \(.*\) is READY"))
        self.assertTrue(logged(log, "service echo: a pod is reachable again"))

    def test_checksums_that_no_hardware_makes(self) -> None:
        log = log_size()
        run(layout.CLIENT_NAMESPACE, "ethtool", "-K", "eth0", "tx", "on")
        try:
            client = Client(in_flight=4, interval=100)
            self.assertTrue(wait_until(lambda: logged(log, "port .*wrong checksum and none a right one.*ethtool"), 20))
            client.kill()
        finally:
            run(layout.CLIENT_NAMESPACE, "ethtool", "-K", "eth0", "tx", "off")


main()
