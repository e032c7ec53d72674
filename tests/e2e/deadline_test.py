#!/usr/bin/python3
"""Cancellations cross Sluice at once in both directions.

The clients run in the lab's client namespace as this file with the name of one of its functions as argument, and print JSON."""

import json
import statistics
import struct
import sys
import time

from support import LabTest, echo_messages, layout, main, run
from sluicelab.process import wait_until

CALLS = 40
POD_DELAY_MS = 5_000       # what a pod takes, if nobody stops it
# Median of a crossing: so many times a whole call through Sluice at the same moment, and a turn of the scheduler.
PROMPT_CALLS, TURN_MS = 3, 20
TIMEOUT_MS = 250
PATIENCE = 5               # seconds


def counts() -> tuple:
    """Calls begun, ended and cancelled, as the pod writes them while it runs."""
    return struct.unpack("=QQQ", layout.pod_counts(1).read_bytes())


class Echo:
    """The gRPC client, which keeps deadlines itself."""

    def __init__(self) -> None:
        import grpc
        self.grpc, self.messages = grpc, echo_messages()
        self.channel = grpc.insecure_channel(f"{layout.VIP}:{layout.PORT}")
        self.unary = self.channel.unary_unary("/sluice.lab.Echo/Unary",
                                              request_serializer=self.messages.EchoRequest.SerializeToString,
                                              response_deserializer=self.messages.EchoReply.FromString)
        self.unary(self.messages.EchoRequest(payload=b"first"), timeout=PATIENCE)

    def begin(self, timeout=None, **fields):
        """A call that the pod has begun."""
        begun = counts()[0]
        call = self.unary.future(self.messages.EchoRequest(payload=b"x", **fields), timeout=timeout)
        wait_until(lambda: counts()[0] > begun, PATIENCE, every=0.0002)
        return call

    def whole_ms(self) -> float:
        """What a call takes that nobody stops."""
        began = time.monotonic()
        self.unary(self.messages.EchoRequest(payload=b"x"), timeout=PATIENCE)
        return (time.monotonic() - began) * 1000

    def code(self, call) -> str:
        try:
            call.result()
        except (self.grpc.RpcError, self.grpc.FutureCancelledError):
            pass
        return call.code().name


def client_cancels() -> list:
    """[Milliseconds from the client's cancellation to the pod's knowing it, those of a whole call]"""
    echo = Echo()
    crossings = []
    for _ in range(CALLS):
        call = echo.begin(delay_ms=POD_DELAY_MS)
        cancelled = counts()[2]
        began = time.monotonic()
        call.cancel()
        if not wait_until(lambda: counts()[2] > cancelled, PATIENCE, every=0.0002):
            raise AssertionError("the pod was not told")
        crossings.append([(time.monotonic() - began) * 1000, echo.whole_ms()])
    return crossings


def pod_cancels() -> list:
    """[code, milliseconds] of calls that the pod cancels at once, [.., .., those of a whole call]"""
    echo = Echo()
    ends = []
    for _ in range(CALLS):
        began = time.monotonic()
        call = echo.unary.future(echo.messages.EchoRequest(payload=b"x", cancel=True))
        code = echo.code(call)
        ends.append([code, (time.monotonic() - began) * 1000, echo.whole_ms()])
    return ends


def deadlines() -> list:
    """[code, milliseconds to the client's end, milliseconds from the deadline to the pod's knowing, those of a whole call]"""
    echo = Echo()
    ends = []
    for _ in range(10):
        cancelled = counts()[2]
        began = time.monotonic()
        call = echo.begin(timeout=TIMEOUT_MS / 1000, delay_ms=POD_DELAY_MS)
        code = echo.code(call)
        took = (time.monotonic() - began) * 1000
        if not wait_until(lambda: counts()[2] > cancelled, PATIENCE, every=0.0002):
            raise AssertionError("the pod was not told")
        ends.append([code, took, (time.monotonic() - began) * 1000 - TIMEOUT_MS, echo.whole_ms()])
    return ends


def inside(function) -> object:
    """What the function says in the client's namespace."""
    return json.loads(run(layout.CLIENT_NAMESPACE, sys.executable, __file__, function.__name__).splitlines()[-1])


class Cancellation(LabTest):
    def assert_prompt(self, what: str, crossings: list, whole: list) -> None:
        median, call = statistics.median(crossings), statistics.median(whole)
        print(f"{what}: median {median:.1f} ms, worst {max(crossings):.1f} ms; a whole call takes {call:.1f} ms")
        self.assertLess(median, PROMPT_CALLS * call + TURN_MS)

    def test_a_clients_cancellation_is_with_the_pod_as_soon_as_a_call_would_be(self) -> None:
        crossings, whole = zip(*inside(client_cancels))
        self.assert_prompt("cancelled by the client", crossings, whole)

    def test_a_pods_cancellation_is_with_the_client_as_soon_as_an_answer_would_be(self) -> None:
        codes, times, whole = zip(*inside(pod_cancels))
        self.assertEqual(set(codes), {"CANCELLED"})
        self.assert_prompt("cancelled by the pod", times, whole)

    def test_a_grpc_clients_deadline_ends_the_call_and_the_pod_hears_of_it(self) -> None:
        codes, took, late, whole = zip(*inside(deadlines))
        self.assertEqual(set(codes), {"DEADLINE_EXCEEDED"})
        self.assertGreater(min(took), TIMEOUT_MS - 5)
        self.assert_prompt("the pod knew of the deadline", late, whole)


CLIENTS = {function.__name__: function for function in (client_cancels, pod_cancels, deadlines)}
if len(sys.argv) > 1 and sys.argv[1] in CLIENTS:
    print(json.dumps(CLIENTS[sys.argv[1]]()))
else:
    main()
