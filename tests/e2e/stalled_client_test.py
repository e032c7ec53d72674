#!/usr/bin/python3
"""A client that asks for big answers on many streams and stops reading: memory stays bounded, others go on."""

import subprocess
import sys

from support import LabTest, configuration, echo_messages, lab, layout, main, process, worker
from sluicelab.client import failed
from sluicelab.process import wait_until
from witnesses import INTERVAL_MS, Witnesses

STREAMS = 100
CALLS_PER_SECOND = 250  # of those who behave

STALL = """
import h2.connection, h2.config, h2.settings, socket, struct, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect((sys.argv[1], int(sys.argv[2])))
c = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=True))
c.initiate_connection()
c.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
c.increment_flow_control_window(2**31 - 1 - 65535)
message = bytes.fromhex(sys.argv[6])
for i in range(int(sys.argv[3])):
    stream = c.get_next_available_stream_id()
    c.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", "/sluice.lab.Echo/" + sys.argv[5]), (":authority", "x"),
                            ("content-type", "application/grpc"), ("te", "trailers")])
    c.send_data(stream, b"\\0" + struct.pack("!I", len(message)) + message, end_stream=True)
    s.sendall(c.data_to_send())
print("stalled", flush=True)
time.sleep(float(sys.argv[4]))
"""


# More than a stream's window, so that each stream holds as much as it may. Much more would only keep the pods busy making it.
MODERATE = {"reply_bytes": 150_000}


def stalled_client(streams: int, method: str, **fields) -> subprocess.Popen:
    """Once it has sent all requests, and reads no more."""
    message = echo_messages().EchoRequest(**fields).SerializeToString().hex()
    command = [sys.executable, "-c", STALL, layout.VIP, str(layout.PORT), str(streams), "60", method, message]
    return subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, command), stdout=subprocess.PIPE, text=True,
                            preexec_fn=process.common_core)


class StalledClients(LabTest):
    pods = 2
    workers = 1  # the memory of one is filled

    def stall(self, count: int) -> None:
        witnesses = Witnesses(CALLS_PER_SECOND)
        free_before = worker()["memory"]["hold_buffers_free"]
        stalled = [stalled_client(STREAMS, "Unary", **MODERATE) for _ in range(count)]
        for one in stalled:
            one.stdout.readline()
        for _ in range(3000 // INTERVAL_MS):
            witnesses.look()
        moment = witnesses.moment()
        print(f"beside {count} stalled clients, {moment}; {worker()['memory']}")
        for one in stalled:
            one.kill()
            one.wait()
        report = witnesses.stop()
        self.assertEqual(moment.complaints(), [])
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertTrue(wait_until(lambda: worker()["memory"]["hold_buffers_free"] >= free_before - 64, 10), worker()["memory"])
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 10))

    def test_one_does_not_touch_the_latency_of_others(self) -> None:
        self.stall(1)

    def test_many_exhaust_the_memory_and_others_go_on(self) -> None:
        self.stall(8)
        self.assertGreater(worker()["http2"]["guard_memory"], 0)  # who held the most was reset


class ThousandStreams(LabTest):
    """A gigabyte for each stream, of which a client takes nothing."""

    pods = 2
    workers = 1  # as much memory as a lab of one worker has
    streams = 1000
    stream_window = 8192
    reply_bytes = 65_536
    replies = (1 << 30) // reply_bytes
    send_buffer = 1 << 20       # the default: what the client's connection queues beside the streams
    # A pod's packet carries so much in a buffer of 2,176 bytes. A stream's share begins and ends within one.
    packet_bytes = 1448

    def test_they_hold_what_is_configured_and_nobody_else_notices(self) -> None:
        layout.CONFIG_FILE.write_text(configuration.sluiced_toml(
            self.driver, extra=f"[limits]\nconcurrent_streams = {self.streams}\nstream_window = {self.stream_window}\n"))
        lab.restart_sluiced()
        witnesses = Witnesses(CALLS_PER_SECOND)
        free = self.buffers_free()
        stalled = stalled_client(self.streams, "ServerStream", replies=self.replies, reply_bytes=self.reply_bytes)
        stalled.stdout.readline()
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] >= self.streams, 10), worker()["http2"])
        held = []
        for _ in range(5):
            for _ in range(1000 // INTERVAL_MS):
                witnesses.look()
            held.append(free - self.buffers_free())
        guards = worker()["http2"]["guard_memory"]
        streams = worker()["http2"]["streams"]
        stalled.kill()
        stalled.wait()
        moment = witnesses.moment()
        report = witnesses.stop()
        configured = self.streams * self.stream_window + self.send_buffer
        buffers = self.streams * (-(-self.stream_window // self.packet_bytes) + 1) + self.send_buffer // self.packet_bytes
        print(f"{streams} streams hold {held} buffers; configured are {configured} bytes, which take up to {buffers}; "
              f"{moment}")
        self.assertEqual(failed(report), 0, report["last_error"])
        self.assertEqual(guards, 0)  # nobody had to be reset for it
        self.assertGreaterEqual(streams, self.streams)
        self.assertGreater(min(held), buffers / 4, "they hold hardly anything: this proves nothing")
        self.assertLessEqual(max(held), buffers + 64)  # 64: what passes through meanwhile
        self.assertEqual(moment.complaints(), [])
        self.assertTrue(wait_until(lambda: self.buffers_free() >= free - 64, 10), worker()["memory"])

    @staticmethod
    def buffers_free() -> int:
        memory = worker()["memory"]
        return memory["hold_buffers_free"] + memory["rx_buffers_free"]


main()
