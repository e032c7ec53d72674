"""Programs that people use through a listener of tcp or udp, in any mode: iperf3, nc, curl; and connections that are busy while pods
come and go."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

from support import layout, process, run

PEER = str(Path(__file__).with_name("l4_peer.py"))
IPERF_PORT, NC_PORT, FILES_PORT, BUSY_PORT = 5201, 5202, 5203, 5204  # of the VIP and of the pods
BYTES = 8_000_000
DATAGRAMS = 500  # fewer than any queue on the way holds: none may be lost
QUESTION = "".join(f"line {number}\n" for number in range(5_000))
FILE = layout.REPOSITORY / "docs" / "design.md"


def tables(mode: str, vips: list, pods: dict) -> str:
    """Listeners at these addresses. pods: of each port, the addresses of its pods."""
    text = ""
    for port, addresses in pods.items():
        endpoints = ", ".join(f'{{ address = "{address}:{port}" }}' for address in addresses)
        text += f'\n[[service]]\nname = "tools-{port}"\nendpoints = [{endpoints}]\n'
        for vip in vips:
            for protocol in ("tcp", "udp") if port == IPERF_PORT and mode != "relay" else ("tcp",):
                text += (f'\n[[listener]]\nname = "{vip}-{port}-{protocol}"\naddress = "{vip}:{port}"\nprotocol = "{protocol}"\n'
                         f'mode = "{mode}"\nservice = "tools-{port}"\n')
    return text


def serve(cls: type, number: int, address: str) -> None:
    """The servers, at this address of this pod, until the class ends."""
    answer = layout.RUN_DIR / "nc-answer"
    answer.write_text(QUESTION[::-1])
    for name, command in {
            "iperf3": ["iperf3", "-s", "-B", address, "-p", str(IPERF_PORT)],
            "nc": ["sh", "-c", f"while nc -N -l {address} {NC_PORT} < {answer}; do :; done"],
            "files": [sys.executable, "-m", "http.server", "-d", str(FILE.parent), "-b", address, str(FILES_PORT)]}.items():
        server = process.spawn(layout.pod_namespace(number), command, layout.RUN_DIR / f"{name}-{number}-{address.replace(':', '_')}.log")
        cls.addClassCleanup(process.kill, server)


def expect_programs_work(test, vip: str, udp: bool = True) -> None:
    """Through the listeners of tables() at this address."""
    iperf3 = ("iperf3", "-J", "-c", vip, "-p", str(IPERF_PORT))
    # The first connection shows that the server listens.
    test.assertTrue(process.wait_until(
        lambda: "error" not in json.loads(run(layout.CLIENT_NAMESPACE, *iperf3, "-n", "1000", check=False)), 20))
    for direction in ((), ("-R",)):
        end = json.loads(run(layout.CLIENT_NAMESPACE, *iperf3, "-n", str(BYTES), *direction))["end"]
        test.assertGreaterEqual(end["sum_received" if direction else "sum_sent"]["bytes"], BYTES)
    if udp:
        end = json.loads(run(layout.CLIENT_NAMESPACE, *iperf3, "-u", "-b", "20M", "-l", "1000", "-n", str(DATAGRAMS * 1000)))["end"]
        test.assertGreaterEqual(end["sum"]["packets"], DATAGRAMS)
        test.assertEqual(end["sum"]["lost_packets"], 0)
    with tempfile.NamedTemporaryFile("w+") as question:
        question.write(QUESTION)
        question.flush()
        heard = run(layout.CLIENT_NAMESPACE, "sh", "-c", f"nc -N -w 20 {vip} {NC_PORT} < {question.name}")
    test.assertEqual(heard, QUESTION[::-1])
    url = f"http://{f'[{vip}]' if ':' in vip else vip}:{FILES_PORT}/{FILE.name}"
    test.assertEqual(run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--retry", "5", "--retry-connrefused", url), FILE.read_text())


class Busy:
    """Connections (l4_peer.py) that send and hear without a pause."""

    def __init__(self, test, vip: str, count: int) -> None:
        self._test = test
        command = process.in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, PEER, "busy", vip, str(BUSY_PORT), str(count)])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=process.common_core)
        test.addCleanup(self._process.kill)
        test.assertEqual(self._process.stdout.readline(), "ready\n")

    def pods(self, least: int = 6) -> set:
        """Ends the connections, of which none may have failed or changed its pod, or have been answered less often; the pods that they were on."""
        report = json.loads(self._process.communicate("\n", timeout=60)[0])
        self._test.assertEqual(report["failed"], [])
        self._test.assertTrue(all(len(names) == 1 for names in report["pods"]), report["pods"])
        self._test.assertGreaterEqual(min(report["exchanges"]), least)
        return {names[0] for names in report["pods"]}


def scaled(mode: str, vip: str, pods: Iterable) -> str:
    """The tables of a listener at BUSY_PORT with these pods."""
    return tables(mode, [vip], {BUSY_PORT: [layout.pod_address(number) for number in pods]})


def expect_busy_connections_stay(test, vip: str, mode: str, configure, count: int = 30) -> None:
    """The pods 1 to 3 serve (l4_peer.py) at BUSY_PORT. The connections are busy while pods come and go."""
    configure(scaled(mode, vip, (1, 2)))
    client = Busy(test, vip, count)
    for pods in ((1, 2, 3), (3,), (1, 3), (2,)):
        configure(scaled(mode, vip, pods))
    test.assertEqual(client.pods(), {"pod1", "pod2"})
