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
# reply_bytes (field 2): more than a stream's window, so that each stream holds as much as it may. Much more would only keep
# the pods busy making it.
size = 150_000
message = b"\\x10" + bytes((0x80 | (size & 127), 0x80 | (size >> 7 & 127), size >> 14))
for i in range(int(sys.argv[3])):
    stream = c.get_next_available_stream_id()
    c.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", "/sluice.lab.Echo/Unary"), (":authority", "x"),
                            ("content-type", "application/grpc"), ("te", "trailers")])
    c.send_data(stream, b"\\0" + struct.pack("!I", len(message)) + message, end_stream=True)
    s.sendall(c.data_to_send())
print("stalled", flush=True)
time.sleep(float(sys.argv[4]))
"""


class StalledClients(LabTest):
    pods = 2

    def stall(self, count: int) -> None:
        client = Client(in_flight=10, delay=0, interval=200)
        time.sleep(1)
        before = client.fresh()
        free_before = worker()["memory"]["hold_buffers_free"]
        stalled = [subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, [
            sys.executable, "-c", STALL, layout.VIP, str(layout.PORT), str(STREAMS), "30"]), stdout=subprocess.PIPE, text=True,
            preexec_fn=process.common_core) for _ in range(count)]
        for one in stalled:
            one.stdout.readline()
        time.sleep(3)
        during = client.fresh()
        row = worker()
        print(f"p99 before {before['p99_us']} us, beside {count} stalled clients {during['p99_us']} us; {row['memory']}")
        time.sleep(1)
        later = client.fresh()
        for one in stalled:
            one.kill()
            one.wait()
        report = client.stop()
        self.assertGreater(sum(later["calls"].values()), sum(during["calls"].values()) + 200, "other clients stand still")
        self.assertLess(during["p99_us"], max(20 * before["p99_us"], 50_000))
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertTrue(wait_until(lambda: worker()["memory"]["hold_buffers_free"] >= free_before - 64, 10), worker()["memory"])
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 10))

    def test_one_does_not_touch_the_latency_of_others(self) -> None:
        self.stall(1)

    def test_many_exhaust_the_memory_and_others_go_on(self) -> None:
        self.stall(8)
        self.assertGreater(worker()["http2"]["guard_memory"], 0)  # who held the most was reset


main()
