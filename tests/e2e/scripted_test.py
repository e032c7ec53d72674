#!/usr/bin/python3
"""The helper that other tests are made of: clients and pods that speak frame by frame (frames.py, scripted.py)."""

import threading

import frames
import scripted
from support import LabTest, echo_messages, layout, main


class Scripted(LabTest):
    def test_a_client_calls_the_labs_own_pod(self) -> None:
        messages = echo_messages()
        with scripted.Client() as client:
            stream = client.call(frames.message(messages.EchoRequest(payload=b"hello").SerializeToString()))
            answer = client.answer(stream)
        self.assertEqual(answer.how, "status 0")
        self.assertEqual(answer.fields["content-type"], "application/grpc")
        self.assertEqual(messages.EchoReply.FromString(answer.body[5:]).payload, b"hello")

    def test_a_pod_answers_what_it_likes(self) -> None:
        heard = threading.Event()

        def pod(peer: frames.Peer) -> None:
            for request in peer.requests():
                if request.value(":path") == "/whole":
                    peer.send(frames.whole_answer(request.stream, b"body"))
                elif request.value(":path") == "/reset":
                    peer.send(frames.rst_stream(request.stream, frames.CANCEL))
                else:
                    peer.expect(frames.RST_STREAM, request.stream)
                    heard.set()

        with scripted.Pod(pod) as hostile, scripted.Client(port=self.serve(hostile)) as client:
            whole, reset, silent = (client.call(path=path) for path in ("/whole", "/reset", "/silent"))
            self.assertEqual(client.answer(whole).how, "status 0")
            self.assertEqual(client.answer(whole).body, frames.message(b"body"))
            self.assertEqual(client.answer(reset).how, "reset 8")
            client.send(frames.rst_stream(silent, frames.CANCEL))
            self.assertTrue(heard.wait(frames.PATIENCE))
            self.assertLessEqual(len(hostile.peers), layout.default_workers())

    def test_an_error_of_the_connection_is_heard(self) -> None:
        with scripted.Client() as client:
            client.send(frames.window_update(0, 0))
            self.assertEqual(client.expect(frames.GOAWAY).code, frames.PROTOCOL_ERROR)
            with self.assertRaises(frames.Ended):
                client.expect(frames.DATA)


main()
