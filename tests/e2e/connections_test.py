#!/usr/bin/python3
"""Ten thousand short connections leave nothing behind."""

import sys

from support import SANITIZED, LabTest, layout, main, run, worker
from sluicelab.process import wait_until

CONNECTIONS = 2_000 if SANITIZED else 10_000

# Preface and empty SETTINGS, read the answer, end: in turn from our side first and from both at once.
SHORT = """
import socket, sys
hello = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes.fromhex("000000040000000000")
for i in range(int(sys.argv[1])):
    s = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=10)
    s.sendall(hello)
    if not s.recv(4096):
        sys.exit(f"connection {i} was closed")
    if i % 2:
        # What Sluice has to end first: a frame that is an error.
        s.sendall(bytes.fromhex("000001060000000000ff"))
        while s.recv(4096):
            pass
    s.close()
"""


class ShortConnections(LabTest):
    timeouts = {"time_wait": "3s"}

    def test_nothing_is_left_but_time_wait_and_that_for_a_while_only(self) -> None:
        run(layout.CLIENT_NAMESPACE, sys.executable, "-c", SHORT, str(CONNECTIONS), layout.VIP, str(layout.PORT), seconds=240)
        tcp = worker()["tcp"]
        print({name: tcp[name] for name in ("accepted", "connections", "half_open", "time_wait", "time_wait_evicted")})
        self.assertGreaterEqual(tcp["accepted"], CONNECTIONS)
        self.assertLessEqual(tcp["time_wait"], 32_768)
        # One of each worker to the pod stays.
        self.assertTrue(wait_until(lambda: worker()["tcp"]["connections"] == layout.default_workers(), 20), worker()["tcp"])
        self.assertEqual(worker()["http2"]["client_connections"], 0)
        self.assertTrue(wait_until(lambda: worker()["tcp"]["time_wait"] == 0, 20), worker()["tcp"])


main()
