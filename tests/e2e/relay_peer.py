"""Both ends of relayed connections, for tcp_relay_test.py.

`serve NAME ADDRESS PORT` is a pod. The first line of a connection says what the pod does with it: see POD.
`ask ADDRESS PORT CASE [NUMBER]` is a client: see CLIENT. It prints what it saw as JSON."""

import hashlib
import json
import socket
import struct
import sys
import threading
import time

SECONDS = 30
CHUNK = bytes(range(251)) * 260
seen = []  # how connections of "watch" ended


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(s: socket.socket, count: int) -> str:
    """So many bytes of a pattern; their digest."""
    digest = hashlib.sha256()
    while count > 0:
        piece = CHUNK[:count]
        s.sendall(piece)
        digest.update(piece)
        count -= len(piece)
    return digest.hexdigest()


def receive(s: socket.socket, pause: float = 0, size: int = 262_144) -> dict:
    """Everything until the end: how many bytes, their digest, and how it ended."""
    digest, count, end = hashlib.sha256(), 0, "end"
    try:
        while data := s.recv(size):
            digest.update(data)
            count += len(data)
            if pause:
                time.sleep(pause)
    except ConnectionResetError:
        end = "reset"
    return {"bytes": count, "digest": digest.hexdigest(), "end": end}


def reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def line(s: socket.socket) -> str:
    got = b""
    while not got.endswith(b"\n"):
        byte = s.recv(1)
        if not byte:
            break
        got += byte
    return got.decode().strip()


def both_ways(s: socket.socket, count: int) -> dict:
    """Sends and receives at once."""
    sent = []
    sender = threading.Thread(target=lambda: (sent.append(send(s, count)), s.shutdown(socket.SHUT_WR)))
    sender.start()
    got = receive(s)
    sender.join()
    return {"sent": sent[0], **got}


def pod_reports(s: socket.socket, name: str, number: int) -> None:
    s.sendall(json.dumps(receive(s)).encode())


def pod_resets(s: socket.socket, name: str, number: int) -> None:
    s.sendall(b"last words")
    time.sleep(0.2)
    reset(s)


def pod_ends_first(s: socket.socket, name: str, number: int) -> None:
    s.sendall(b"bye")
    s.shutdown(socket.SHUT_WR)
    seen.append(receive(s))


def pod_says_its_name(s: socket.socket, name: str, number: int) -> None:
    while True:
        s.sendall(name.encode() + b"\n")
        if not line(s):
            return


POD = {
    "name": pod_says_its_name,  # for each line
    "sink": pod_reports,        # reads to the end, then says what came
    "source": lambda s, name, number: send(s, number),
    "both": lambda s, name, number: both_ways(s, number),
    "reset": pod_resets,
    "ends": pod_ends_first,
    "watch": lambda s, name, number: seen.append(receive(s)),
    "seen": lambda s, name, number: s.sendall(json.dumps(seen[-1] if seen else None).encode()),
    "peer": lambda s, name, number: s.sendall(s.getpeername()[0].encode()),
}


def serve(name: str, address: str, port: str) -> None:
    listener = socket.create_server((address, int(port)), family=family_of(address), backlog=1024)

    def one(s: socket.socket) -> None:
        with s:
            command, _, number = line(s).partition(" ")
            if command in POD:
                POD[command](s, name, int(number or 0))

    while True:
        s, _ = listener.accept()
        threading.Thread(target=one, args=(s,), daemon=True).start()


def client_resets(s: socket.socket, number: int) -> None:
    s.sendall(b"watch\nhello")
    time.sleep(0.3)
    reset(s)


def client_half_closes(s: socket.socket, number: int) -> dict:
    s.sendall(b"sink\n")
    digest = send(s, number)
    s.shutdown(socket.SHUT_WR)
    return {"sent": digest, "pod": json.loads(s.recv(4096))}


def client_after_the_pods_end(s: socket.socket, number: int) -> dict:
    s.sendall(b"ends\n")
    first = s.recv(100) + s.recv(100)
    time.sleep(0.3)
    s.sendall(b"more")
    s.close()
    return {"heard": first.decode()}


def said(command: str):
    def case(s: socket.socket, number: int) -> dict:
        s.sendall(f"{command} {number}\n".encode())
        return receive(s)
    return case


def client_both(s: socket.socket, number: int) -> dict:
    s.sendall(f"both {number}\n".encode())
    return both_ways(s, number)


def client_slow(s: socket.socket, number: int) -> dict:
    s.sendall(f"source {number}\n".encode())
    return receive(s, pause=0.01, size=20_000)


def client_holds(s: socket.socket, number: int) -> None:
    """Opens so many connections, prints the name that each one hears, and asks again for each line that it reads."""
    connections = [s] + [socket.create_connection(s.getpeername()[:2], SECONDS) for _ in range(number - 1)]
    for c in connections:
        c.sendall(b"name\n")
    print(json.dumps([line(c) for c in connections]), flush=True)
    for _ in sys.stdin:
        for c in connections:
            c.sendall(b"again\n")
        print(json.dumps([line(c) for c in connections]), flush=True)


CLIENT = {
    "half-close": client_half_closes,
    "resets": client_resets,
    "reset": said("reset"),
    "ends": client_after_the_pods_end,
    "both": client_both,
    "source": said("source"),
    "slow": client_slow,
    "hold": client_holds,
}


def say(s: socket.socket, command: str) -> str:
    s.sendall(f"{command}\n".encode())
    heard = b""
    while data := s.recv(4096):
        heard += data
    return heard.decode()


def ask(address: str, port: str, case: str, number: str = "0") -> None:
    with socket.create_connection((address, int(port)), SECONDS) as s:
        print(json.dumps(CLIENT[case](s, int(number)) if case in CLIENT else say(s, case)), flush=True)


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
