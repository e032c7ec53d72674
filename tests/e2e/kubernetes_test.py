#!/usr/bin/python3
"""Pods that a Kubernetes API names: scaled, rolled over, moved between slices, while the API does all that it may do. No call fails."""

import tempfile
import time
from pathlib import Path

from kubernetes_api import Api, endpoint
from kubernetes_lab import SERVICE, KubernetesLab
from support import SANITIZED, LabTest, configuration, daemon, lab, layout, logged, log_size, main, process
from sluicelab import network
from sluicelab.client import Client
from sluicelab.rollout import Rollout

PODS = 5
RATE = 100 if SANITIZED else 500  # calls a second


class Kubernetes(KubernetesLab):
    pods = PODS

    def setUp(self) -> None:
        self.running = self.numbers()
        self.publish(self.running)
        self.wait_for(self.running)
        self.client = Client(rate=RATE, channels=2, delay=5)
        self.addCleanup(self.client.kill)
        self.client.fresh()

    def tearDown(self) -> None:
        self.api.fault = None
        report = self.client.stop()
        # A gRPC C++ pod answers calls that arrive in the instant of its shutdown with CANCELLED (failure_test.py): that is the pod's answer.
        lost = {status: count for status, count in report["failed"].items() if status != "CANCELLED"}
        self.assertEqual(lost, {}, f"{report['last_error']}; {daemon.ask('pods')}")
        super().tearDown()

    @staticmethod
    def source() -> dict:
        return daemon.ask("sources")["sources"][0]

    def goes_on(self) -> None:
        """Calls go on, and the API is heard again: a change arrives."""
        self.publish(self.running[:2])
        self.wait_for(self.running[:2], 40)
        self.publish(self.running)
        self.wait_for(self.running)
        self.assertEqual(self.source()["last_error"], "")

    def test_a_service_is_scaled_from_one_to_five_and_back(self) -> None:
        self.publish(self.running[:1])
        self.wait_for(self.running[:1])
        self.publish(self.running)
        print(f"five pods after {self.wait_for(self.running) * 1000:.0f} ms, as sluicectl sees it")
        before = self.client.fresh()["calls"]
        self.assertTrue(process.wait_until(lambda: self.all_grew(before), 10), self.client.fresh()["calls"])
        self.publish(self.running[:1])
        self.wait_for(self.running[:1])

    def all_grew(self, before: dict) -> bool:
        now = self.client.fresh()["calls"]
        return len([pod for pod, calls in now.items() if calls > before.get(pod, 0)]) >= PODS

    def test_a_rolling_update_with_the_race_between_sigterm_and_removal(self) -> None:
        old = self.running
        new = range(1, PODS + 1) if old[0] > PODS else range(PODS + 1, 2 * PODS + 1)
        Rollout(old, new, (-2.0, -1.0, 0.0, 0.5, 1.0), kill=False).run()
        self.wait_for(new)

    def test_terminating_endpoints_serve_while_no_other_is_ready(self) -> None:
        self.api.put("greeter-1", "greeter", [
            endpoint(layout.pod_address(n), layout.pod_name(n), ready=n != self.running[0], serving=True, terminating=n == self.running[0])
            for n in self.running[:2]])
        self.wait_for(self.running[1:2])
        self.api.put("greeter-1", "greeter", [
            endpoint(layout.pod_address(n), layout.pod_name(n), ready=False, serving=True, terminating=True) for n in self.running[:2]])
        self.wait_for(self.running[:2])

    def test_split_slices_and_an_endpoint_that_moves(self) -> None:
        at = [endpoint(layout.pod_address(n), layout.pod_name(n)) for n in self.running]
        self.api.put("greeter-2", "greeter", at[2:])
        self.addCleanup(self.api.delete, "greeter-2")
        self.api.put("greeter-1", "greeter", at[:2])
        self.wait_for(self.running)
        since = log_size()
        for _ in range(20):
            self.api.put("greeter-2", "greeter", at[1:])
            self.api.put("greeter-1", "greeter", at[:1])
            self.api.put("greeter-1", "greeter", at[:2])
            self.api.put("greeter-2", "greeter", at[2:])
        self.wait_for(self.running)
        time.sleep(0.2)  # control writes what changed ten times a second
        self.assertNotIn("has left the endpoints", layout.SLUICED_LOG.read_text()[since:])

    def test_a_killed_api_changes_nothing_and_what_it_missed_is_caught_up(self) -> None:
        since = log_size()
        self.api.stop()
        self.assertTrue(logged(since, "Kubernetes API .* the last endpoints stay"))
        time.sleep(2)
        source = self.source()
        self.assertEqual(source["endpoints"], PODS)
        self.assertGreater(source["age_s"], 1.5)
        self.assertNotEqual(source["last_error"], "")
        self.publish(self.running[:3])
        self.api.start()
        self.wait_for(self.running[:3], 40)
        self.assertTrue(logged(since, "watched again"))
        self.goes_on()

    def test_a_reload_keeps_the_watch(self) -> None:
        asked = len(self.api.requests)
        before = daemon.ask("stats")["generation"]
        text = layout.CONFIG_FILE.read_text()
        layout.CONFIG_FILE.write_text(text.replace('drain_timeout = "10s"', 'drain_timeout = "11s"'))
        self.assertTrue(process.wait_until(lambda: daemon.ask("stats")["generation"] > before, 10))
        self.wait_for(self.running)
        self.assertEqual(len(self.api.requests), asked)
        self.goes_on()

    def test_an_old_version_is_listed_again(self) -> None:
        self.api.compact()
        self.goes_on()

    def test_pages(self) -> None:
        self.api.page = 1
        self.addCleanup(setattr, self.api, "page", None)
        for i in range(5):
            self.api.put(f"other-{i}", "other", None)
            self.addCleanup(self.api.delete, f"other-{i}")
        self.api.compact()
        self.goes_on()
        self.assertGreater(len([1 for _, query, _ in self.api.requests if "continue" in query]), 3)

    def test_an_object_that_cannot_be_read_keeps_its_last_good_form(self) -> None:
        since = log_size()
        self.api.put_raw("greeter-1", lambda o: o.update(endpoints="none"))
        self.assertTrue(logged(since, "EndpointSlice default/greeter-1 cannot be read"))
        self.assertEqual(self.source()["endpoints"], PODS)
        self.goes_on()

    def test_a_token_that_is_rotated_is_read_again(self) -> None:
        since = log_size()
        self.api.token = "second-token"
        self.api.break_connections()
        self.assertTrue(logged(since, "401: Unauthorized"))
        self.assertEqual(self.source()["endpoints"], PODS)
        self.api.kubeconfig()
        self.goes_on()

    def fault(self, name: str) -> None:
        self.api.fault = name
        self.api.compact()
        self.publish(self.running[:1])  # which does not get through, or late
        time.sleep(1.5)
        self.assertIn(self.source()["endpoints"], (1, PODS))
        self.api.fault = None
        self.api.break_connections()
        self.goes_on()

    def test_garbage(self) -> None:
        self.fault("garbage")

    def test_half_pages_and_half_events(self) -> None:
        self.fault("half")

    def test_a_slow_server(self) -> None:
        self.fault("slow")

    def test_a_server_that_refuses(self) -> None:
        self.fault("refuse")


class Restart(LabTest):
    """sluiced starts while the API is away."""

    def test_a_start_without_api_serves_the_last_good_endpoints_and_says_so(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            api = Api(layout.MANAGEMENT_ROOT, Path(scratch))
            self.addCleanup(api.stop)
            network.add_management_link()
            text = configuration.sluiced_toml(self.driver, kubernetes=configuration.Kubernetes(str(api.kubeconfig()), SERVICE))
            layout.CONFIG_FILE.write_text(text.replace("[sluice]\n", f'[sluice]\nstate_directory = "{scratch}"\n'))
            api.put("greeter-1", "greeter", [endpoint(layout.pod_address(1), "uid-1")])
            lab.restart_sluiced(wait=False)
            self.assertTrue(process.wait_until(lambda: Path(scratch, "endpoints.json").exists(), 10))
            api.stop()

            since = log_size()
            lab.restart_sluiced(wait=False)
            self.assertTrue(logged(since, r"1 endpoint\(s\) as they were \d+ s ago, until there is an answer"))
            self.assertEqual(list(daemon.pod_rows()), ["uid-1"])
            self.assertNotEqual(daemon.ask("sources")["sources"][0]["last_error"], "")
            report = Client(rate=RATE, duration=1000).wait()
            self.assertEqual(report["failed"], {})
            self.assertGreater(report["calls"]["pod1"], 0)

            api.put("greeter-1", "greeter", [endpoint(layout.pod_address(1), "uid-2")])
            api.start()
            self.assertTrue(process.wait_until(lambda: daemon.pod_rows().get("uid-2", {}).get("state", "SHUTDOWN") != "SHUTDOWN", 20))
            api.stop()

            saved = Path(scratch, "endpoints.json")
            self.assertTrue(process.wait_until(lambda: "uid-2" in saved.read_text(), 10))
            saved.write_text(saved.read_text().replace("uid-2", "uid-3"))
            since = log_size()
            lab.restart_sluiced(wait=False)
            self.assertTrue(logged(since, "saved endpoints are not used: .*the checksum is wrong"))
            self.assertEqual(daemon.pod_rows(), {})


main()
