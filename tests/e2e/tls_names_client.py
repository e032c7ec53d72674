"""A client of tls_names_test.py: sends its ClientHello, padded to 2 KB by ALPN, in pieces of SIZE bytes with a PAUSE between them.

tls_names_client.py ADDRESS PORT NAME CA SIZE PAUSE"""

import socket
import ssl
import sys
import time


def main(address: str, port: str, name: str, ca: str, size: str, pause: str) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["http/1.1"] + [f"x-padding-{number:03}-{'x' * 180}" for number in range(8)])
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(arrived, leaving, server_hostname=name)
    with socket.create_connection((address, int(port)), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush(step: int) -> None:
            data = leaving.read()
            for at in range(0, len(data), step):
                s.sendall(data[at:at + step])
                if step < len(data):
                    time.sleep(float(pause))

        def until(action):
            step = int(size)
            while True:
                try:
                    done = action()
                    flush(65_536)
                    return done
                except ssl.SSLWantReadError:
                    flush(step)
                    step = 65_536
                    data = s.recv(65_536)
                    if not data:
                        raise ConnectionError("the connection has ended") from None
                    arrived.write(data)

        until(tls.do_handshake)
        until(lambda: tls.write(b"GET / HTTP/1.0\r\n\r\n"))
        print("200 ok" if b" 200 ok" in until(lambda: tls.read(100)) else "no answer")


main(*sys.argv[1:])
