#!/usr/bin/python3
"""HTTP/1.1 toward clients and pods: curl, raw sockets, Python's http.server in both of its versions, and the lab's gRPC pods."""

import hashlib
import http.server
import os
import signal
import socket
import tempfile
import threading
import time
from typing import Callable

from scripted import inside
from support import LabTest, daemon, lab, layout, log_size, logged, main, process, run, service, worker

PORT = 6001


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the body, or with the path where there is none."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        read = b""
        while size := int(self.rfile.readline(), 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return read

    def answer(self) -> None:
        body = self.body() or self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *_) -> None:
        pass


class OldHandler(Handler):
    protocol_version = "HTTP/1.0"


class Pod:
    def __init__(self, handler: type = Handler) -> None:
        with inside(layout.SOUTH_NAMESPACE):
            self.server = http.server.ThreadingHTTPServer((layout.BRIDGE_ADDRESS, 0), handler)
        self.endpoint = f"{layout.BRIDGE_ADDRESS}:{self.server.server_port}"

    def __enter__(self) -> "Pod":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()


class Http1(LabTest):
    def relay_to(self, *pods: Pod) -> str:
        """A listener of both versions with these pods behind it; its URL."""
        if not self._cleanups:
            self.addCleanup(self.reload)
        self.reload(service("http1", PORT, *(pod.endpoint for pod in pods), keys='protocol = "http1"', protocol="http"))
        return f"http://{layout.VIP}:{PORT}"

    def curl(self, *options: str) -> str:
        return run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "20", *options)

    def raw(self, port: int = PORT) -> socket.socket:
        with inside(layout.CLIENT_NAMESPACE):
            return socket.create_connection((layout.VIP, port), timeout=10)

    def test_curl_gets_its_answer_in_each_version_from_pods_of_each_version(self) -> None:
        for handler in (Handler, OldHandler):
            with Pod(handler) as pod:
                url = self.relay_to(pod)
                for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
                    self.assertEqual(self.curl(version, f"{url}/a?b"), "/a?b")
                    self.assertEqual(self.curl(version, "-d", "hello", f"{url}/"), "hello")
                    self.assertIn(" 200", self.curl(version, "-I", f"{url}/"))

    def test_large_bodies_cross_whole_with_a_length_and_in_chunks(self) -> None:
        with Pod() as pod, tempfile.TemporaryDirectory() as scratch:
            url = self.relay_to(pod)
            sent, got = f"{scratch}/sent", f"{scratch}/got"
            content = os.urandom(3_000_000)
            with open(sent, "wb") as out:
                out.write(content)
            for options in ((), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue"), ("--http2-prior-knowledge",)):
                self.curl(*options, "-T", sent, "-o", got, f"{url}/")
                with open(got, "rb") as back:
                    self.assertEqual(hashlib.sha256(back.read()).digest(), hashlib.sha256(content).digest(), options)

    def test_pipelined_requests_are_answered_in_order_on_one_connection(self) -> None:
        with Pod() as pod:
            self.relay_to(pod)
            with self.raw() as client:
                client.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: v\r\n\r\n" % i for i in range(20)))
                client.shutdown(socket.SHUT_WR)  # and the answers still come
                heard = b""
                while piece := client.recv(65_536):
                    heard += piece
            bodies = [answer.partition(b"\r\n\r\n")[2] for answer in heard.split(b"HTTP/1.1 200 OK\r\n")[1:]]
            self.assertEqual(bodies, [b"/%d" % i for i in range(20)])

    def test_a_client_that_closed_cancels_its_request_at_a_silent_pod(self) -> None:
        begun, ended = threading.Event(), threading.Event()

        class Silent(Handler):
            def do_GET(self) -> None:
                begun.set()
                self.connection.settimeout(60)
                try:
                    self.connection.recv(1)
                except OSError:
                    ended.set()  # by a reset
                self.close_connection = True

        with Pod(Silent) as pod:
            self.relay_to(pod)
            before = worker()["http1"]["half_closed_cancels"]
            with self.raw() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: v\r\n\r\n")
                self.assertTrue(begun.wait(10))
            self.assertTrue(ended.wait(30), "the pod hears of it")
            self.assertEqual(worker()["http1"]["half_closed_cancels"], before + 1)

    def test_a_request_with_two_framings_gets_400_and_the_end(self) -> None:
        before = worker()["http1"]["bad_requests"]
        with self.raw(80) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                           b"GET /smuggled HTTP/1.1\r\nHost: v\r\n\r\n")
            heard = b""
            while piece := client.recv(65_536):
                heard += piece
        self.assertTrue(heard.startswith(b"HTTP/1.1 400 "), heard)
        self.assertEqual(heard.count(b"HTTP/1.1"), 1)
        self.assertEqual(worker()["http1"]["bad_requests"], before + 1)

    def test_a_body_of_a_byte_at_a_time_is_stopped_counted_and_named(self) -> None:
        with Pod() as pod:
            self.relay_to(pod)
            tables = service("http1", PORT, pod.endpoint, keys='protocol = "http1"', protocol="http")
            self.reload(tables + '\n[guards]\nmin_rate = 240\nmin_rate_grace = "1s"\n')
            guards, log = {row["guard"]: row["count"] for row in daemon.ask("guards")["guards"]}, log_size()
            with self.raw() as client:
                client.sendall(b"POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1000\r\n\r\n")
                client.settimeout(0.2)
                heard, until = b"", time.monotonic() + 20
                while not heard and time.monotonic() < until:
                    client.sendall(b"x")
                    try:
                        heard = client.recv(65_536)
                    except TimeoutError:
                        pass
            self.assertTrue(heard.startswith(b"HTTP/1.1 408 "), heard)
            now = {row["guard"]: row["count"] for row in daemon.ask("guards")["guards"]}
            self.assertEqual(now["http1_body_rate"], guards["http1_body_rate"] + 1)
            self.assertTrue(logged(log, rf"client {layout.CLIENT_ADDRESS}:\d+: guard http1_body_rate:"))

    def test_the_labs_port_80_takes_both_versions(self) -> None:
        url = f"http://{layout.VIP}/sluice.lab.Echo/Unary"
        post = ("-X", "POST", "-H", "content-type: application/grpc", "-H", "te: trailers", "-o", "/dev/null", "-w", "%{http_code}")
        for version in ("--http1.1", "--http2-prior-knowledge"):
            self.assertEqual(self.curl(version, *post, url), "200")

    def ends_between_two_answers(self, begin: Callable[[], None]) -> None:
        """A client asks without a pause. Once it has begun, one answer says Connection: close, and is whole, and the last one."""
        with self.raw() as client:
            answers, closes, begun = 0, False, False
            while not closes:
                client.sendall(b"GET /kept HTTP/1.1\r\nHost: v\r\n\r\n")
                head, _, body = client.recv(65_536).partition(b"\r\n\r\n")
                self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
                while len(body) < len("/kept"):
                    body += client.recv(65_536)
                self.assertEqual(body, b"/kept")
                answers += 1
                closes = b"connection: close" in head
                if answers == 20:
                    begin()
                    begun = True
            self.assertTrue(begun)
            self.assertEqual(client.recv(1), b"", "FIN, and no reset")

    def test_a_kept_connection_ends_between_two_answers_when_its_listener_goes(self) -> None:
        with Pod() as pod:
            self.relay_to(pod)
            tables = service("http1", PORT, pod.endpoint, keys='protocol = "http1"', protocol="http")
            self.ends_between_two_answers(lambda: self.reload(tables[tables.index("[[service]]"):]))

    def test_a_kept_connection_ends_between_two_answers_when_its_listener_and_service_go(self) -> None:
        with Pod() as pod:
            self.relay_to(pod)
            # The reload that follows the test needs something to change.
            self.ends_between_two_answers(lambda: self.reload(timeouts={"drain_timeout": "11s"}))

    def test_a_kept_connection_ends_between_two_answers_at_a_drain(self) -> None:
        with Pod() as pod:
            self.relay_to(pod)
            pid = lab.status()["sluiced"]["pid"]
            with self.raw() as idle:
                self.ends_between_two_answers(lambda: os.kill(pid, signal.SIGTERM))
                self.assertEqual(idle.recv(1), b"", "an idle connection ends as well")
            self.assertTrue(process.wait_until(lambda: not process.alive(pid), 10), "nothing keeps sluiced")
            lab.restart_sluiced()


if __name__ == "__main__":
    main()
