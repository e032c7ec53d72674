#!/usr/bin/python3
"""Pods that end a connection for what one of its clients does: the others notice nothing."""

import contextlib
import time

import frames
import scripted
from support import LabTest, layout, main, worker

NETTY_RESETS, NETTY_WINDOW = 200, 30.0  # RST_STREAM in so many seconds
CANCELLED = 900  # below the guard on the client's own connection
HEADER_LIMIT = 8_192


class StrictPods(LabTest):
    def test_a_client_that_cancels_does_not_bring_a_pod_to_its_limit_of_resets(self) -> None:
        most, ended = [0], []

        def netty(peer: frames.Peer) -> None:
            resets: list = []
            for one in peer.frames():
                if one.kind == frames.RST_STREAM:
                    now = time.monotonic()
                    resets = [at for at in resets if at > now - NETTY_WINDOW] + [now]
                    most[0] = max(most[0], len(resets))
                    if len(resets) > NETTY_RESETS:
                        ended.append(peer)
                        peer.send(frames.goaway(frames.LARGEST_ID, frames.ENHANCE_YOUR_CALM, b"RST frames"))
                        return
                elif one.fields and one.value(":path") == "/answered":
                    peer.send(frames.whole_answer(one.stream))

        with scripted.Pod(netty) as pod:
            port = self.serve(pod)
            with scripted.Client(port=port) as hostile, scripted.Client(port=port) as honest:
                for n in range(CANCELLED):
                    stream = hostile.call(path="/silent", end=False)
                    hostile.send(frames.rst_stream(stream, frames.CANCEL))
                    if n % 50 == 0:
                        self.assertEqual(honest.answer(honest.call(path="/answered")).how, "status 0")
            self.assertEqual(ended, [])
            self.assertLessEqual(most[0], NETTY_RESETS)
            self.assertGreater(worker()["http2"]["isolated_clients"], 0)

    def test_fields_that_a_pod_does_not_take_never_reach_it(self) -> None:
        def strict(peer: frames.Peer) -> None:
            held = []
            for request in peer.requests():
                if sum(len(name) + len(value) + 32 for name, value in request.fields) > HEADER_LIMIT:
                    peer.send(frames.goaway(0, frames.ENHANCE_YOUR_CALM))
                    return
                held.append(request.stream)
                if request.value(":path") == "/go":
                    for stream in held:
                        peer.send(frames.whole_answer(stream))
                    held.clear()

        hello = frames.settings((frames.MAX_HEADER_LIST_SIZE, HEADER_LIMIT))
        with contextlib.ExitStack() as stack:
            pods = [stack.enter_context(scripted.Pod(strict, hello=hello)) for _ in range(3)]
            port = self.serve(*pods)
            large, others = (stack.enter_context(scripted.Client(port=port)) for _ in range(2))
            calls = [others.call() for _ in range(20)]
            self.assertEqual(large.answer(large.call(fields=(("x-large", "x" * 12_000),))).how, "status 8")
            while any(others.answers[call].ends == 0 for call in calls):
                others.answer(others.call(path="/go"))
            self.assertEqual({others.answer(call).how for call in calls}, {"status 0"})
            self.assertLessEqual(max(len(pod.peers) for pod in pods), layout.default_workers(), "a connection was lost")

    def test_trailers_far_beyond_the_limit_cost_their_own_call(self) -> None:
        def talkative(peer: frames.Peer) -> None:
            for request in peer.requests():
                if request.value(":path") != "/large":
                    peer.send(frames.whole_answer(request.stream))
                    continue
                trailers = frames.TRAILERS + frames.block(*((f"x-{i}", "v" * 200) for i in range(350)))
                peer.send(frames.headers(request.stream, frames.ANSWER), frames.data(request.stream, frames.message(b"")),
                          frames.headers(request.stream, trailers[:16_384], True, flags=0))
                for at in range(16_384, len(trailers), 16_384):
                    end = frames.END_HEADERS if at + 16_384 >= len(trailers) else 0
                    peer.send(frames.frame(frames.CONTINUATION, end, request.stream, trailers[at:at + 16_384]))

        with scripted.Pod(talkative) as pod:
            port = self.serve(pod)
            with scripted.Client(port=port) as client:
                for _ in range(10):
                    self.assertEqual(client.answer(client.call(path="/large")).how, "status 8")
                    self.assertEqual(client.answer(client.call()).how, "status 0")
            self.assertLessEqual(len(pod.peers), layout.default_workers(), "a connection was lost")


main()
