#!/usr/bin/python3
"""Two workers: both serve, connections outlive idleness and reloads wherever their packets arrive, and a drain loses nothing."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import SANITIZED, LabTest, active_calls, daemon, lab, layout, main, run
from sluicelab.client import Client, failed
from sluicelab.process import alive, tail, wait_until

CONNECTIONS = 1_000 if SANITIZED else 10_000
IDLE_SECONDS = 10

# Opens so many HTTP/2 connections, some at a time, lets all of them rest, and then asks each for an answer to PING.
IDLE = """
import asyncio, resource, sys
count, address, port, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
hello = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes.fromhex("000000040000000000") + bytes.fromhex("000000040100000000")
ping = bytes.fromhex("000008060000000000") + b"sluice!!"
pong = bytes.fromhex("000008060100000000") + b"sluice!!"

async def connection(gate, opened, rested):
    async with gate:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(hello)
        await reader.readexactly(9)
    opened.release()
    await rested.wait()
    writer.write(ping)
    try:
        await reader.readuntil(pong)
        return 0
    except (OSError, asyncio.IncompleteReadError) as error:
        print(repr(error))
        return 1

async def main():
    gate, opened, rested = asyncio.Semaphore(200), asyncio.Semaphore(0), asyncio.Event()
    all_of_them = [asyncio.create_task(connection(gate, opened, rested)) for _ in range(count)]
    for _ in range(count):
        await opened.acquire()
    await asyncio.sleep(seconds)
    rested.set()
    print("lost", sum(await asyncio.gather(*all_of_them)))

asyncio.run(main())
"""


def workers() -> list:
    return daemon.ask("stats")["workers"]


def counts(group: str, name: str) -> list:
    """By worker."""
    return [worker[group][name] for worker in workers()]


class TwoWorkers:
    pods = 2
    workers = 2

    def test_both_serve_clients_and_both_have_connections_to_pods(self) -> None:
        accepted = counts("tcp", "accepted")
        clients = [Client(in_flight=2, delay=1, duration=1000) for _ in range(12)]
        for client in clients:
            report = client.wait()
            self.assertEqual(failed(report), 0, report["last_error"])
            self.assertEqual(report["connections"], 1)
        for before, after in zip(accepted, counts("tcp", "accepted")):
            self.assertGreater(after, before)
        self.assertTrue(all(n > 0 for n in counts("tcp", "connect_established")), workers())
        self.assertEqual(counts("steer", "overflow"), [0, 0])
        print({name: counts("steer", name) for name in ("handed_over", "taken_over")})

    def test_idle_connections_survive(self) -> None:
        accepted, resets = counts("tcp", "accepted"), counts("tcp", "resets_out")
        said = run(layout.CLIENT_NAMESPACE, sys.executable, "-c", IDLE, str(CONNECTIONS), layout.VIP, str(layout.PORT),
                   str(IDLE_SECONDS), seconds=240)
        self.assertIn("lost 0", said)
        self.assertEqual(counts("tcp", "resets_out"), resets)
        for before, after in zip(accepted, counts("tcp", "accepted")):
            self.assertGreater(after - before, CONNECTIONS // 4)

    def test_calls_go_on_through_reloads(self) -> None:
        clients = [Client(in_flight=3, delay=2, interval=200) for _ in range(4)]
        for client in clients:
            client.fresh()
        for balance in ("least_request", "round_robin", "least_request"):
            self.reload(balance=balance)
            self.assertTrue(wait_until(daemon.adopted, 10), tail(layout.SLUICED_LOG))
            for client in clients:
                client.fresh()
        for client in clients:
            report = client.stop()
            self.assertEqual(failed(report), 0, report["last_error"])
            self.assertEqual(report["connections"], 1)

    def test_a_drain_ends_both_and_loses_no_call(self) -> None:
        clients = [Client(in_flight=10, delay=1500, interval=100) for _ in range(6)]
        self.assertTrue(wait_until(lambda: active_calls() == 60, 10), daemon.pod_rows())
        pid = lab.status()["sluiced"]["pid"]
        with ThreadPoolExecutor(len(clients)) as threads:
            reports = threads.map(Client.stop, clients)  # begin no more calls, wait for those in flight
            os.kill(pid, signal.SIGTERM)
            for report in reports:
                self.assertEqual(failed(report), 0, report["last_error"])
        self.assertTrue(wait_until(lambda: not alive(pid), 15), tail(layout.SLUICED_LOG))
        lab.restart_sluiced()


class Idle(LabTest):
    """One worker: what it sleeps for is not what another gives it."""

    driver = "tun"
    workers = 1

    def sleeps_a_second(self, *command: str) -> float:
        before, began = self.sleeps(), time.monotonic()
        run(layout.CLIENT_NAMESPACE, *command)
        return (self.sleeps() - before) / (time.monotonic() - began)

    def sleeps(self) -> int:
        return daemon.ask("workers")["workers"][0]["sleeps"]

    def test_frames_end_the_sleep_of_an_idle_worker(self) -> None:
        """A worker that nothing wakes sleeps 10 ms at a time. One that frames wake sleeps between the frames, and so more often."""
        undisturbed = self.sleeps_a_second("sleep", "2")
        woken = self.sleeps_a_second("ping", "-q", "-i", "0.002", "-w", "2", layout.VIP)
        print(f"{undisturbed:.0f} sleeps a second, and {woken:.0f} with pings")
        self.assertGreater(undisturbed, 30)
        self.assertGreater(woken, 1.3 * undisturbed)

    def test_an_idle_worker_leaves_its_core_to_others(self) -> None:
        pid = lab.status()["sluiced"]["pid"]

        def seconds() -> float:
            """That the worker has run."""
            (worker,) = (task for task in Path(f"/proc/{pid}/task").iterdir() if "worker" in (task / "comm").read_text())
            return int((worker / "schedstat").read_text().split()[0]) / 1e9

        before, began = seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (seconds() - before) / (time.monotonic() - began)
        print(f"{share:.2%} of a core")
        self.assertLess(share, 0.02)


class IdleInterrupts(Idle):
    """The same where the driver is DPDK's, and has receive interrupts."""

    driver = "tap"


class AfXdp(TwoWorkers, LabTest):
    driver = "af_xdp"


class Tun(TwoWorkers, LabTest):
    driver = "tun"


main()
