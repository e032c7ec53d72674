"""What the end-to-end tests share: a lab for each class of tests, clients in it, and what sluiced says of itself."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import configuration, daemon, lab, layout, process, state  # noqa: E402

CLIENT = str(layout.client_binary())
SCRIPTED_PORT = 6000  # of the VIP, where LabTest.serve listens
SANITIZED = "asan" in layout.build_dir().name  # several times slower: the same tests with smaller numbers


def run(namespace: str, *command: str, seconds: int = 120, check: bool = True) -> str:
    """In a namespace, on the core that is not the worker's. What it printed."""
    done = subprocess.run(process.in_namespace(namespace, command), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, preexec_fn=process.common_core)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


class LabTest(unittest.TestCase):
    """Brings a lab up for the class. Its last act: sluiced must still be alive, whatever the tests did to it."""

    pods = 1
    driver = "af_xdp"
    timeouts: dict = {}
    pod_command = None
    workers = None  # the lab's default
    tls = False       # the lab has an https listener
    pods_tls = False  # Sluice speaks TLS to the pods

    @classmethod
    def setUpClass(cls) -> None:
        lab.up(cls.pods, cls.driver, pod_command=cls.pod_command, workers=cls.workers, tls=cls.tls,
               pods_tls=cls.pods_tls)
        cls.addClassCleanup(lab.down)
        if cls.timeouts:
            layout.CONFIG_FILE.write_text(configuration.sluiced_toml(cls.driver, timeouts=cls.timeouts))
            lab.restart_sluiced()

    def reload(self, extra: str = "", **how) -> None:
        """The lab's file with `extra` at its end, and what configuration.sluiced_toml takes, once all workers have it."""
        before = daemon.ask("stats")["generation"]
        # In one step: a half of the file may be a valid one, which sluiced would take.
        fresh = layout.CONFIG_FILE.with_suffix(".new")
        fresh.write_text(configuration.sluiced_toml(self.driver, extra=extra, **{"timeouts": self.timeouts, **how}))
        fresh.rename(layout.CONFIG_FILE)
        self.assertTrue(process.wait_until(lambda: daemon.ask("stats")["generation"] > before and daemon.adopted(), 10),
                        process.tail(layout.SLUICED_LOG))

    def serve(self, *pods, port: int = SCRIPTED_PORT, keys: str = "", extra: str = "") -> int:
        """A service of these pods (scripted.Pod) behind a port of the VIP, beside the lab's own; the port. `keys` are further keys of
        the service, `extra` is appended to the file. Until the test ends."""
        self.addCleanup(self.reload)
        self.reload(service("scripted", port, *(pod.endpoint for pod in pods), keys=keys) + extra)
        return port

    def tearDown(self) -> None:
        self.assertTrue(lab.status()["sluiced"]["alive"], process.tail(layout.SLUICED_LOG, 60))
        log = layout.SLUICED_LOG.read_text(errors="replace")
        for complaint in ("runtime error:", "ERROR: AddressSanitizer"):
            at = log.find(complaint)
            self.assertLess(at, 0, log[max(at - 300, 0):at + 3000])


def service(name: str, port: int, *endpoints: str, keys: str = "", protocol: str = "h2c") -> str:
    """As tables of the configuration: a service of these endpoints, and its listener at a port of the VIP."""
    return f"""
[[listener]]
name = "{name}"
address = "{layout.VIP}:{port}"
protocol = "{protocol}"
service = "{name}"

[[service]]
name = "{name}"
endpoints = [{", ".join(f'{{ address = "{endpoint}" }}' for endpoint in endpoints)}]
{keys}
"""


def worker() -> dict:
    """The counters of all workers together, as if they were one worker's."""
    return _sum(daemon.ask("stats")["workers"])


def _sum(parts: list):
    """Numbers are added in dictionaries and lists of the same form; of anything else the first is taken."""
    first = parts[0]
    if isinstance(first, dict):
        return {key: _sum([part[key] for part in parts]) for key in first}
    if isinstance(first, list):
        return [_sum(list(each)) for each in zip(*parts)]
    return sum(parts) if isinstance(first, (int, float)) and not isinstance(first, bool) else first


def active_calls() -> int:
    """That pods have of Sluice."""
    return sum(row["active"] for row in daemon.pod_rows().values())


def log_size() -> int:
    return layout.SLUICED_LOG.stat().st_size


def logged(since: int, line: str) -> bool:
    """Whether sluiced has written such a line behind that size of its log, or soon does: control looks at workers' notes ten times
    a second."""
    def found() -> bool:
        with layout.SLUICED_LOG.open(errors="replace") as log:
            log.seek(since)
            return re.search(line, log.read()) is not None
    return process.wait_until(found, 5)


def echo_messages():
    """The generated module of the lab's service."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["protoc", f"--python_out={scratch}", f"--proto_path={REPOSITORY}/tools/apps", "echo.proto"], check=True)
        sys.path.insert(0, scratch)
        try:
            import echo_pb2
        finally:
            sys.path.remove(scratch)
    return echo_pb2


def main() -> None:
    if not os.environ.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(line_buffering=True)
    unittest.main(verbosity=2, warnings="ignore")
