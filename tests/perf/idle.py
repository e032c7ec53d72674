#!/usr/bin/python3
"""What an idle worker costs, and how long a first packet waits for it, beside a bare echo of the kernel at the same moment.

A client on core 1 asks in turn, with pauses in which everybody sleeps: sluiced on core 0, by a PING of HTTP/2 over a TAP device,
and a process on core 0 that waits in epoll and sends back what comes over a veth pair. So both answers contain the wake-up of a
process on the other core. A second run has sluiced poll (`idle = "poll"`). Needs root.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import configuration, lab, layout, network  # noqa: E402
from sluicelab.process import in_namespace, ip, run, wait_until  # noqa: E402

ECHO_NAMESPACE = "sluice-echo"
ECHO, CLIENT_END, ECHO_PORT = "198.18.77.1", "198.18.77.2", 7
CORE, CLIENT_CORE = 0, 1
PAUSE = 0.02      # seconds before each question
REST = 5.0        # seconds in which nobody asks

ECHO_SOURCE = r"""
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1)) return 1;
  int c = accept(listener, 0, 0), e = epoll_create1(0);
  setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event want = {.events = EPOLLIN}, got;
  epoll_ctl(e, EPOLL_CTL_ADD, c, &want);
  char bytes[4096];
  for (ssize_t n; epoll_wait(e, &got, 1, -1) >= 0 && (n = read(c, bytes, sizeof bytes)) > 0;)
    if (write(c, bytes, n) != n) return 1;
  return 0;
}
"""

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000000000040100000000")
PING = bytes.fromhex("000008060000000000") + b"sluice!!"
PONG = bytes.fromhex("000008060100000000") + b"sluice!!"


def echo_up(scratch: Path) -> subprocess.Popen:
    binary = scratch / "echo"
    subprocess.run(["cc", "-O2", "-x", "c", "-o", str(binary), "-"], input=ECHO_SOURCE, text=True, check=True)
    network.add_namespace(ECHO_NAMESPACE)
    ip(f"link add echo netns {layout.CLIENT_NAMESPACE} type veth peer name eth0 netns {ECHO_NAMESPACE}")
    for namespace, device, address in ((layout.CLIENT_NAMESPACE, "echo", CLIENT_END), (ECHO_NAMESPACE, "eth0", ECHO)):
        ip(f"address add {address}/30 dev {device}", namespace)
        ip(f"link set {device} up", namespace)
    return subprocess.Popen(in_namespace(ECHO_NAMESPACE, ["taskset", "-c", str(CORE), str(binary)]))


def connect(address: str, port: int) -> socket.socket:
    for _ in range(50):
        try:
            one = socket.create_connection((address, port), timeout=10)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return one
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit(f"nobody listens at {address}:{port}")


def receive(one: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = one.recv(size - len(got))
        if not more:
            raise SystemExit("the connection has ended")
        got += more
    return got


def ask(rounds: int) -> None:
    """Inside the client's namespace: prints pairs of microseconds, Sluice's and the echo's."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    sluice, echo = connect(layout.VIP, layout.PORT), connect(ECHO, ECHO_PORT)
    sluice.sendall(HELLO + PING)
    seen = b""
    while PONG not in seen:
        seen += sluice.recv(4096)
    for number in range(rounds):
        pair = {}
        for name, one in (("sluice", sluice), ("echo", echo)) if number % 2 else (("echo", echo), ("sluice", sluice)):
            time.sleep(PAUSE)
            began = time.perf_counter()
            one.sendall(PING)
            receive(one, len(PING))
            pair[name] = 1e6 * (time.perf_counter() - began)
        print(f"{pair['sluice']:.1f} {pair['echo']:.1f}")


def worker_seconds(pid: int) -> float:
    """CPU time of the first worker."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if re.fullmatch(r"(rte|dpdk)-worker.*", (task / "comm").read_text().strip()):
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise SystemExit("sluiced has no worker")


def at(sorted_values: list, share: float) -> float:
    return sorted_values[min(int(share * len(sorted_values)), len(sorted_values) - 1)]


def measure(how: str, rounds: int) -> None:
    configured = configuration.sluiced_toml("tun").replace("[sluice]\n", f'[sluice]\nidle = "{how}"\n')
    layout.CONFIG_FILE.write_text(configured)
    lab.restart_sluiced()
    pid = lab.status()["sluiced"]["pid"]
    before, began = worker_seconds(pid), time.monotonic()
    time.sleep(REST)
    share = (worker_seconds(pid) - before) / (time.monotonic() - began)
    with tempfile.TemporaryDirectory() as scratch:
        echo = echo_up(Path(scratch))
        try:
            said = run(*in_namespace(layout.CLIENT_NAMESPACE, [sys.executable, __file__, "--ask", "--rounds", str(rounds)]))
        finally:
            echo.kill()
            echo.wait()
            ip(f"netns delete {ECHO_NAMESPACE}")
            wait_until(lambda: not network.device_exists(layout.CLIENT_NAMESPACE, "echo"), 5)
    pairs = [tuple(map(float, line.split())) for line in said.splitlines()]
    ours, echos = (sorted(column) for column in zip(*pairs))
    print(f"idle = {how}: {share:.1%} of a core at rest; us: Sluice's median {at(ours, .5):.0f}, p99 {at(ours, .99):.0f}; "
          f"the echo's {at(echos, .5):.0f}, {at(echos, .99):.0f}; ratio of medians {at(ours, .5) / at(echos, .5):.2f}, "
          f"of p99 {at(ours, .99) / at(echos, .99):.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        return ask(given.rounds)
    lab.up(1, "tun", workers=1)
    try:
        for how in ("sleep", "poll"):
            measure(how, given.rounds)
    finally:
        lab.down()


main()
