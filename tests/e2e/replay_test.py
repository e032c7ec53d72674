#!/usr/bin/python3
"""Captures through tools/replay: the fixtures of tests/l4/fixtures, and what people get wrong.

A fixture is a description, settings, and packets in (`>`) and out (`<`), as packet_text.py has them. A port that is a capital letter
stands for one that Sluice chooses. `wait 31` lets so many seconds pass."""

import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import packet_text  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "tests" / "l4" / "fixtures"
REPLAY = str(REPOSITORY / "tools" / "replay")
BASE = """
dpdk = "dpdk.toml"
[sluice]
workers = 1
admin_socket = "admin.sock"
[[port]]
name = "north"
device = "net_a"
profile = "nic.toml"
addresses = ["198.18.0.2/24", "2001:db8::2/64"]
[[port]]
name = "south"
device = "net_b"
profile = "nic.toml"
addresses = ["198.18.1.1/24", "2001:db8:1::1/64"]
"""


class Fixture:
    def __init__(self, path: Path) -> None:
        self.settings: dict = {"mode": "nat", "pods": [], "listeners": []}
        self.steps: list = []  # ("in", line), ("out", line) or ("wait", seconds)
        for line in path.read_text().splitlines():
            word, _, rest = line.partition(" ")
            if word in (">", "<"):
                self.steps.append(("in" if word == ">" else "out", packet_text.normal(rest)))
            elif word == "wait":
                self.steps.append(("wait", int(rest)))
            elif word == "mode":
                self.settings["mode"] = rest
            elif word in ("pod", "listener"):
                self.settings[word + "s"].append(rest)

    def configuration(self) -> str:
        endpoints = ", ".join(f'{{ address = "{pod}" }}' for pod in self.settings["pods"])
        tables = f'[[service]]\nname = "pods"\nendpoints = [{endpoints}]\n'
        for listener in self.settings["listeners"]:
            address, protocol = listener.split()
            tables += (f'[[listener]]\nname = "{listener}"\naddress = "{address}"\nprotocol = "{protocol}"\n'
                       f'mode = "{self.settings["mode"]}"\nservice = "pods"\n')
        return BASE + tables


def write_capture(path: Path, packets: list) -> None:
    """Pairs of seconds and IP packets."""
    content = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 262_144, 101)
    for seconds, packet in packets:
        content += struct.pack("<IIII", 1000 + seconds, 0, len(packet), len(packet)) + packet
    path.write_bytes(content)


def read_capture(path: Path) -> list:
    content, frames, at = path.read_bytes(), [], 24
    while at < len(content):
        size = struct.unpack("<I", content[at + 8:at + 12])[0]
        frames.append(content[at + 16:at + 16 + size])
        at += 16 + size
    return frames


def replay(directory: Path, check: bool = True) -> str:
    done = subprocess.run([REPLAY, directory / "in.pcap", directory / "out.pcap", "--config", directory / "sluiced.toml"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(done.stdout)
    return done.stdout


class Directory(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)
        self.write("dpdk.toml", 'worker_cores = [0]\nvdevs = ["net_a,x=1", "net_b"]\n')
        self.write("nic.toml", 'name = "nic"\n')

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)


class Fixtures(Directory):
    maxDiff = None

    def sent(self, steps: list, ports: dict) -> list:
        """The lines of the packets that leave, for the packets of these steps whose ports are known."""
        seconds, packets = 0, []
        for kind, what in steps:
            if kind == "wait":
                seconds += what
            elif kind == "in":
                packets.append((seconds, packet_text.packet(self.filled(what, ports))))
        write_capture(self.directory / "in.pcap", packets)
        self.said = replay(self.directory)
        return [packet_text.text_of_frame(frame) for frame in read_capture(self.directory / "out.pcap")]

    @staticmethod
    def filled(line: str, ports: dict) -> str:
        return re.sub(r":([A-Z])\b", lambda found: f":{ports.get(found[1], found[1])}", line)

    def check(self, fixture: Fixture) -> None:
        self.write("sluiced.toml", fixture.configuration())
        ports: dict = {}
        for index, (kind, what) in enumerate(fixture.steps):
            unknown = re.findall(r":([A-Z])\b", self.filled(what, ports)) if kind == "in" else []
            if unknown:
                self.learn(fixture.steps[:index], ports)
                self.assertIn(unknown[0], ports, "no packet that left has this port")
        self.learn(fixture.steps, ports)
        expected = [self.filled(what, ports) for kind, what in fixture.steps if kind == "out"]
        self.assertEqual(self.sent(fixture.steps, ports), expected, self.said)

    def learn(self, steps: list, ports: dict) -> None:
        expected = [what for kind, what in steps if kind == "out"]
        for line, sent in zip(expected, self.sent(steps, ports)):
            pattern = re.sub(r":([A-Z])\b", r":(?P<\1>\\d+)", re.escape(self.filled(line, ports)))
            if found := re.fullmatch(pattern, sent):
                ports.update(found.groupdict())

    def test_fixtures(self) -> None:
        paths = sorted(FIXTURES.glob("*.txt"))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path.name):
                self.check(Fixture(path))


class Mistakes(Directory):
    def test_say_what_is_wrong_with_the_capture_or_the_configuration(self) -> None:
        self.write("sluiced.toml", BASE)
        self.assertIn("in.pcap: cannot be read", replay(self.directory, check=False))
        (self.directory / "in.pcap").write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(100))
        self.assertIn("pcapng", replay(self.directory, check=False))
        self.write("sluiced.toml", BASE + "[[listener]]\nname = \"a\"\n")
        self.assertIn("sluiced.toml:", replay(self.directory, check=False))


if __name__ == "__main__":
    unittest.main(verbosity=2)
