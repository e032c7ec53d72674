#!/usr/bin/python3
"""Servers that people run as pods of HTTP/1.1, behind clients of HTTP/1.0, HTTP/1.1 and HTTP/2."""

import hashlib
import re
import tempfile
from pathlib import Path
from typing import Callable

import http_pods
from support import LabTest, layout, main, run, service

PORT = 6100  # of the VIP: the first server's, and those of the others behind it
OVER_HTTP_2 = "--http2-prior-knowledge"
VERSIONS = ("--http1.0", "--http1.1", OVER_HTTP_2)


# Writes the whole of a large request before it reads anything; prints the status of the answer.
WRITES_FIRST = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=25)
connection.request("POST", sys.argv[3], body=bytes(20_000_000))
print(connection.getresponse().status)
"""


class EarlyAnswers(LabTest):
    def test_a_client_that_writes_all_before_it_reads_hears_them(self) -> None:
        self.addCleanup(self.reload)
        self.reload(service("nobody", PORT, protocol="http"))
        for path, status in (("/", "503"), ("/" + 17_000 * "x", "414")):
            with self.subTest(status):
                self.assertEqual(run(layout.CLIENT_NAMESPACE, "python3", "-c", WRITES_FIRST, layout.VIP, str(PORT), path).strip(), status)


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


if __name__ == "__main__":
    main()
