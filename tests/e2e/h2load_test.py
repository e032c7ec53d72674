#!/usr/bin/python3
"""Clients that are not gRPC: h2load's 200,000 requests without a failure, through Sluice and direct side by side; curl by prior knowledge; ping."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import lab, layout  # noqa: E402

POD_COMMAND = "nghttpd --no-tls -n 1 -d /etc $POD_PORT"
PATH = "/hostname"


def run(namespace: str, *command: str, seconds: int = 120) -> str:
    return subprocess.run(["ip", "netns", "exec", namespace, "taskset", "-c", str(layout.COMMON_CORE), *command], text=True,
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds).stdout


def h2load(namespace: str, address: str) -> tuple:
    printed = run(namespace, "h2load", "-n", "200000", "-c", "10", "-m", "32", f"http://{address}:{layout.PORT}{PATH}")
    succeeded, failed = re.search(r"(\d+) succeeded, (\d+) failed", printed).groups()
    rate = re.search(r"([\d.]+) req/s", printed).group(1)
    return int(succeeded), int(failed), float(rate)


def sluicectl(*command: str) -> str:
    return subprocess.run([str(layout.build_dir() / "tools" / "sluicectl"), "--socket", str(layout.ADMIN_SOCKET), *command],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


class PlainHttp2(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, pod_command=POD_COMMAND)

    @classmethod
    def tearDownClass(cls) -> None:
        lab.down()

    def test_h2load_loses_no_request(self) -> None:
        succeeded, failed, rate = h2load(layout.CLIENT_NAMESPACE, layout.VIP)
        direct = h2load(layout.SOUTH_NAMESPACE, layout.FIRST_POD_ADDRESS)
        print(f"h2load through Sluice {rate:,.0f} requests/s, direct {direct[2]:,.0f} requests/s")
        self.assertEqual((succeeded, failed), (200_000, 0))
        shown = re.findall(r"HPACK (in|out): ([\d,]+) blocks, ([\d.]+) % of .* ([\d,]+) cycles a block", sluicectl("stats"))
        print("\n".join(" ".join(("HPACK", *words, "(blocks, % indexed, cycles a block)")) for words in shown))
        self.assertEqual([way for way, *_ in shown], ["in", "out"] * layout.default_workers())
        self.assertGreater(min(float(indexed) for _, _, indexed, _ in shown), 50)

    def test_curl_speaks_http2_by_prior_knowledge(self) -> None:
        body = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http2-prior-knowledge", f"http://{layout.VIP}:{layout.PORT}{PATH}")
        self.assertEqual(body, Path("/etc/hostname").read_text())

    def test_head_is_answered_with_the_length_of_what_it_does_not_bring(self) -> None:
        head = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http2-prior-knowledge", "--head",
                   f"http://{layout.VIP}:{layout.PORT}{PATH}").lower()
        self.assertIn("http/2 200", head)
        self.assertIn(f"content-length: {len(Path('/etc/hostname').read_bytes())}", head)

    def test_fields_over_the_limit_are_answered_with_431(self) -> None:
        fields = [part for i in range(60) for part in ("-H", f"x-{i}: {'x' * 300}")]
        status = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}",
                     *fields, f"http://{layout.VIP}:{layout.PORT}{PATH}")
        self.assertEqual(status, "431")

    def test_the_virtual_address_answers_ping(self) -> None:
        self.assertIn(" 3 received", run(layout.CLIENT_NAMESPACE, "ping", "-c", "3", "-w", "10", layout.VIP))

    def test_sluicectl_shows_the_streams_of_the_pod(self) -> None:
        run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http2-prior-knowledge", f"http://{layout.VIP}:{layout.PORT}{PATH}")
        (pod,) = json.loads(sluicectl("pods", "--json"))["pods"]
        self.assertEqual((pod["state"], pod["failed"]), ("READY", 0))
        self.assertGreater(pod["streams"], 0)


unittest.main()
