#!/usr/bin/python3
"""An unmodified gRPC C++ client: unary, 4 MB, all kinds of streaming, metadata, errors, deadlines, cancellation, on both drivers."""

import json

from support import CLIENT, LabTest, layout, main, run


class Checks:
    pods = 3

    def test_every_kind_of_call_is_whole(self) -> None:
        for line in run(layout.CLIENT_NAMESPACE, CLIENT, "--check", "yes", check=False).splitlines():
            check = json.loads(line)
            with self.subTest(check["check"]):
                self.assertTrue(check["ok"], check["why"])


class OverAfXdp(Checks, LabTest):
    driver = "af_xdp"


class OverTap(Checks, LabTest):
    driver = "tap"


main()
