#!/usr/bin/python3
"""WebSockets between the library of Python at both ends: through pods of HTTP/1.1, over reloads, to their ends."""

import asyncio
import os
import signal
import socket
import threading
import time

import websockets

from scripted import inside
from sluicelab.process import alive, wait_until
from support import LabTest, daemon, lab, layout, main, service

PORT = 6002
SECONDS = 30
DRAIN_SECONDS = 4


class EchoPod:
    """Answers each message with itself. It runs an event loop of its own in a thread."""

    def __init__(self) -> None:
        with inside(layout.SOUTH_NAMESPACE):
            self.socket = socket.create_server((layout.BRIDGE_ADDRESS, 0))
        self.endpoint = f"{layout.BRIDGE_ADDRESS}:{self.socket.getsockname()[1]}"
        self.loop = asyncio.new_event_loop()
        self.codes: list = []  # of the ends of connections

    async def serve(self, connection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
        except websockets.ConnectionClosed:
            pass
        self.codes.append(connection.close_code)

    def __enter__(self) -> "EchoPod":
        async def start() -> None:
            self.server = await websockets.serve(self.serve, sock=self.socket, max_size=None, subprotocols=["chat"])

        self.loop.run_until_complete(start())
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        """Does not wait for the connections that Sluice keeps for the next request."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.socket.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.1))
        self.loop.close()


class WebSocket(LabTest):
    def listen(self, pod: EchoPod, more: str = "") -> None:
        if not self._cleanups:
            self.addCleanup(self.reload)
        self.reload(service("websocket", PORT, pod.endpoint, keys='protocol = "http1"', protocol="http") + more)

    async def connect(self, **options):
        with inside(layout.CLIENT_NAMESPACE):
            sock = socket.create_connection((layout.VIP, PORT), timeout=10)
        sock.setblocking(False)
        return await asyncio.wait_for(websockets.connect(f"ws://{layout.VIP}:{PORT}/chat", sock=sock, max_size=None, **options), SECONDS)

    def test_messages_of_all_sizes_come_back_and_the_close_code_arrives(self) -> None:
        with EchoPod() as pod:
            self.listen(pod)

            async def talk() -> None:
                client = await self.connect(subprotocols=["chat"])
                self.assertEqual(client.subprotocol, "chat")
                for message in ("hello", os.urandom(1), os.urandom(100_000), os.urandom(3_000_000)):
                    await client.send(message)
                    self.assertEqual(await asyncio.wait_for(client.recv(), SECONDS), message)
                await client.close(code=4001)

            asyncio.run(talk())
            self.assertTrue(wait_until(lambda: pod.codes == [4001], SECONDS), "the pod hears of the client's code")

    def test_a_hundred_at_once_live_through_a_reload(self) -> None:
        with EchoPod() as pod:
            self.listen(pod)

            async def talk() -> None:
                clients = await asyncio.gather(*(self.connect(ping_interval=None) for _ in range(100)))
                self.listen(pod, service("more", PORT + 1, pod.endpoint))
                for i, client in enumerate(clients):
                    await client.send(f"message {i}")
                for i, client in enumerate(clients):
                    self.assertEqual(await asyncio.wait_for(client.recv(), SECONDS), f"message {i}")
                await asyncio.gather(*(client.close() for client in clients))

            asyncio.run(talk())

    def test_a_drain_lets_it_live_for_drain_timeout_and_then_ends_it(self) -> None:
        with EchoPod() as pod:
            self.addCleanup(self.reload)
            self.reload(service("websocket", PORT, pod.endpoint, keys='protocol = "http1"', protocol="http"),
                        timeouts={"drain_timeout": f"{DRAIN_SECONDS}s"})
            self.assertTrue(wait_until(daemon.adopted, 10))
            pid = lab.status()["sluiced"]["pid"]

            async def talk() -> None:
                client = await self.connect(ping_interval=None)
                os.kill(pid, signal.SIGTERM)
                begun = time.monotonic()
                while time.monotonic() - begun < DRAIN_SECONDS - 1:
                    await client.send("still here")
                    self.assertEqual(await asyncio.wait_for(client.recv(), SECONDS), "still here")
                    await asyncio.sleep(0.1)
                with self.assertRaises(websockets.ConnectionClosed):
                    await asyncio.wait_for(client.recv(), SECONDS)

            asyncio.run(talk())
            self.assertTrue(wait_until(lambda: not alive(pid), 10), "nothing keeps sluiced")
            lab.restart_sluiced()

    def test_a_client_that_vanishes_ends_the_pods_side(self) -> None:
        with EchoPod() as pod:
            self.listen(pod)

            async def talk() -> None:
                client = await self.connect()
                await client.send("x")
                await client.recv()
                client.transport.abort()

            asyncio.run(talk())
            self.assertTrue(wait_until(lambda: len(pod.codes) == 1, SECONDS), "the pod's connection ends")

    def test_a_pod_that_speaks_no_WebSocket_refuses_in_its_own_words(self) -> None:
        with EchoPod() as pod:
            self.listen(pod)

            async def talk() -> None:
                with inside(layout.CLIENT_NAMESPACE):
                    reader, writer = await asyncio.open_connection(sock=self.plain())
                writer.write(b"GET / HTTP/1.1\r\nHost: v\r\n\r\n")
                self.assertIn(b" 426 ", await asyncio.wait_for(reader.readline(), SECONDS))
                writer.close()

            asyncio.run(talk())

    def plain(self) -> socket.socket:
        sock = socket.create_connection((layout.VIP, PORT), timeout=10)
        sock.setblocking(False)
        return sock


if __name__ == "__main__":
    main()
