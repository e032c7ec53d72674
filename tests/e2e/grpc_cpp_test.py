#!/usr/bin/python3
"""Unmodified gRPC clients, of C++ and of Go: unary, 4 MB, all kinds of streaming, metadata, errors, deadlines, cancellation, on both
drivers and over TLS on both sides; and Go's gRPC server over TLS."""

import json

from support import CLIENT, LabTest, layout, main, run
from sluicelab import gopod, lab


CHECKS = {"unary", "big_unary", "server_stream", "client_stream", "bidi_ping_pong", "bidi_both_ways_at_once", "metadata", "error_status",
          "error_after_replies", "deadline", "cancellation"}


class Checks:
    pods = 3

    def expect_all(self, printed: str, **parameters) -> None:
        """A line for each of the checks, and each of them passed."""
        checks = {check["check"]: check for check in map(json.loads, printed.splitlines())}
        self.assertEqual(set(checks), CHECKS, printed)
        for name, check in checks.items():
            with self.subTest(name, **parameters):
                self.assertTrue(check["ok"], check["why"])

    def test_every_kind_of_call_is_whole(self) -> None:
        self.expect_all(run(layout.CLIENT_NAMESPACE, CLIENT, "--check", "yes", *self.options(), check=False))

    def options(self) -> tuple:
        if not self.tls:
            return ()
        tls = lab.status()["tls"]
        return "--target", f"{layout.VIP}:{tls['port']}", "--ca", tls["ca"]


class OverAfXdp(Checks, LabTest):
    driver = "af_xdp"


class OverTap(Checks, LabTest):
    driver = "tap"


class OverTls(Checks, LabTest):
    tls = pods_tls = True


class GoPodsOverTls(Checks, LabTest):
    tls = pods_tls = True
    pod_command = f"exec {gopod.binary()}"

    @classmethod
    def setUpClass(cls) -> None:
        gopod.build()
        super().setUpClass()

    def test_every_kind_of_call_is_whole(self) -> None:
        """Go's pod has unary calls only."""
        printed = run(layout.CLIENT_NAMESPACE, CLIENT, "--duration", "1000", *self.options())
        last = json.loads(printed.splitlines()[-1])
        self.assertEqual(last["failed"], {}, last["last_error"])
        self.assertEqual(set(last["calls"]), {layout.pod_name(number) for number in (1, 2, 3)})


class GoClient(Checks, LabTest):
    """Over cleartext, and over TLS."""

    tls = True

    @classmethod
    def setUpClass(cls) -> None:
        gopod.build()
        super().setUpClass()

    def test_every_kind_of_call_is_whole(self) -> None:
        tls = lab.status()["tls"]
        for options in ((), ("-target", f"{layout.VIP}:{tls['port']}", "-ca", tls["ca"])):
            self.expect_all(run(layout.CLIENT_NAMESPACE, gopod.client_binary(), *options, check=False), tls=bool(options))


main()
