"""Both ends of plain TCP and UDP, for l4_test.py.

`serve NAME ADDRESS PORT` is a pod: a TCP connection and a datagram get the pod's name and the same bytes back.
`hold ADDRESS PORT COUNT` opens so many connections, prints the name that each one heard, and asks again for each line that it reads.
`ask ADDRESS PORT COUNT` sends a datagram from each of so many sockets, three times, and prints the names that each one heard."""

import json
import socket
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


def exchange(connection: socket.socket) -> str:
    """The name that the pod says; the bytes behind it must be those that were sent."""
    connection.sendall(WORD)
    heard = b""
    while heard.partition(b"\n")[2] != WORD:
        data = connection.recv(65_536)
        if not data:
            raise ConnectionError("the pod has closed the connection")
        heard += data
    return heard.partition(b"\n")[0].decode()


def hold(address: str, port: int, count: int) -> None:
    connections = [socket.create_connection((address, port), SECONDS) for _ in range(count)]
    print(json.dumps([exchange(c) for c in connections]), flush=True)
    for _ in sys.stdin:
        print(json.dumps([exchange(c) for c in connections]), flush=True)


def ask(address: str, port: int, count: int) -> None:
    heard = []
    for _ in range(count):
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as s:
            s.settimeout(SECONDS)
            s.connect((address, port))
            heard.append([exchange(s) for _ in range(3)])
    print(json.dumps(heard), flush=True)


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "serve":
        serve(words[0], words[1], int(words[2]))
    else:
        {"hold": hold, "ask": ask}[command](words[0], int(words[1]), int(words[2]))
