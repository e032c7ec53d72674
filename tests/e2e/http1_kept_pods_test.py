#!/usr/bin/python3
"""nginx as a pod of HTTP/1.1 that ends its kept connections on its own terms, under load: no request is lost."""

import subprocess
import threading
import time

import http_pods
from scripted import inside
from support import LabTest, layout, main, process, service

PORT = 6150  # of the VIP


class NginxKeeps(LabTest):
    def relay_to(self, keys: str) -> http_pods.Nginx:
        server = self.enterContext(http_pods.Nginx(keys))
        self.addCleanup(self.reload)
        self.reload(service("nginx", PORT, server.endpoint, keys='protocol = "http1"', protocol="http"))
        return server

    def load(self, *words: str) -> subprocess.Popen:
        command = process.in_namespace(layout.CLIENT_NAMESPACE, ("h2load", *words, f"http://{layout.VIP}:{PORT}/name"))
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=process.common_core)

    def expect_all_well(self, running: subprocess.Popen) -> None:
        said = running.communicate(timeout=60)[0]
        self.assertRegex(said, r"requests: .* 0 failed, 0 errored, 0 timeout", said)
        self.assertRegex(said, r"status codes: [1-9]\d* 2xx, 0 3xx, 0 4xx, 0 5xx", said)

    def test_a_connection_that_ends_after_ten_requests(self) -> None:
        self.relay_to("keepalive_requests 10;")
        for words in (("--h1", "-c", "8"), ("-c", "4", "-m", "8")):
            self.expect_all_well(self.load(*words, "-n", "2000"))

    def test_no_connection_is_kept_at_all(self) -> None:
        self.relay_to("keepalive_timeout 0;")
        for words in (("--h1", "-c", "8"), ("-c", "4", "-m", "8")):
            self.expect_all_well(self.load(*words, "-n", "1000"))

    def test_graceful_restarts_under_load(self) -> None:
        server = self.relay_to("")
        for words in (("--h1", "-c", "8"), ("-c", "4", "-m", "8")):
            running = self.load(*words, "-n", "20000")
            restarts = 0
            while running.poll() is None and restarts < 10:
                server.reload()
                restarts += 1
                process.wait_until(lambda: running.poll() is not None, 0.3)
            self.expect_all_well(running)
            self.assertGreater(restarts, 1, "the load was over before nginx restarted")

    def test_an_idle_timeout_of_a_second_meets_requests_at_that_very_moment(self) -> None:
        self.relay_to("keepalive_timeout 1s;")
        failed: list = []

        def ask(number: int) -> None:
            """Gaps from a bit less than nginx's timeout to a bit more."""
            with inside(layout.CLIENT_NAMESPACE):
                for turn in range(5):
                    time.sleep(0.97 + 0.004 * number)
                    done = subprocess.run(["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}",
                                           f"http://{layout.VIP}:{PORT}/name"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    if done.stdout != "200":
                        failed.append((number, turn, done.stdout))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])


if __name__ == "__main__":
    main()
