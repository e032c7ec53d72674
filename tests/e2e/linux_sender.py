#!/usr/bin/python3
"""A sender of the kernel's own TCP with CUBIC, to compare with: answers any HTTP/1 request with zeros for as long as they are
taken. `linux_sender.py PORT`"""

import socket
import sys
import threading

BLOCK = bytes(1 << 18)


def serve(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            connection.sendall(BLOCK)
    except OSError:
        pass


listener = socket.create_server(("", int(sys.argv[1])))
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
