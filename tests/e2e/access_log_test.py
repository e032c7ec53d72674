#!/usr/bin/python3
"""The access log has a line for each call and keeps them all while it is rotated; what a client writes breaks no line; health_path
answers on the VIP."""

import json
import os
import signal
from collections import Counter
from statistics import median

from support import LabTest, configuration, daemon, lab, layout, main, process, run
from sluicelab.client import Client

LOG = layout.RUN_DIR / "access.log"
ROTATED = layout.RUN_DIR / "access.log.1"
HEALTH = f"http://{layout.VIP}/health"
ANNOUNCE = 2  # seconds


def lines(*files) -> list:
    return [json.loads(line) for file in files if file.exists() for line in file.read_text().splitlines()]


def health(*words: str) -> int:
    """The status of the answer, over HTTP/1.1 unless `words` say otherwise."""
    return int(run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", *words, HEALTH,
                   check=False)[-3:])


class AccessLog(LabTest):
    pods = 2

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.write()
        lab.restart_sluiced()

    @classmethod
    def write(cls, keys: str = "") -> None:
        text = configuration.sluiced_toml(cls.driver, timeouts={"drain_announce": f"{ANNOUNCE}s"},
                                          extra=f'\n[access_log]\nfile = "{LOG}"\n{keys}')
        fresh = layout.CONFIG_FILE.with_suffix(".new")
        fresh.write_text(text.replace('name = "http"\n', 'name = "http"\nhealth_path = "/health"\n'))
        fresh.rename(layout.CONFIG_FILE)

    def configure(self, keys: str = "") -> None:
        before = daemon.ask("status")["generation"]
        self.write(keys)
        self.assertTrue(process.wait_until(lambda: daemon.ask("status")["generation_adopted"] > before, 10))

    def setUp(self) -> None:
        # Lines of the test before may still be on their way.
        process.wait_until(lambda: False, 0.3)
        LOG.write_text("")
        ROTATED.unlink(missing_ok=True)

    def wait_for(self, count: int, *files) -> list:
        self.assertTrue(process.wait_until(lambda: len(lines(*files)) >= count, 10), f"{len(lines(*files))} of {count}")
        return lines(*files)

    def test_each_call_has_a_line_with_its_pod_and_its_status(self) -> None:
        report = Client(rate=500, duration=1000, delay=40, interval=60_000).wait()
        found = self.wait_for(sum(report["calls"].values()), LOG)
        self.assertEqual(Counter(line["pod"] for line in found), Counter(report["calls"]))
        for line in found:
            self.assertEqual((line["listener"], line["service"], line["grpc_status"], line["http_status"], line["method"], line["tries"]),
                             ("grpc", "echo", "OK", 200, "POST", 1))
            self.assertTrue(line["client"].startswith("198.18.0."), line)
            self.assertTrue(0 < line["first_byte_ms"] <= line["duration_ms"], line)
            self.assertGreater(line["response_bytes"], 100)
            self.assertGreater(line["request_bytes"], 100)
            self.assertIn("grpc", line["user_agent"])
            self.assertIsNone(line["end"])
        # gRPC's alarms, by which the pod waits, are coarse.
        self.assertTrue(20 <= median(line["duration_ms"] for line in found) <= report["p50_us"] / 1000 + 0.1)

    def test_no_line_is_lost_while_it_is_rotated(self) -> None:
        client = Client(rate=500, delay=1)
        pid = lab.status()["sluiced"]["pid"]
        self.wait_for(200, LOG)
        LOG.rename(ROTATED)
        os.kill(pid, signal.SIGHUP)
        self.wait_for(200, LOG)
        report = client.stop()
        self.assertEqual(report["failed"], {})
        calls = sum(report["calls"].values())
        self.assertEqual(len(self.wait_for(calls, ROTATED, LOG)), calls)

    def test_bytes_of_a_client_break_no_line(self) -> None:
        agent = 'x","end":"forged"}\t[2J\xff'
        run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-o", "/dev/null", "-A", agent, "-H", "x-request-id: \"\\",
            f"http://{layout.VIP}/a?password=1", check=False)
        (line,) = self.wait_for(1, LOG)
        self.assertEqual((line["listener"], line["protocol"], line["path"], line["request_id"]), ("http", "HTTP/1.1", "/a", '"\\'))
        self.assertTrue(LOG.read_text().isascii())
        self.assertEqual(LOG.read_text().count("\n"), 1)

    def test_failures_only(self) -> None:
        self.addCleanup(self.configure)
        self.configure("one_in = 0\n")
        self.assertEqual(Client(rate=200, duration=300).wait()["failed"], {})
        client = Client(rate=100, delay=100)
        self.assertTrue(process.wait_until(lambda: sum(row["active"] for row in daemon.pod_rows().values()) > 5, 10))
        lab.kill("pod1")
        self.assertTrue(process.wait_until(lambda: client.fresh()["failed"], 10))
        report = client.stop()
        failed = sum(report["failed"].values())
        found = self.wait_for(failed, LOG)
        self.assertEqual(len(found), failed)
        for line in found:
            self.assertEqual((line["pod"], line["grpc_status"]), ("pod1", "UNAVAILABLE"), line)
            self.assertIsNotNone(line["end"])
        lab.scale(0)
        lab.scale(self.pods)

    def test_health_path_tells_of_pods_and_of_a_drain(self) -> None:
        def becomes(status: int, seconds: float = 10) -> bool:
            return process.wait_until(lambda: health() == status, seconds)

        self.assertTrue(becomes(200))
        self.assertEqual(health("--http2-prior-knowledge"), 200)
        lab.scale(0)
        self.assertTrue(becomes(503))
        lab.scale(self.pods)
        self.assertTrue(becomes(200))
        pid = lab.status()["sluiced"]["pid"]
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(becomes(503, 1), "before drain_announce is over")
        self.assertEqual(health("--http2-prior-knowledge"), 503)
        self.assertEqual(Client(rate=100, duration=200).wait()["failed"], {}, "calls go on")
        self.assertTrue(process.wait_until(lambda: not process.alive(pid), 20))
        lab.restart_sluiced()
        self.assertEqual([line for line in lines(LOG) if line["path"] == "/health"], [])


if __name__ == "__main__":
    main()
