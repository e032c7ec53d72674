#!/usr/bin/python3
"""Servers that people run as pods of HTTP/1.1, behind clients of HTTP/1.0, HTTP/1.1 and HTTP/2."""

import hashlib
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable

import http_pods
from scripted import inside
from support import LabTest, layout, main, process, run, service

PORT = 6100  # of the VIP: the first server's, and those of the others behind it
OVER_HTTP_2 = "--http2-prior-knowledge"
VERSIONS = ("--http1.0", "--http1.1", OVER_HTTP_2)


class Pods(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.servers: dict = {}
        for kind in (http_pods.Nginx, http_pods.Apache, http_pods.Node, http_pods.Python):
            if not kind.installed():
                print(f"{kind.program} is not installed: its part is left out")
                continue
            cls.add(kind.name, kind())
        cls.add("haproxy", http_pods.HAProxy(cls.servers["nginx"]))
        cls.scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.ports = {name: PORT + number for number, name in enumerate(cls.servers)}
        cls("setUpClass").reload("".join(service(name, cls.ports[name], server.endpoint, keys='protocol = "http1"', protocol="http")
                             for name, server in cls.servers.items()))

    @classmethod
    def add(cls, name: str, server: http_pods.Server) -> None:
        cls.servers[name] = cls.enterClassContext(server)

    def url(self, name: str, path: str = "/name") -> str:
        return f"http://{layout.VIP}:{self.ports[name]}{path}"

    def curl(self, *words: str) -> str:
        return run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "20", *words)

    def status(self, *words: str) -> str:
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", *words)

    def each(self, check: Callable[[str, str], None], *names: str) -> None:
        """check(server, version of the client), as subtests."""
        for name in names or self.servers:
            for version in VERSIONS if name in self.servers else ():
                with self.subTest(f"{name} {version}"):
                    check(name, version)

    def test_names_large_files_heads_and_errors_reach_clients_of_each_version(self) -> None:
        def check(name: str, version: str) -> None:
            self.assertEqual(self.curl(version, self.url(name)), name)
            got = self.scratch / "got"
            self.curl(version, "-o", str(got), self.url(name, "/big"))
            content = self.servers["nginx" if name == "haproxy" else name].files / "big"
            self.assertEqual(hashlib.sha256(got.read_bytes()).digest(), hashlib.sha256(content.read_bytes()).digest())
            self.assertRegex(self.curl(version, "-I", self.url(name, "/big")), rf"(?i)content-length: {http_pods.BIG}")
            self.assertEqual(self.status(version, self.url(name, "/absent")), "404")
        self.each(check)

    def test_answers_without_a_body_leave_both_connections_usable(self) -> None:
        def check(name: str, version: str) -> None:
            url = self.url(name, "/204")
            self.assertEqual(self.status(version, url), "204")
            self.assertEqual(self.status(version, url), "204")
            self.assertEqual(self.status(version, self.url(name, "/500")), "500")
            self.assertEqual(self.curl(version, self.url(name)), name)
        self.each(check, "nginx", "apache", "node", "haproxy")

    def test_ranges_and_conditions_are_the_pods_to_judge(self) -> None:
        def check(name: str, version: str) -> None:
            content = (self.servers[name].files / "words").read_bytes()
            self.assertEqual(self.curl(version, "-r", "6-16", self.url(name, "/words")), content[6:17].decode())
            self.assertEqual(self.status(version, "-r", "9999999-", self.url(name, "/words")), "416")
            several = self.curl(version, "-r", "0-4,6-10", self.url(name, "/words"))
            self.assertEqual(several.count("words"), 2, several)
            fields = self.curl(version, "-I", self.url(name))
            changed = re.search(r"(?i)last-modified: (.*)", fields).group(1).strip()
            self.assertEqual(self.status(version, "-H", f"If-Modified-Since: {changed}", self.url(name)), "304")
        self.each(check, "nginx", "apache")

    def test_answers_of_an_unknown_length_arrive_whole(self) -> None:
        def check(name: str, version: str) -> None:
            content = (self.servers[name].files / "words").read_text()
            self.assertEqual(self.curl(version, "--compressed", self.url(name, "/words")), content)
        self.each(check, "nginx", "apache")

    def test_answers_that_come_bit_by_bit_arrive_whole(self) -> None:
        def check(name: str, version: str) -> None:
            self.assertEqual(self.curl(version, self.url(name, "/slow")), "tick\n" * 5)
        self.each(check, "node")

    def test_uploads_in_chunks_come_back_with_trailers(self) -> None:
        sent, got, fields = (self.scratch / part for part in ("sent", "got", "fields"))
        sent.write_bytes(b"0123456789" * 50_000)

        def check(name: str, version: str) -> None:
            chunked = () if version == "--http1.0" else ("-H", "Transfer-Encoding: chunked")
            self.curl(version, *chunked, "-T", str(sent), "-D", str(fields), "-o", str(got), self.url(name, "/echo"))
            self.assertEqual(got.read_bytes(), sent.read_bytes())
            if version == "--http1.1":
                self.assertIn("x-end: whole", fields.read_text().lower())
        self.each(check, "node")

    def test_a_refusal_ahead_of_the_body_reaches_the_client(self) -> None:
        sent = self.scratch / "large"
        sent.write_bytes(bytes(3_000_000))

        def check(name: str, version: str) -> None:
            url, refusal = (self.url(name, "/early"), "403") if name == "node" else (self.url(name), "405")
            if version == OVER_HTTP_2:  # curl 7.88 takes RST_STREAM with NO_ERROR for a failure (RFC 9113, 8.1)
                self.assertIn(f":status: {refusal}", run(layout.CLIENT_NAMESPACE, "nghttp", "-v", "-n", "-d", str(sent), "-H",
                                                         ":method: PUT", url))
            else:
                self.assertEqual(self.status(version, "-T", str(sent), url), refusal)
        self.each(check, "node", "nginx", "apache")


class NginxKeeps(LabTest):
    """Connections that nginx ends on its own terms cost no request."""

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
