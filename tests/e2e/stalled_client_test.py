#!/usr/bin/python3
"""A client that asks for big answers on a hundred streams and stops reading: memory stays bounded, others go on."""

import subprocess
import sys
import time

from support import LabTest, layout, main, process, worker
from sluicelab.client import Client, failed
from sluicelab.process import wait_until

STREAMS = 100

STALL = """
import h2.connection, h2.config, h2.settings, socket, struct, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect((sys.argv[1], int(sys.argv[2])))
c = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=True))
c.initiate_connection()
c.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
c.increment_flow_control_window(2**31 - 1 - 65535)
# reply_bytes (field 2) of 4 MB
message = b"\\x10" + bytes((0x80 | (4_000_000 & 127), 0x80 | (4_000_000 >> 7 & 127), 0x80 | (4_000_000 >> 14 & 127), 4_000_000 >> 21))
for i in range(int(sys.argv[3])):
    stream = c.get_next_available_stream_id()
    c.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", "/sluice.lab.Echo/Unary"), (":authority", "x"),
                            ("content-type", "application/grpc"), ("te", "trailers")])
    c.send_data(stream, b"\\0" + struct.pack("!I", len(message)) + message, end_stream=True)
    s.sendall(c.data_to_send())
print("stalled", flush=True)
time.sleep(float(sys.argv[4]))
"""


class StalledClient(LabTest):
    pods = 2

    def test_others_go_on_and_the_memory_comes_back(self) -> None:
        client = Client(in_flight=10, delay=0, interval=200)
        time.sleep(1)
        before = client.fresh()
        free_before = worker()["memory"]["hold_buffers_free"]
        stalled = subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, [
            sys.executable, "-c", STALL, layout.VIP, str(layout.PORT), str(STREAMS), "8"]), stdout=subprocess.PIPE, text=True,
            preexec_fn=process.common_core)
        stalled.stdout.readline()
        time.sleep(3)
        during = client.fresh()
        row = worker()
        print(f"p99 before {before['p99_us']} us, beside a stalled client {during['p99_us']} us; free rx {row['memory']['rx_buffers_free']}, "
              f"hold {row['memory']['hold_buffers_free']}")
        time.sleep(1)
        later = client.fresh()
        self.assertGreater(sum(later["calls"].values()), sum(during["calls"].values()) + 200, "other clients stand still")
        self.assertLess(during["p99_us"], max(20 * before["p99_us"], 50_000))
        stalled.kill()
        stalled.wait()
        report = client.stop()
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertTrue(wait_until(lambda: worker()["memory"]["hold_buffers_free"] >= free_before - 64, 10), worker()["memory"]["hold_buffers_free"])
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 10))


main()
