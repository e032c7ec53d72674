#!/usr/bin/python3
"""As many listeners, services and endpoints as a configuration may have: how long the start takes, and how much memory. A call goes
through all the same, and one more of each is refused. A measurement, which tools/test does not run."""

import subprocess
import time
from pathlib import Path

from support import SANITIZED, LabTest, configuration, daemon, lab, layout, main, process
from sluicelab.client import Client

LISTENERS, SERVICES, ENDPOINTS = 4_096, 16_384, 65_536
OWN_LISTENERS, OWN_SERVICES = 4, 1  # the lab's
EACH = 4                            # endpoints of a service


def tables(listeners: int, services: int, endpoints: int) -> str:
    """So many listeners, services and endpoints. Nobody listens at the endpoints; their host is there."""
    left = endpoints
    out = []
    for i in range(services):
        count = min(EACH, left) if i < services - 1 else left
        left -= count
        places = ", ".join(f'{{ address = "{layout.pod_address(1)}:{20_000 + e}" }}' for e in range(count))
        out.append(f'[[service]]\nname = "s{i}"\nendpoints = [{places}]\n')
    for i in range(listeners):
        out.append(f'[[listener]]\nname = "l{i}"\naddress = "{layout.VIP}:{1_000 + i}"\nprotocol = "h2c"\nservice = "s{i}"\n')
    return "\n" + "\n".join(out)


def memory(pid: int) -> dict:
    """In MiB: of the process, and that part of it which lies in ordinary pages."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "RssAnon")}


def check(text: str) -> subprocess.CompletedProcess:
    path = layout.RUN_DIR / "limits.toml"
    path.write_text(text)
    return subprocess.run([str(layout.sluiced_binary()), "--check", "--config", str(path)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


class Limits(LabTest):
    def text(self, listeners: int, services: int, endpoints: int) -> str:
        return configuration.sluiced_toml(self.driver, extra=tables(listeners - OWN_LISTENERS, services - OWN_SERVICES, endpoints - 1))

    def test_a_start_with_all_that_is_allowed(self) -> None:
        scale = 16 if SANITIZED else 1
        small = memory(lab.status()["sluiced"]["pid"])
        layout.CONFIG_FILE.write_text(self.text(LISTENERS // scale, SERVICES // scale, ENDPOINTS // scale))
        began = time.monotonic()
        lab.restart_sluiced(wait=False)
        self.assertTrue(process.wait_until(daemon.adopted, 120))
        took = time.monotonic() - began
        pid = lab.status()["sluiced"]["pid"]
        print(f"start: {took:.1f} s; memory in MiB: {memory(pid)}, with one service: {small}")
        report = Client(rate=100, duration=3000).wait(60)
        self.assertEqual(report["failed"], {})
        self.assertGreater(sum(report["calls"].values()), 0)
        print(f"after a while: {memory(pid)}; a call's p99 {report['p99_us']} us")

    def test_one_more_of_each_is_refused(self) -> None:
        for listeners, services, endpoints, word in ((LISTENERS + 1, SERVICES, ENDPOINTS, "4097 of listener; at most 4096 are allowed"),
                                                     (100, SERVICES + 1, 100, "16385 of service; at most 16384 are allowed"),
                                                     (100, 100, ENDPOINTS + 1, "65537 pods in all; at most 65536 are allowed")):
            done = check(self.text(listeners, services, endpoints))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stdout[-2000:])


main()
