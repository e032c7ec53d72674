#!/usr/bin/python3
"""Clients and pods of HTTP/2 that are not quite what they should be, and clients that speak something else."""

import threading

import frames
import scripted
from guards_test import guards
from support import LabTest, layout, log_size, logged, main, run, worker

URL = f"{layout.VIP}:{layout.PORT}/"
IMPATIENT = '[guards]\nsettings_timeout = "1s"\n'


class Fields(LabTest):
    def test_blanks_around_values_are_stripped_in_both_directions(self) -> None:
        seen = []

        def pod(peer: frames.Peer) -> None:
            for request in peer.requests():
                seen.append(request.value("x-blank"))
                peer.send(frames.headers(request.stream, frames.block((":status", "200"), ("content-type", "application/grpc"), ("x", "\ta "))),
                          frames.headers(request.stream, frames.block(("grpc-status", "3"), ("grpc-message", "bad request: ")), True))

        with scripted.Pod(pod) as one, scripted.Client(port=self.serve(one)) as client:
            answers = [client.answer(client.call(fields=(("x-blank", "  b c\t"),))) for _ in range(4)]
        self.assertEqual(seen, ["b c"] * 4)
        for answer in answers:
            self.assertEqual(answer.how, "status 3")
            self.assertEqual(answer.fields["x"], "a")
            self.assertEqual(answer.trailers["grpc-message"], "bad request:")

    def test_a_stream_that_depends_on_itself_is_reset_and_the_next_one_is_answered(self) -> None:
        on_itself = frames.number(1) + b"\x10"
        with scripted.Client() as client:
            client.send(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.WITH_PRIORITY, 1, on_itself + frames.ECHO))
            self.assertEqual(client.expect(frames.RST_STREAM, 1).code, frames.PROTOCOL_ERROR)
            client.answers[1] = scripted.Answer()
            self.assertEqual(client.answer(client.call(frames.message(b""))).how, "status 0")


class OtherProtocols(LabTest):
    def test_http1_hears_in_its_own_words_what_is_spoken_here(self) -> None:
        before, log = worker()["http2"]["http1_requests"], log_size()
        for options in (("--http1.1",), ("--http1.0",), ("--http1.1", "-d", "x" * 100_000), ("--http1.1", "-T", "/bin/sh")):
            said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-i", "-m", "10", *options, f"http://{URL}")
            self.assertIn("HTTP/1.1 505 HTTP Version Not Supported", said)
            self.assertIn("This port speaks HTTP/2 without TLS (h2c, by prior knowledge).", said)
        head = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-I", "-m", "10", f"http://{URL}")
        self.assertIn("505", head)
        self.assertEqual(worker()["http2"]["http1_requests"], before + 5)
        self.assertTrue(logged(log, rf"client {layout.CLIENT_ADDRESS}:\d+: connection ended: speaks HTTP/1"))

    def test_tls_hears_an_alert(self) -> None:
        before = worker()["http2"]["tls_hellos"]
        said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-k", "-m", "10", f"https://{URL}", check=False)
        self.assertIn("alert protocol version", said)
        self.assertEqual(worker()["http2"]["tls_hellos"], before + 1)

    def test_a_preface_byte_by_byte_is_one(self) -> None:
        with scripted.Client(hello=b"") as client:
            for byte in frames.PREFACE + frames.settings():
                client.send(bytes((byte,)))
            self.assertEqual(client.answer(client.call(frames.message(b""))).how, "status 0")


class LateSettings(LabTest):
    timeouts = {"drain_timeout": "3s"}

    def test_calls_of_a_client_that_does_not_acknowledge_settings_may_end(self) -> None:
        answer = threading.Event()

        def pod(peer: frames.Peer) -> None:
            for request in peer.requests():
                answer.wait(20)
                peer.send(frames.whole_answer(request.stream))

        before = guards()["settings_ack"]
        with scripted.Pod(pod) as slow, scripted.Client(port=self.serve(slow, extra=IMPATIENT), acknowledges=False) as late:
            stream = late.call(frames.message(b""))
            goaway = late.expect(frames.GOAWAY)
            self.assertEqual((goaway.code, goaway.last), (frames.SETTINGS_TIMEOUT, stream))
            with scripted.Client() as other:
                self.assertEqual(other.answer(other.call(frames.message(b""))).how, "status 0")
            answer.set()
            self.assertEqual(late.answer(stream).how, "status 0")
            with self.assertRaises(frames.Ended):
                late.expect(frames.DATA)
        self.assertEqual(guards()["settings_ack"], before + 1)

    def test_and_are_ended_when_they_last_longer_than_drain_timeout(self) -> None:
        def pod(peer: frames.Peer) -> None:
            for _ in peer.requests():
                pass

        with scripted.Pod(pod) as silent, scripted.Client(port=self.serve(silent, extra=IMPATIENT), acknowledges=False) as late:
            stream = late.call(frames.message(b""))
            self.assertEqual(late.expect(frames.GOAWAY).code, frames.SETTINGS_TIMEOUT)
            self.assertEqual(late.answer(stream).how, "status 14")
            with self.assertRaises(frames.Ended):
                late.expect(frames.DATA)


main()
