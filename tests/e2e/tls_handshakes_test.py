#!/usr/bin/python3
"""Many TLS handshakes at once, which helper threads make: certificates that change meanwhile, calls beside them, and an end of sluiced
in the midst of them."""

import json
import subprocess
import threading
import time
from pathlib import Path

from support import CLIENT, LabTest, lab, layout, main, process, run, worker

from sluicelab import certificates

# Full handshakes for so many seconds, in three threads; prints how many there were, and the first few failures.
CONNECTING = """
import json, socket, ssl, sys, threading, time
host, port, ca, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
done, failures = [], []
def go():
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, port), 5) as plain, context.wrap_socket(plain, server_hostname="echo.lab") as s:
                s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
                if s.recv(9)[3] != 4:
                    failures.append("no SETTINGS")
            done.append(1)
        except OSError as error:
            failures.append(str(error))
threads = [threading.Thread(target=go) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print(json.dumps({"done": len(done), "failures": failures[:5], "failed": len(failures)}))
"""
SECONDS = 5


class ManyHandshakes(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(cls.pods, cls.driver, tls=True)
        cls.addClassCleanup(lab.down)
        cls.tls = lab.status()["tls"]

    def connecting(self, seconds: float = SECONDS) -> subprocess.Popen:
        return subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, (
            "python3", "-c", CONNECTING, layout.VIP, str(layout.TLS_PORT), self.tls["ca"], str(seconds))),
            text=True, stdout=subprocess.PIPE, preexec_fn=process.common_core)

    def test_helper_threads_exist(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]
        self.assertIn("handshake-0", names)

    def test_none_fails_while_certificates_change_every_second(self) -> None:
        pairs = [{part: Path(path).read_text() for part, path in
                  certificates.issue(layout.TLS_DIR, f"fresh-{n}", (f"fresh-{n}.lab", *certificates.NAMES)).items()} for n in range(2)]
        pair = self.tls["certificates"][0]
        before = worker()["tls"]
        over = threading.Event()

        def swap() -> None:
            n = 0
            while not over.wait(1):
                n += 1
                for part, text in pairs[n % 2].items():
                    Path(pair[part]).write_text(text)
        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            printed, _ = self.connecting().communicate(timeout=60)
        finally:
            over.set()
            swapping.join()
        result = json.loads(printed)
        self.assertEqual(result["failed"], 0, result)
        self.assertGreater(result["done"], 50)
        after = worker()["tls"]
        self.assertEqual(after["handshakes_full"] - before["handshakes_full"], result["done"])
        for name, count in after.items():
            if name.startswith("failed_"):
                self.assertEqual(count, before[name], name)

    def test_calls_on_other_connections_go_on(self) -> None:
        with self.connecting() as running:
            kinds = run(layout.CLIENT_NAMESPACE, CLIENT, "--check", "yes", check=False).splitlines()
            result = json.loads(running.communicate(timeout=60)[0])
        self.assertEqual(result["failed"], 0, result)
        self.assertTrue(kinds)
        for line in kinds:
            self.assertTrue(json.loads(line)["ok"], line)
        self.assertTrue(process.wait_until(lambda: worker()["tls"]["handshaking"] == 0, 5))
        self.assertEqual(worker()["tls"]["handshakes_away"], 0)

    def test_sluiced_ends_in_order_with_handshakes_under_way(self) -> None:
        with self.connecting(3) as running:
            time.sleep(1)
            lab.restart_sluiced()
            result = json.loads(running.communicate(timeout=60)[0])
        self.assertGreater(result["done"], 10)


if __name__ == "__main__":
    main()
