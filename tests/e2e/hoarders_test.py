#!/usr/bin/python3
"""Clients that make TCP keep things: data behind gaps that stay open, connections that cannot end, the whole table. Clients that
behave go on beside them as in the moment before."""

import re
import subprocess
import time
from pathlib import Path

from support import SANITIZED, LabTest, configuration, lab, layout, main, process, run, worker

from sluicelab import client  # found by support

RAW_PEER = str(Path(__file__).with_name("raw_peer.py"))
VIP = f"{layout.VIP}:{layout.PORT}"
GAPS_CONNECTIONS = 130
SHUT_CONNECTIONS = 100
OUT_OF_ORDER_AGE = 10  # seconds, tcp/config.h
CLOSING_TIMEOUT = 30   # seconds, tcp/config.h
TABLE = 64             # [memory] connections here, of which 16 are kept for pods
STRANGER = "198.18.0.5"
# Of the rate of the moment before. Without the guards no call ends at all.
GOES_ON = 0.2

IDLE = r"""
import socket, sys, time
source, address, port, connections, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000") + bytes.fromhex("000000040100000000")
kept = []
for _ in range(connections):
    s = socket.create_connection((address, port), 10, (source, 0))
    s.sendall(hello)
    kept.append(s)
print("ready", flush=True)
time.sleep(seconds)
"""


def sluice_mac() -> str:
    run(layout.CLIENT_NAMESPACE, "ping", "-c", "1", layout.VIP)
    return re.search(r"lladdr (\S+)", run(layout.CLIENT_NAMESPACE, "ip", "neighbour", "show", layout.VIP)).group(1)


def stranger(*command: str) -> subprocess.Popen:
    """In the client's network, once it says that it is ready."""
    started = subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, ["/usr/bin/python3", *command]), text=True,
                               stdout=subprocess.PIPE, preexec_fn=process.common_core)
    said = started.stdout.readline()
    if said != "ready\n":
        raise AssertionError(f"{command}: {said}{started.communicate()[0]}")
    return started


def raw_peer(kind: str, connections: int, seconds: int) -> subprocess.Popen:
    return stranger(RAW_PEER, "eth0", sluice_mac(), kind, str(connections), str(seconds), VIP)


def ended(started: subprocess.Popen) -> str:
    return started.communicate(timeout=120)[0]


class Hoarders(LabTest):
    keys = ""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        text = configuration.sluiced_toml(cls.driver)
        north = f'addresses = ["{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}"]\n'
        text = text.replace(north, north + f'routes = [{{ to = "10.0.0.0/8", via = "{layout.CLIENT_ADDRESS}" }}]\n')
        layout.CONFIG_FILE.write_text(text + cls.keys)
        lab.restart_sluiced()

    def rate(self, caller: client.Client, seconds: float = 2) -> float:
        """Calls a second that succeed."""
        def succeeded(report: dict) -> int:
            return sum(report["calls"].values()) - client.failed(report)
        begin, before = time.monotonic(), succeeded(caller.fresh())
        time.sleep(seconds)
        after = succeeded(caller.fresh())
        return (after - before) / (time.monotonic() - begin)


    def best_rate(self, caller: client.Client, enough: float, seconds: float) -> float:
        """The best of so many seconds, or the first that is enough: other work on these cores takes a second at times."""
        until, best = time.monotonic() + seconds, 0.0
        while best <= enough and time.monotonic() < until:
            best = max(best, self.rate(caller, 1))
        return best


class Gaps(Hoarders):
    def test_data_behind_gaps_that_stay_open_stops_nobody_and_is_gone_in_time(self) -> None:
        for size in (1, 1100):  # copied together; a packet buffer each, more of them than there are
            with self.subTest(size):
                before = worker()
                caller = client.Client(in_flight=4)
                calm = self.rate(caller)
                hoarders = raw_peer(f"gaps:{size}", 20 if SANITIZED else GAPS_CONNECTIONS, OUT_OF_ORDER_AGE * 2)
                now = worker()
                stormy = self.best_rate(caller, GOES_ON * calm, OUT_OF_ORDER_AGE)
                print(f"{size} bytes: {calm:.0f} calls/s, then {stormy:.0f}; {now['tcp']['out_of_order']} pieces kept, "
                      f"{now['memory']['hold_buffers_free']} and {now['memory']['rx_buffers_free']} buffers free")
                self.assertGreater(now["tcp"]["out_of_order"] - before["tcp"]["out_of_order"], 1000)
                self.assertTrue(process.wait_until(lambda: self.gone(before), OUT_OF_ORDER_AGE * 3), worker())
                ended(hoarders)  # Sluice may have sent them away: they do not acknowledge its SETTINGS
                report = caller.stop()
                after = worker()
                self.assertGreater(stormy, GOES_ON * calm)
                self.assertEqual(client.failed(report), 0, report)
                self.assertEqual(report["connections"], 1)
                self.assertEqual(after["http2"]["guard_memory"], before["http2"]["guard_memory"])

    def gone(self, before: dict) -> bool:
        tcp = worker()["tcp"]
        dropped = sum(tcp[name] - before["tcp"][name] for name in ("out_of_order_expired", "out_of_order_shed"))
        return dropped > 0 and all(
            worker()["memory"][name] > 0.9 * before["memory"][name] for name in ("hold_buffers_free", "rx_buffers_free"))


class ShutWindows(Hoarders):
    keys = '\n[guards]\npreface_timeout = "2s"\n'

    def test_connections_that_cannot_end_are_ended(self) -> None:
        before = worker()["tcp"]
        caller = client.Client(in_flight=4)
        shut = raw_peer("shut", SHUT_CONNECTIONS, CLOSING_TIMEOUT + 20)
        self.assertTrue(process.wait_until(lambda: worker()["tcp"]["connections"] > SHUT_CONNECTIONS, 5), worker()["tcp"])
        self.assertTrue(process.wait_until(lambda: worker()["tcp"]["connections"] < 10, CLOSING_TIMEOUT + 20, every=1.0),
                        worker()["tcp"])
        after = worker()["tcp"]
        self.assertEqual(int(ended(shut)), SHUT_CONNECTIONS)
        self.assertEqual(after["closing_expired"] - before["closing_expired"], SHUT_CONNECTIONS)
        report = caller.stop()
        self.assertEqual(client.failed(report), 0, report)


class FullTable(Hoarders):
    pods = 2
    workers = 1  # the table of one is filled
    keys = f"\n[memory]\nconnections = {TABLE}\n"

    def test_idle_clients_keep_neither_pods_nor_other_clients_out(self) -> None:
        process.ip(f"address add {STRANGER}/{layout.PREFIX_LENGTH} dev eth0", layout.CLIENT_NAMESPACE)
        first = client.Client(in_flight=4)
        first.fresh()
        idle = stranger("-c", IDLE, STRANGER, layout.VIP, str(layout.PORT), str(TABLE * 3), "20")
        lab.scale(1)
        lab.scale(2)  # waits until Sluice is connected to it
        second = client.Client(in_flight=4)
        second.fresh()
        second.fresh()
        reports = [first.stop(), second.stop()]
        idle.kill()
        idle.communicate()
        tcp = worker()["tcp"]
        print({name: tcp[name] for name in ("connections", "connections_evicted", "refused", "accepted")})
        self.assertGreaterEqual(tcp["connections_evicted"], TABLE * 2)
        for report in reports:
            self.assertGreater(sum(report["calls"].values()), 0)
            self.assertEqual(client.failed(report), 0, report)
            self.assertEqual(report["connections"], 1)


main()
