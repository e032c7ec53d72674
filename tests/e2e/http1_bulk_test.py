#!/usr/bin/python3
"""Large bodies both ways through every pair of protocols, with checksums, and with a side that is ten times slower: Sluice's memory stays
bounded by its windows, whatever the length.

By hand: SLUICE_BULK_MIB=1024 makes the large bodies so large, and the slow client takes a whole one. SLUICE_BULK_PAIR="http2 http1" is
one pair of protocols alone."""

import hashlib
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import http_pods
from support import SANITIZED, LabTest, layout, main, process, run, service, worker

PORTS = {"http1": 6200, "h2c": 6201}
SINK_PORT = 6210
CLIENTS = ("--http1.1", "--http2-prior-knowledge")
MIB = 1 << 20
ENDLESS = 200 * MIB    # more than a slow side takes while the test looks
BY_HAND = os.environ.get("SLUICE_BULK_MIB")
WHOLE = int(BY_HAND or (4 if SANITIZED else 32)) * MIB
PIECE = 16 * MIB
SMALL = MIB // 2
SECONDS = "2"          # for which a slow side is watched
SLOWER = 10
TIMED_OUT = 28         # curl's exit code
PACKET = 1448          # bytes of body in one buffer
HELD_MOST = 12 * MIB   # send_buffer_max, as far as half of the lab's buffers allows it (8 MiB), and receive_buffer_max

SINK = """
const [protocol, address, port] = process.argv.slice(2), crypto = require('crypto');
function serve(request, response) {
  const rate = +new URL(request.url, 'http://pod').searchParams.get('rate'), hash = crypto.createHash('sha256');
  request.on('data', piece => {
    hash.update(piece);
    if (rate) { request.pause(); setTimeout(() => request.resume(), 1000 * piece.length / rate); }
  });
  request.on('end', () => response.end(hash.digest('hex')));
}
const server = protocol === 'h2c' ? require('http2').createServer(serve) : require('http').createServer(serve);
server.listen(+port, address);
"""


class Sink(http_pods.Server):
    """Answers with the checksum of the body, of which it reads `rate` bytes in a second if the query says so."""

    program = "node"

    def __init__(self, protocol: str) -> None:
        super().__init__()
        self.name = self.protocol = protocol

    def command(self) -> list:
        return ["node", self.write("sink.js", SINK), self.protocol, layout.BRIDGE_ADDRESS, str(self.port)]


def checksum(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def free_buffers() -> int:
    memory = worker()["memory"]
    return memory["hold_buffers_free"] + memory["rx_buffers_free"]


class Bulk(LabTest):
    workers = 1  # the buffers of one are counted

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.got = scratch / "got"
        cls.endless, cls.whole, cls.small = (scratch / name for name in ("endless", "whole", "small"))
        for path, size in ((cls.endless, PIECE), (cls.whole, WHOLE), (cls.small, SMALL)):
            with path.open("wb") as file:
                for at in range(0, size, PIECE):
                    file.write(os.urandom(min(PIECE, size - at)))
        os.truncate(cls.endless, ENDLESS)
        cls.nginx = {protocol: cls.enterClassContext(http_pods.Nginx("dav_methods PUT;", http2=protocol == "h2c")) for protocol in PORTS}
        text = ""
        for protocol, server in cls.nginx.items():
            for path in (cls.endless, cls.whole):
                (server.files / path.name).symlink_to(path)
            text += service(protocol, PORTS[protocol], server.endpoint, keys=f'protocol = "{protocol}"', protocol="http")
        cls.services = text
        cls("setUpClass").reload(text)

    def setUp(self) -> None:
        self.before = free_buffers()

    def pairs(self) -> list:
        all_of_them = [(client, protocol) for client in CLIENTS for protocol in PORTS]
        chosen = os.environ.get("SLUICE_BULK_PAIR", "").split()
        return [pair for pair in all_of_them if not chosen or (pair[0].startswith(f"--{chosen[0]}") and pair[1] == chosen[1])]

    def curl(self, *words: str) -> list:
        return ["curl", "-sS", "-m", "600" if BY_HAND else "60", *words]

    def test_large_bodies_arrive_whole_in_both_directions(self) -> None:
        sent = checksum(self.whole)
        for client, protocol in self.pairs():
            with self.subTest(f"{client} {protocol}"):
                url = f"http://{layout.VIP}:{PORTS[protocol]}"
                uploaded = self.nginx[protocol].files / "uploaded"
                up = self.seconds(client, "-T", str(self.whole), f"{url}/uploaded")
                self.assertEqual(checksum(uploaded), sent)
                uploaded.unlink()
                down = self.seconds(client, "-o", str(self.got), f"{url}/whole")
                self.assertEqual(checksum(self.got), sent)
                print(f"{client} {protocol}: {WHOLE // MIB} MiB up in {up:.1f} s, down in {down:.1f} s")

    def seconds(self, *words: str) -> float:
        begun = time.monotonic()
        run(layout.CLIENT_NAMESPACE, *self.curl(*words))
        return time.monotonic() - begun

    def watched(self, *words: str, code: int = 0) -> str:
        """What curl printed, which ends with this code. Meanwhile no more buffers are held than windows allow."""
        command = process.in_namespace(layout.CLIENT_NAMESPACE, self.curl(*words))
        held = []
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=process.common_core) as curl:
            while curl.poll() is None:
                held.append(self.before - free_buffers())
                process.wait_until(lambda: curl.poll() is not None, 0.1)
            printed = curl.stdout.read()
        self.assertEqual(curl.returncode, code, printed)
        print(f"at most {max(held)} buffers were held")
        self.assertLess(max(held), HELD_MOST // PACKET)
        return printed

    def expect_all_back(self) -> None:
        self.assertTrue(process.wait_until(lambda: free_buffers() >= self.before - 64, 10), f"{free_buffers()} of {self.before}")

    def test_a_slow_client_holds_no_more_than_windows_allow(self) -> None:
        for client, protocol in self.pairs():
            with self.subTest(f"{client} {protocol}"):
                words, url = (client, "-o", "/dev/null"), f"http://{layout.VIP}:{PORTS[protocol]}"
                rate = int(WHOLE / self.seconds(*words, f"{url}/whole") / SLOWER)
                self.watched("--limit-rate", str(rate), "-m", SECONDS, *words, f"{url}/endless", code=TIMED_OUT)
                self.expect_all_back()
                if BY_HAND:
                    self.watched(client, "--limit-rate", str(rate), "-o", str(self.got), f"{url}/whole")
                    self.assertEqual(checksum(self.got), checksum(self.whole))
                    print(f"{client} {protocol}: {WHOLE // MIB} MiB whole at {rate / MIB:.1f} MiB/s")

    @unittest.skipUnless(Sink.installed(), "node is not installed")
    def test_a_slow_pod_holds_no_more_than_windows_allow_and_gets_everything(self) -> None:
        self.addCleanup(self.reload, self.services)
        url = f"http://{layout.VIP}:{SINK_PORT}/"
        for client, protocol in self.pairs():
            with self.subTest(f"{client} {protocol}"), Sink(protocol) as sink:
                self.reload(self.services + service("sink", SINK_PORT, sink.endpoint, keys=f'protocol = "{protocol}"', protocol="http"))
                rate = int(SMALL / self.seconds(client, "-T", str(self.small), url) / SLOWER)
                self.assertIn(checksum(self.small), self.watched(client, "-T", str(self.small), f"{url}?rate={rate}"))
                self.watched(client, "-T", str(self.endless), "-m", SECONDS, f"{url}?rate={rate}", code=TIMED_OUT)
            self.expect_all_back()  # with the pod's end: the bytes in the client's kernel are in front of its FIN


if __name__ == "__main__":
    main()
