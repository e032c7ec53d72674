#!/usr/bin/python3
"""tools/bench: every proxy carries one workload without a failed call, and the JSON has what readers of it rely on."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import layout, state  # noqa: E402
from sluicelab.process import wait_until  # noqa: E402

WORKLOAD = "grpc-unary-100B-1x1"
WIRE_ROWS = ("echo-1x1", "unary-100B-10x32", "connection-per-call-100B-256x1", "unary-1MiB-4x4")
PROXIES = {"direct", "haproxy", "nginx", "nghttpx", "sluice"}
NUMBERS = ("calls_per_s", "cpu_us_per_call", "p50_us", "p99_us", "p999_us", "rss_mib")


class Bench(unittest.TestCase):
    def test_one_quick_workload_through_everybody(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            answer = Path(scratch) / "l7.json"
            done = subprocess.run([str(REPOSITORY / "tools" / "bench"), "l7", "--quick", "--only", WORKLOAD,
                                   "--json", str(answer), "--plots", scratch],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
                                  env={**os.environ, "SLUICE_BUILD": str(layout.build_dir())})
            self.assertEqual(done.returncode, 0, done.stdout[-4000:])
            told = json.loads(answer.read_text())
            rows = {row["proxy"]: row for row in told["rows"]}
            self.assertTrue((Path(scratch) / "l7-cpu.svg").read_text().startswith("<svg"))
        print(done.stdout)
        bare = rows.pop("reflector")
        self.assertEqual((bare["workload"], bare["failed"]), ("udp-100B-1x1", 0))
        latencies = told["latencies"][0]
        self.assertEqual(latencies["workload"], WORKLOAD)
        self.assertAlmostEqual(latencies["of_the_reflector"]["median"], rows["sluice"]["p50_us"] / bare["p50_us"], 2)
        self.assertEqual(set(rows), PROXIES)
        for name, row in rows.items():
            self.assertEqual((row["workload"], row["failed"]), (WORKLOAD, 0), name)
            for key in NUMBERS:
                # Direct has no process whose memory or time counts. Of Sluice's CPU time, the time that the hypervisor took is
                # subtracted: it can be more than Sluice's own.
                if (name, key) not in (("direct", "rss_mib"), ("direct", "cpu_us_per_call"), ("sluice", "cpu_us_per_call")):
                    self.assertGreater(row[key], 0, f"{name} {key}")
        ours = rows["sluice"]
        self.assertGreater(ours["busy_cycles_per_call"], 0)
        self.assertGreater(ours["io_us_per_call"], 0)
        self.assertLess(ours["io_us_per_call"], ours["raw_cpu_us_per_call"])
        self.assertFalse(state.exists(), "the bench left its lab behind")

    def test_the_wire_carries_calls_and_bare_frames_without_an_error(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            answer = Path(scratch) / "wire.json"
            done = subprocess.run([str(REPOSITORY / "tools" / "bench"), "wire", "--seconds", "0.3", "--stages", "--json", str(answer),
                                   *(word for row in WIRE_ROWS for word in ("--only", row))],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
                                  env={**os.environ, "SLUICE_BUILD": str(layout.build_dir())})
            self.assertEqual(done.returncode, 0, done.stdout[-4000:])
            rows = {row["workload"]: row for row in json.loads(answer.read_text())["rows"]}
        print(done.stdout)
        self.assertEqual(set(rows), {*WIRE_ROWS, "echo-bulk"})
        for name, row in rows.items():
            self.assertEqual(row["errors"], 0, name)
            self.assertGreater(row["calls_per_s"], 0, name)
            self.assertGreater(row["p50_us"], 0, name)
            self.assertEqual(row["echo_gbit_per_s"], rows["echo-bulk"]["gbit_per_s"], name)
        unary, churn = rows["unary-100B-10x32"], rows["connection-per-call-100B-256x1"]
        self.assertGreater(unary["cycles_per_call"], 0)
        self.assertIn(unary["limited_by"], ("sluice", "generator", "neither"))
        self.assertGreater(unary["decoded"], 0, "no answer was decoded in full")
        self.assertEqual(set(unary["at_50"]), {"p50_us", "p99_us", "p999_us", "calls_per_s", "errors"})
        self.assertGreater(churn["connections_per_s"], 0)
        self.assertGreater(unary["stages"]["http2: HPACK"], 0)
        self.assertGreater(unary["stages"]["tcp"], 0)
        if "asan" not in layout.build_dir().name:  # whose functions are nobody's
            self.assertLess(unary["stages"].get("other", 0), 0.05 * sum(unary["stages"].values()))

    def test_a_wire_that_is_ended_leaves_nothing_behind(self) -> None:
        before = (hugepages(), scratch_directories())
        running = subprocess.Popen([str(REPOSITORY / "tools" / "bench"), "wire", "--seconds", "30", "--stages", "--only", "unary-100B-10x32"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={**os.environ, "SLUICE_BUILD": str(layout.build_dir())})
        self.assertTrue(wait_until(lambda: any("sluice-load" in command for command in commands()), 60))
        time.sleep(1)
        mine = scratch_directories() - before[1]
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=20)[0]
        self.assertEqual(running.returncode, 128 + signal.SIGTERM, said)
        self.assertEqual((hugepages(), scratch_directories()), before)
        self.assertFalse([c for c in commands() if any(directory in c for directory in mine)], "a process is left")


def hugepages() -> int:
    return int(Path("/proc/sys/vm/nr_hugepages").read_text())


def commands() -> list:
    """Of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            pass
    return lines


def scratch_directories() -> set:
    return {str(path) for path in Path(tempfile.gettempdir()).glob("sluice-bench-*")}


unittest.main()
