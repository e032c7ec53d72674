"""Both ends of plain TCP and UDP, for l4_test.py.

`serve NAME ADDRESS PORT` is a pod: a TCP connection and a datagram get the pod's name and the same bytes back.
`hold ADDRESS PORT COUNT` opens so many connections, prints the name that each one heard ("reset": RST), and asks
again for each line that it reads.
`busy ADDRESS PORT COUNT` opens so many connections and uses all of them without a pause until it reads a line; it prints "ready" when
each has been answered, and at the end the names that each one heard, how often, and what failed.
`try ADDRESS PORT COUNT` makes so many connections, one after the other, and prints how many heard an answer.
`far ADDRESS PORT BYTES` reads so many bytes from a pod that sends them (`source ADDRESS PORT`), and prints whether they were whole.
`refused ADDRESS PORT` prints whether a datagram draws the error that nobody listens.
`ask ADDRESS PORT COUNT [BYTES]` sends a datagram from each of so many sockets, three times, and prints the names that each one heard.
`sink ADDRESS PORT` is a pod, too: it answers a connection, once that is half-closed, with the SHA-256 of what it has read.
`send ADDRESS PORT COUNT` sends so many bytes to a sink, and prints whether it read them all.
`decapsulate` is the end of tunnels: packets within packets to this namespace come out of a TUN device."""

import fcntl
import hashlib
import json
import select
import socket
import struct
import sys
import threading

SECONDS = 5
WORD = b"0123456789" * 100


def echo(name: bytes, connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(name + b"\n" + data)


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(name: str, address: str, port: int) -> None:
    listener = socket.create_server((address, port), family=family_of(address), backlog=1024)
    datagrams = socket.socket(listener.family, socket.SOCK_DGRAM)
    datagrams.bind((address, port))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=echo, args=(name.encode(), connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while True:
        data, sender = datagrams.recvfrom(65_536)
        datagrams.sendto(name.encode() + b"\n" + data, sender)


def exchange(connection: socket.socket, word: bytes = WORD) -> str:
    """The name that the pod says; the bytes behind it must be those that were sent."""
    connection.sendall(word)
    heard = b""
    while heard.partition(b"\n")[2] != word:
        data = connection.recv(65_536)
        if not data:
            raise ConnectionError("the pod has closed the connection")
        heard += data
    return heard.partition(b"\n")[0].decode()


def hold(address: str, port: int, count: int) -> None:
    def heard(connection: socket.socket) -> str:
        try:
            return exchange(connection)
        except (ConnectionResetError, BrokenPipeError):
            return "reset"

    connections = [socket.create_connection((address, port), SECONDS) for _ in range(count)]
    print(json.dumps([heard(c) for c in connections]), flush=True)
    for _ in sys.stdin:
        print(json.dumps([heard(c) for c in connections]), flush=True)


def busy(address: str, port: int, count: int) -> None:
    pods: list = [[] for _ in range(count)]
    exchanges = [0] * count
    failed: list = []
    ending = threading.Event()

    def use(number: int, connection: socket.socket) -> None:
        try:
            while not ending.is_set():
                name = exchange(connection)
                exchanges[number] += 1
                if name not in pods[number]:
                    pods[number].append(name)
        except OSError as error:
            failed.append(str(error))

    connections = [socket.create_connection((address, port), SECONDS) for _ in range(count)]
    for c in connections:
        c.settimeout(4 * SECONDS)
    threads = [threading.Thread(target=use, args=(n, c)) for n, c in enumerate(connections)]
    for thread in threads:
        thread.start()
    while min(exchanges) == 0 and not failed:
        ending.wait(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    ending.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"pods": pods, "exchanges": exchanges, "failed": failed}))


def source(address: str, port: int) -> None:
    listener = socket.create_server((address, port), family=family_of(address))
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(WORD * (int(connection.recv(100)) // len(WORD)))


def far(address: str, port: int, count: int) -> None:
    with socket.create_connection((address, port), 4 * SECONDS) as connection:
        connection.sendall(str(count).encode())
        heard = b""
        while data := connection.recv(65_536):
            heard += data
    print(json.dumps(heard == WORD * (count // len(WORD))))


def refused(address: str, port: int) -> None:
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
        s.settimeout(SECONDS)
        s.connect((address, port))
        s.send(WORD)
        try:
            s.recv(100)
        except ConnectionRefusedError:
            print("true")
        except TimeoutError:
            print("false")


def try_each(address: str, port: int, count: int) -> None:
    answered = 0
    for _ in range(count):
        try:
            with socket.create_connection((address, port), SECONDS) as connection:
                exchange(connection)
                answered += 1
        except OSError:
            pass
    print(answered)


def ask(address: str, port: int, count: int, size: int = len(WORD)) -> None:
    word = WORD * (size // len(WORD))
    heard = []
    for _ in range(count):
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
            s.settimeout(SECONDS)
            s.connect((address, port))
            heard.append([exchange(s, word) for _ in range(3)])
    print(json.dumps(heard), flush=True)


def sink(address: str, port: int) -> None:
    listener = socket.create_server((address, port), family=family_of(address))
    while True:
        with listener.accept()[0] as connection:
            digest = hashlib.sha256()
            while data := connection.recv(65_536):
                digest.update(data)
            connection.sendall(digest.hexdigest().encode())


def send(address: str, port: int, count: int) -> None:
    content = bytes(range(250)) * (count // 250)
    with socket.create_connection((address, port), SECONDS) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        print(json.dumps(connection.recv(100).decode() == hashlib.sha256(content).hexdigest()))


def decapsulate() -> None:
    set_interface, tun, no_packet_information = 0x400454ca, 0x0001, 0x1000  # linux/if_tun.h
    device = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(device, set_interface, struct.pack("16sH22x", b"tunnel0", tun | no_packet_information))
    tunnels = [socket.socket(family, socket.SOCK_RAW, protocol)
               for family in (socket.AF_INET, socket.AF_INET6) for protocol in (socket.IPPROTO_IPIP, socket.IPPROTO_IPV6)]
    print("ready", flush=True)
    while True:
        for tunnel in select.select(tunnels, [], [])[0]:
            packet = tunnel.recv(65_536)
            if tunnel.family == socket.AF_INET:  # which shows the outer header, too
                packet = packet[(packet[0] & 15) * 4:]
            try:
                device.write(packet)
            except OSError:
                pass  # the device is not up yet


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "serve":
        serve(words[0], words[1], int(words[2]))
    elif command == "sink":
        sink(words[0], int(words[1]))
    elif command == "source":
        source(words[0], int(words[1]))
    elif command == "decapsulate":
        decapsulate()
    else:
        {"hold": hold, "ask": ask, "send": send, "try": try_each, "busy": busy, "far": far, "refused": refused}[command](words[0], *map(int, words[1:]))
