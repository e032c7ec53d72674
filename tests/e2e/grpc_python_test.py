#!/usr/bin/python3
"""An unmodified python3-grpcio client: unary, every kind of streaming, 4 MB, metadata, cancellation, deadline, error status.

The client runs in the lab's client namespace as this file with an address for an argument, and behind it the file of the CA for TLS."""

import sys
import time
import unittest
from pathlib import Path

from support import LabTest, echo_messages, lab, layout, main, run

BIG = 4_000_000


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        import grpc
        cls.grpc = grpc
        cls.pb = pb = echo_messages()
        options = [("grpc.max_receive_message_length", 8 << 20)]
        if CA is None:
            cls.channel = grpc.insecure_channel(ADDRESS, options=options)
        else:
            cls.channel = grpc.secure_channel(ADDRESS, grpc.ssl_channel_credentials(Path(CA).read_bytes()),
                                              options=[*options, ("grpc.ssl_target_name_override", "echo.lab")])
        cls.addClassCleanup(cls.channel.close)
        make = {"Unary": cls.channel.unary_unary, "ServerStream": cls.channel.unary_stream,
                "ClientStream": cls.channel.stream_unary, "Bidi": cls.channel.stream_stream}
        cls.call = {name: kind(f"/sluice.lab.Echo/{name}", request_serializer=pb.EchoRequest.SerializeToString,
                               response_deserializer=pb.EchoReply.FromString) for name, kind in make.items()}
        cls.seen = cls.channel.unary_unary("/sluice.lab.Echo/Seen", request_serializer=pb.SeenRequest.SerializeToString,
                                           response_deserializer=pb.SeenReply.FromString)

    def request(self, **fields):
        return self.pb.EchoRequest(**fields)

    def test_unary(self) -> None:
        self.assertEqual(self.call["Unary"](self.request(payload=b"hello"), timeout=10).payload, b"hello")

    def test_four_megabytes_both_ways(self) -> None:
        payload = bytes(range(256)) * (BIG // 256)
        self.assertEqual(self.call["Unary"](self.request(payload=payload), timeout=30).payload, payload)

    def test_server_streaming(self) -> None:
        replies = list(self.call["ServerStream"](self.request(replies=200, reply_bytes=5000), timeout=30))
        self.assertEqual([r.sequence for r in replies], list(range(200)))
        self.assertTrue(all(r.payload == bytes(i % 251 for i in range(5000)) for r in replies))

    def test_client_streaming(self) -> None:
        reply = self.call["ClientStream"]((self.request(payload=b"x" * 3000) for _ in range(300)), timeout=30)
        self.assertEqual((reply.received_messages, reply.received_bytes), (300, 900_000))

    def test_bidirectional_streaming(self) -> None:
        replies = list(self.call["Bidi"]((self.request(payload=str(i).encode()) for i in range(300)), timeout=30))
        self.assertEqual([r.payload for r in replies], [str(i).encode() for i in range(300)])

    def test_metadata_with_binary_values(self) -> None:
        binary = bytes(range(256))
        reply, call = self.call["Unary"].with_call(self.request(echo_metadata=True), timeout=10,
                                                   metadata=(("x-text", "some text"), ("x-raw-bin", binary)))
        self.assertEqual(dict(call.initial_metadata())["x-raw-bin"], binary)
        self.assertEqual(dict(call.trailing_metadata())["t-x-text"], "some text")

    def test_error_status_with_message(self) -> None:
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.call["Unary"](self.request(fail_code=9, fail_message="not now: 100 % ü"), timeout=10)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(caught.exception.details(), "not now: 100 % ü")

    def test_a_message_that_ends_with_a_blank_keeps_its_status(self) -> None:
        """gRPC C++ writes the blank as it is."""
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.call["Unary"](self.request(fail_code=3, fail_message="bad request: "), timeout=10)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(caught.exception.details().rstrip(), "bad request:")

    def test_deadline(self) -> None:
        with self.assertRaises(self.grpc.RpcError) as caught:
            self.call["Unary"](self.request(delay_ms=3000), timeout=0.3)
        self.assertEqual(caught.exception.code(), self.grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_the_pod_sees_a_cancellation(self) -> None:
        stream = self.call["ServerStream"](self.request(replies=1000, delay_ms=100, tag="cancelled from python"), timeout=30)
        next(stream)
        stream.cancel()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if self.seen(self.pb.SeenRequest(tag="cancelled from python"), timeout=5).cancelled:
                return
            time.sleep(0.05)
        self.fail("the pod was not told")


if len(sys.argv) > 1 and sys.argv[1][0].isdigit():
    ADDRESS = sys.argv.pop(1)
    CA = sys.argv.pop(1) if len(sys.argv) > 1 else None
    unittest.main(verbosity=2, warnings="ignore")
else:
    del Calls

    class Inside(LabTest):
        def test_all_calls(self) -> None:
            print(run(layout.CLIENT_NAMESPACE, sys.executable, __file__, f"{layout.VIP}:{layout.PORT}"))

    class InsideTls(LabTest):
        @classmethod
        def setUpClass(cls) -> None:
            lab.up(cls.pods, cls.driver, tls=True)
            cls.addClassCleanup(lab.down)

        def test_all_calls(self) -> None:
            tls = lab.status()["tls"]
            print(run(layout.CLIENT_NAMESPACE, sys.executable, __file__, f"{layout.VIP}:{tls['port']}", tls["ca"]))

    main()
