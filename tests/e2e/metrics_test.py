#!/usr/bin/python3
"""The admin HTTP server: promtool and a real Prometheus read /metrics, its numbers equal the load generator's, probes say what
orchestrators ask, and clients that mean harm are refused or bounded."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import LabTest, configuration, daemon, lab, layout, main, process, run
from sluicelab import certificates
from sluicelab.client import Client

ADMIN = "127.0.0.1:9464"
PROMETHEUS = "127.0.0.1:9090"
ANNOUNCE = 2  # seconds
IDLE = 3000  # connections
DELAY = 40  # milliseconds that most calls take at a pod: gRPC's alarms are coarse
# Holds connections, says so, and waits for its standard input to end.
HOLD = f"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({IDLE + 100}, {IDLE + 100}))
held = [socket.create_connection(("127.0.0.1", 9464)) for _ in range({IDLE})]
print("held", flush=True)
sys.stdin.read()
"""
# Sends the head of a request byte by byte, and says after how many seconds the server has closed.
DRIP = """
import socket, time
s = socket.create_connection(("127.0.0.1", 9464))
began = time.monotonic()
try:
    while time.monotonic() - began < 20:
        s.sendall(b"G")
        time.sleep(0.1)
except OSError:
    pass
print(time.monotonic() - began)
"""


def curl(*words: str, check: bool = True) -> str:
    return run(layout.SLUICE_NAMESPACE, "curl", "-sS", "--max-time", "10", *words, check=check)


def status(path: str, *words: str) -> int:
    """Of an answer; 0 when there is none."""
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *words, f"http://{ADMIN}{path}", check=False)[-3:])


def series(text: str) -> dict:
    """Values by name and labels, as they are written."""
    return {name: float(value) for name, value in re.findall(r"^([a-z][^#\n]*) (\S+)$", text, re.MULTILINE)}


def scrape() -> dict:
    return series(curl(f"http://{ADMIN}/metrics"))


class Metrics(LabTest):
    pods = 2
    timeouts = {"drain_announce": f"{ANNOUNCE}s"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        layout.CONFIG_FILE.write_text(configuration.sluiced_toml(cls.driver, timeouts=cls.timeouts,
                                                                 extra=f'\n[admin]\nhttp = "{ADMIN}"\n'))
        lab.restart_sluiced()

    def test_promtool_has_no_complaint(self) -> None:
        text = curl(f"http://{ADMIN}/metrics")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_numbers_equal_those_of_the_load_generator(self) -> None:
        before = scrape()
        report = Client(rate=500, duration=2000, delay=DELAY, interval=60_000).wait()
        self.assertEqual(report["failed"], {})
        after = scrape()

        def grown(pattern: str) -> int:
            return sum(int(value - before.get(name, 0)) for name, value in after.items() if re.fullmatch(pattern, name))

        calls = sum(report["calls"].values())
        self.assertGreater(calls, 500)
        self.assertEqual(grown(r'sluice_listener_streams_total\{listener="grpc".*'), calls)
        self.assertEqual(grown(r'sluice_service_streams_total\{service="echo"\}'), calls)
        for pod, number in report["calls"].items():
            self.assertEqual(grown(rf'sluice_pod_streams_total\{{service="echo",pod="{pod}".*'), number, pod)
        self.assertEqual(grown(r'sluice_pod_failed_total.*'), 0)
        of_listener = r'listener="grpc",service="echo"'
        self.assertEqual(grown(rf'sluice_requests_total\{{{of_listener},code="OK"\}}'), calls)
        self.assertEqual(grown(rf'sluice_requests_total\{{{of_listener}.*'), calls)
        self.assertEqual(grown(rf'sluice_request_duration_seconds_count\{{{of_listener}\}}'), calls)
        self.assertEqual(grown(rf'sluice_request_duration_seconds_bucket\{{{of_listener},le="\+Inf"\}}'), calls)
        # No call takes longer here than at the client: the half that is fastest there is below the median here, too.
        total = f'sluice_request_duration_seconds_sum{{{of_listener}}}'
        self.assertGreaterEqual(after[total] - before.get(total, 0), calls * DELAY / 2000)
        bounds = [2 ** n / 1e9 for n in range(16, 37)]
        bound = next(b for b in bounds if b >= report["p50_us"] / 1e6)
        below = grown(rf'sluice_request_duration_seconds_bucket\{{{of_listener},le="{re.escape(f"{bound:.9g}")}"\}}')
        self.assertGreaterEqual(below, calls // 2)

    def test_a_prometheus_scrapes_it(self) -> None:
        if not shutil.which("prometheus"):
            self.skipTest("no prometheus: apt-get install prometheus (tests/packages.txt)")
        report = Client(rate=500, duration=1000).wait()
        with tempfile.TemporaryDirectory() as scratch:
            rules = Path(scratch, "prometheus.yml")
            rules.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
                {"job_name": "sluice", "static_configs": [{"targets": [ADMIN]}]}]}))
            log = Path(scratch, "log")
            pid = process.spawn(layout.SLUICE_NAMESPACE, ["prometheus", f"--config.file={rules}", f"--storage.tsdb.path={scratch}/data",
                                                          f"--web.listen-address={PROMETHEUS}"], log)
            try:
                def ask(query: str) -> list:
                    answer = curl("--data-urlencode", f"query={query}", "-G", f"http://{PROMETHEUS}/api/v1/query", check=False)
                    return json.loads(answer)["data"]["result"] if answer.startswith("{") else []

                self.assertTrue(process.wait_until(lambda: [row["value"][1] for row in ask("up")] == ["1"], 30), process.tail(log))
                (row,) = ask('sluice_listener_streams_total{listener="grpc"}')
                self.assertGreaterEqual(int(row["value"][1]), sum(report["calls"].values()))
                self.assertEqual(row["metric"]["service"], "echo")
                (row,) = ask("sum(sluice_pod_ready)")
                self.assertEqual(row["value"][1], "2")
            finally:
                process.kill(pid)

    def test_a_drain_is_told_before_anything_else_changes(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        self.assertEqual((status("/healthz"), status("/readyz")), (200, 200))
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(process.wait_until(lambda: status("/readyz") == 503, 1))
        self.assertIn("draining", curl(f"http://{ADMIN}/readyz"))
        self.assertEqual(status("/healthz"), 200)
        # Clients have not been told yet, and new connections are taken.
        self.assertEqual(Client(rate=100, duration=300).wait()["failed"], {})
        self.assertTrue(process.wait_until(lambda: not process.alive(pid), 20))
        lab.restart_sluiced()
        self.assertEqual(status("/readyz"), 200)

    def test_a_refused_configuration_and_a_lack_of_pods_change_no_probe(self) -> None:
        layout.CONFIG_FILE.rename(layout.CONFIG_FILE.with_suffix(".good"))
        try:
            layout.CONFIG_FILE.write_text("nonsense")
            self.assertTrue(process.wait_until(lambda: scrape()["sluice_reload_refused"] == 1, 10))
            lab.scale(0)
            self.assertTrue(process.wait_until(lambda: scrape()['sluice_discovery_endpoints{service="echo"}'] == 0, 10))
            self.assertEqual((status("/healthz"), status("/readyz")), (200, 200))
        finally:
            layout.CONFIG_FILE.with_suffix(".good").rename(layout.CONFIG_FILE)
            lab.scale(self.pods)
        self.assertTrue(process.wait_until(lambda: scrape()["sluice_reload_refused"] == 0, 10))

    def test_strangers_names_and_origins_and_other_methods_are_refused(self) -> None:
        self.assertEqual(status("/metrics", "-H", "Host: evil.example"), 421)
        self.assertEqual(status("/metrics", "-H", "Origin: http://evil.example"), 403)
        self.assertEqual(status("/metrics", "-H", f"Origin: http://{ADMIN}"), 200)
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            self.assertEqual(status("/metrics", "-X", method), 405, method)
        self.assertEqual(status("/metrics", "--head"), 200)
        self.assertEqual(status("/nowhere"), 404)

    def test_it_is_open_on_loopback_only(self) -> None:
        self.assertEqual(set(re.findall(r"(\S+):9464", process.run(*process.in_namespace(layout.SLUICE_NAMESPACE, ["ss", "-Hltn"])))),
                         {"127.0.0.1"})

    def test_beyond_loopback_it_speaks_tls_and_asks_for_a_token(self) -> None:
        before = layout.CONFIG_FILE.read_text()
        with tempfile.TemporaryDirectory() as scratch:
            ca = certificates.make_ca(Path(scratch))["ca"]
            pair = certificates.issue(Path(scratch), "admin", ("lb1.test",))
            Path(scratch, "token").write_text("0123456789abcdef\n")
            keys = f'http = "0.0.0.0:9464"\nhosts = ["lb1.test"]\ncertificate = "{pair["certificate"]}"\nkey = "{pair["key"]}"\n'
            layout.CONFIG_FILE.write_text(before.replace(f'http = "{ADMIN}"\n', f'{keys}token_file = "{scratch}/token"\n'))

            def asked(*words: str) -> int:
                return int(curl("-o", "/dev/null", "-w", "%{http_code}", "--resolve", "lb1.test:9464:127.0.0.1", "--cacert", str(ca), *words,
                                "https://lb1.test:9464/metrics", check=False)[-3:])
            try:
                self.assertTrue(process.wait_until(lambda: asked("-H", "Authorization: Bearer 0123456789abcdef") == 200, 10))
                self.assertEqual(asked(), 401)
                self.assertEqual(asked("-H", "Authorization: Bearer 0123456789abcdee"), 401)
                self.assertEqual(status("/metrics"), 0)
                # The token is rotated, and the file alone.
                Path(scratch, "token").write_text("fedcba9876543210\n")
                self.assertTrue(process.wait_until(lambda: asked("-H", "Authorization: Bearer fedcba9876543210") == 200, 10))
                self.assertEqual(asked("-H", "Authorization: Bearer 0123456789abcdef"), 401)
            finally:
                layout.CONFIG_FILE.write_text(before)
                self.assertTrue(process.wait_until(lambda: status("/metrics") == 200, 10))

    def test_requests_that_are_huge_or_slow_are_cut_off(self) -> None:
        self.assertIn(status("/metrics", "-H", "X: " + "x" * 20000), (0, 431))
        self.assertIn(status("/metrics", "-X", "GET", "-d", "x" * 20000), (0, 413))
        self.assertLess(float(run(layout.SLUICE_NAMESPACE, sys.executable, "-c", DRIP)), 8)

    def test_thousands_of_idle_connections_neither_keep_a_scrape_out_nor_disturb_control(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        client = Client(rate=200)
        self.addCleanup(client.kill)
        holder = subprocess.Popen(process.in_namespace(layout.SLUICE_NAMESPACE, [sys.executable, "-c", HOLD]), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(holder.stdout.readline(), "held\n")
            began = time.monotonic()
            self.assertEqual((status("/healthz"), status("/readyz"), status("/metrics")), (200, 200, 200))
            self.assertIsNotNone(daemon.ask("status"))
            self.assertLess(time.monotonic() - began, 3)
            self.assertLess(len(os.listdir(f"/proc/{pid}/fd")), descriptors + 100)
            generation = daemon.ask("status")["generation"]
            lab.scale(self.pods - 1)
            self.assertTrue(process.wait_until(lambda: daemon.ask("status")["generation_adopted"] > generation, 5))
        finally:
            holder.communicate("")
            lab.scale(self.pods)
        self.assertEqual(client.stop()["failed"], {})


if __name__ == "__main__":
    main()
