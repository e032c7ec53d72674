#!/usr/bin/python3
"""L4 listeners in the lab, with two workers: flows stay on their pods, whatever happens to the list of pods."""

import json
import subprocess
import sys
import time
from collections import Counter

from support import LabTest, daemon, layout, main, process, run
from sluicelab.client import Client, failed

PODS = 3
ECHO_PORT = 7000  # of the pods; TCP and UDP
FLOWS = 60

# Answers every line or datagram with the pod's address before it.
ECHO = """
import socket, socketserver, sys, threading
address, port = sys.argv[1], int(sys.argv[2])
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(address.encode() + b" " + line)
class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1000
class Datagrams(socketserver.BaseRequestHandler):
    def handle(self):
        data, s = self.request
        s.sendto(address.encode() + b" " + data, self.client_address)
threading.Thread(target=Tcp((address, port), Lines).serve_forever, daemon=True).start()
socketserver.UDPServer((address, port), Datagrams).serve_forever()
"""

# Opens so many connections, then asks each for its pod whenever a line comes in, and says what each answered.
ASK = """
import json, socket, sys
address, port, count, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
flows = []
for i in range(count):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((address, port))
    flows.append(s)
def ask(s):
    for _ in range(3):
        s.send(b"who\\n")
        try:
            return s.recv(100).decode().split()[0]
        except OSError as error:
            said = repr(error)
    return said
for line in sys.stdin:
    print(json.dumps([ask(s) for s in flows]), flush=True)
"""


class Flows:
    """Sockets of the client's namespace that stay open."""

    def __init__(self, port: int, kind: str, count: int = FLOWS) -> None:
        words = [sys.executable, "-c", ASK, layout.VIP, str(port), str(count), kind]
        self._process = subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, words), text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, preexec_fn=process.common_core)

    def pods(self) -> list:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


def l4(name: str) -> int:
    return sum(worker["l4"][name] for worker in daemon.ask("stats")["workers"])


def listeners(port: int, pods: list) -> str:
    endpoints = ", ".join(f'{{ address = "{layout.pod_address(n)}:{ECHO_PORT}" }}' for n in pods)
    both = "".join(f"""
[[listener]]
name = "echo-{protocol}"
address = "{layout.VIP}:{port}"
protocol = "{protocol}"
service = "lines"
""" for protocol in ("tcp", "udp"))
    return f"""{both}
[[service]]
name = "lines"
endpoints = [{endpoints}]
"""


class L4(LabTest):
    pods = PODS
    workers = 2

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for number in range(1, PODS + 1):
            pid = process.spawn(layout.pod_namespace(number), [sys.executable, "-c", ECHO, layout.pod_address(number), str(ECHO_PORT)],
                                layout.RUN_DIR / f"lines{number}.log")
            cls.addClassCleanup(process.kill, pid)
        time.sleep(0.5)

    def flows(self, kind: str, count: int = FLOWS) -> Flows:
        flows = Flows(ECHO_PORT, kind, count)
        self.addCleanup(flows.close)
        return flows

    def test_a_grpc_client_stays_on_the_pod_of_its_connection(self) -> None:
        client = Client(target=f"{layout.VIP}:{layout.TCP_PORT}", duration=2000, channels=1)
        report = client.wait(30)
        self.assertEqual(failed(report), 0, report)
        self.assertEqual(len([n for n in report["calls"].values() if n]), 1, report)

    def test_connections_and_datagrams_spread_and_stay_while_pods_come_and_go(self) -> None:
        for kind in ("tcp", "udp"):
            with self.subTest(kind):
                self.reload(listeners(ECHO_PORT, [1, 2, 3]))
                flows = self.flows(kind)
                before = flows.pods()
                self.assertEqual(set(before), {layout.pod_address(n) for n in (1, 2, 3)}, Counter(before))
                self.reload(listeners(ECHO_PORT, [1]))
                self.assertEqual(flows.pods(), before)
                late = self.flows(kind)
                self.assertEqual(set(late.pods()), {layout.pod_address(1)})
                self.reload(listeners(ECHO_PORT, [1, 2, 3]))
                self.assertEqual(flows.pods(), before)
                self.assertEqual(set(late.pods()), {layout.pod_address(1)})
                self.reload()
        self.assertEqual(l4("refused_ports") + l4("refused_full") + l4("bad_checksum"), 0)

    def test_both_workers_have_flows(self) -> None:
        self.addCleanup(self.reload)
        self.reload(listeners(ECHO_PORT, [1, 2, 3]))
        before = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
        self.flows("tcp").pods()
        after = [worker["l4"]["flows_begun"] for worker in daemon.ask("stats")["workers"]]
        self.assertTrue(all(b > a for a, b in zip(before, after)), (before, after))

    def test_a_large_body_arrives_whole(self) -> None:
        web = layout.RUN_DIR / "web"
        web.mkdir(exist_ok=True)
        size = 30_000_000
        (web / "large").write_bytes(bytes(range(256)) * (size // 256))
        pid = process.spawn(layout.pod_namespace(1), [sys.executable, "-m", "http.server", "8000", "-d", str(web)], layout.RUN_DIR / "web.log")
        self.addCleanup(process.kill, pid)
        self.addCleanup(self.reload)
        self.reload(f"""
[[listener]]
name = "web"
address = "{layout.VIP}:8000"
protocol = "tcp"
service = "web"
[[service]]
name = "web"
endpoints = [{{ address = "{layout.pod_address(1)}:8000" }}]
""")
        got = layout.RUN_DIR / "got"
        run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--retry", "5", "--retry-connrefused", "--max-time", "60", "-o", str(got),
            f"http://{layout.VIP}:8000/large")
        self.assertTrue(got.read_bytes() == (web / "large").read_bytes())

    def test_listeners_and_pods_show_flows(self) -> None:
        self.addCleanup(self.reload)
        self.reload(listeners(ECHO_PORT, [1]))
        flows = self.flows("tcp", 5)
        self.assertEqual(flows.pods(), [layout.pod_address(1)] * 5)
        row = next(r for r in daemon.ask("listeners")["listeners"] if r["name"] == "echo-tcp")
        self.assertEqual(row["protocol"], "tcp")
        self.assertGreaterEqual(row["active_connections"], 5)  # and those of other tests, which close
        pod = next(r for r in daemon.ask("pods")["pods"] if r["service"] == "lines")
        self.assertGreaterEqual(pod["connections"], 5)


main()
