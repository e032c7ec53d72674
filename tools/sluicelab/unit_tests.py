"""Runs the executables of unit tests, as many at a time as there are cores. Each is cut into as many shards, as one of them takes
longer than all the others together."""

import json
import os
import subprocess
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

LONGEST_SECONDS = 900  # one shard; the TCP simulator is the longest
BEGIN_FIRST = ("tcp", "sim", "relay")  # each has a case that runs for longer than the tests of most rooms


class Outcome(NamedTuple):
    name: str     # the room, or room: Suite.test
    outcome: str  # passed, failed, skipped
    detail: str


class _Shard:
    def __init__(self, binary: Path, index: int, count: int, scratch: Path, prefix: tuple, environment: dict) -> None:
        self.room = binary.parent.name
        self.report = scratch / f"{binary.name}.{index}.json"
        self.output = scratch / f"{binary.name}.{index}.out"
        self.ends_by = time.monotonic() + LONGEST_SECONDS
        sharding = {"GTEST_TOTAL_SHARDS": str(count), "GTEST_SHARD_INDEX": str(index)}
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*prefix, str(binary), f"--gtest_output=json:{self.report}", "--gtest_brief=1"], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, env={**os.environ, **sharding, **environment},
                cwd=binary.parents[2])  # compiled-in paths of sources are relative to the build

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def ended(self) -> bool:
        return self.process.poll() is not None or time.monotonic() > self.ends_by

    def outcomes(self) -> Iterator[Outcome]:
        if self.process.poll() is None:
            self.stop()
            yield Outcome(self.room, "failed", f"took longer than {LONGEST_SECONDS} s\n{self._said()}")
            return
        suites = json.loads(self.report.read_text())["testsuites"] if self.report.exists() else []
        explained = self.process.returncode == 0
        for case in (case for suite in suites for case in suite["testsuite"]):
            name = f"{self.room}: {case['classname']}.{case['name']}"
            if "failures" in case:
                explained = True
                yield Outcome(name, "failed", "\n".join(f["failure"] for f in case["failures"]))
            else:
                yield Outcome(name, "skipped" if case.get("result") == "SKIPPED" else "passed", "")
        if not explained:
            yield Outcome(self.room, "failed", f"exit code {self.process.returncode}\n{self._said()}")

    def _said(self) -> str:
        return self.output.read_text(errors="replace")[-4000:]


def run(binaries: list, prefix: tuple = (), environment: Optional[dict] = None) -> Iterator[Outcome]:
    """The outcome of every test. An executable that dies is one failed outcome with the room's name."""
    count = os.cpu_count() or 1
    longest_first = sorted(binaries, key=lambda b: BEGIN_FIRST.index(b.parent.name) if b.parent.name in BEGIN_FIRST else len(BEGIN_FIRST))
    waiting = deque((binary, index) for binary in longest_first for index in range(count))
    running: list = []
    with tempfile.TemporaryDirectory(prefix="sluice-unit-") as scratch:
        try:
            while waiting or running:
                while waiting and len(running) < count:
                    binary, index = waiting.popleft()
                    running.append(_Shard(binary, index, count, Path(scratch), prefix, environment or {}))
                done = [shard for shard in running if shard.ended()]
                for shard in done:
                    running.remove(shard)
                    yield from shard.outcomes()
                if not done:
                    time.sleep(0.02)
        finally:
            for shard in running:
                shard.stop()
