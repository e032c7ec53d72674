#!/usr/bin/env python3
"""Whether a port really sends and receives: UDP through tests/nic/reflector in network namespaces.

usage: port_test.py REFLECTOR af_xdp|tap [--no-huge]     (as root)

Every size from empty to a full 1,500-byte packet comes back unchanged, with checksums that the
kernel accepts; one large TCP packet comes back in segments with the right headers; a burst that
fills the rings is answered. Exit code 77 means that this machine cannot run the test.
"""
import ctypes
import os
import select
import socket
import struct
import subprocess
import sys
import time

NET = f"nictest-{os.getpid()}"
PEER, DEVICE = NET + "-peer", NET + "-dev"
MY_IP, PORT_IP = "198.18.7.1", "198.18.7.2"
MTU = 1500
BURST, OUTSTANDING = 1280, 256  # a TAP device queues 500 frames
SO_RCVBUFFORCE = 33             # beyond what net.core.rmem_max allows


def sh(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The namespaces, the link between them, and the reflector at its far end."""

    process = None

    def open(self, reflector, driver, hugepages):
        for ns in (PEER, DEVICE):
            sh("ip", "netns", "add", ns)
        sh("ip", "link", "add", "wire", "netns", PEER, "type", "veth", "peer", "name", "port0", "netns", DEVICE)
        # The kernel leaves checksums to hardware that is not there.
        sh("ip", "netns", "exec", PEER, "ethtool", "-K", "wire", "tx", "off")
        flags = [] if hugepages else ["nohuge"]
        if driver == "af_xdp":
            device, vdev = "net_af_xdp0", "net_af_xdp0,iface=port0,start_queue=0,queue_count=1"
            flags += ["dense"]
        else:
            device, vdev = "net_tap0", "net_tap0,iface=tap0"
            flags += ["multi_segment", "checksum", "in_process"]
        sh("ip", "-n", PEER, "addr", "add", MY_IP + "/24", "dev", "wire")
        sh("ip", "-n", PEER, "link", "set", "wire", "up")
        sh("ip", "-n", DEVICE, "link", "set", "port0", "up")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", DEVICE, reflector, device, vdev, *flags],
            stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if not words or words[0] != "ready":
            raise SystemExit("the reflector does not start")
        self.mac = words[1]
        if driver == "tap":
            sh("ip", "-n", DEVICE, "link", "add", "br0", "type", "bridge")
            # A tap interface is made with the port's own address, which a bridge takes for itself.
            sh("ip", "-n", DEVICE, "link", "set", "tap0", "address", "02:00:00:00:00:77")
            for link in ("tap0", "port0"):
                sh("ip", "-n", DEVICE, "link", "set", link, "master", "br0")
            for link in ("tap0", "br0"):
                sh("ip", "-n", DEVICE, "link", "set", link, "up")
        sh("ip", "-n", PEER, "neigh", "replace", PORT_IP, "lladdr", self.mac, "dev", "wire")
        time.sleep(0.3)

    def close(self):
        if self.process is not None:
            self.process.terminate()
            try:
                print("   ", self.process.communicate(timeout=10)[0].strip())
            except subprocess.TimeoutExpired:
                self.process.kill()
        for ns in (PEER, DEVICE):
            subprocess.run(["ip", "netns", "del", ns])


def answer(sock, data, tries=5):
    for _ in range(tries):
        sock.sendto(data, (PORT_IP, 5000))
        end = time.time() + 0.5
        while time.time() < end:
            if select.select([sock], [], [], 0.1)[0]:
                got = sock.recv(65535)
                if got == data:
                    return True
    return False


def every_size_comes_back(sock):
    sizes = [0, 1, 2, 3, 7, 8, 9, 17, 18, 19, 63, 64, 100, 255, 256, 257, 511, 1024, 1400, 1470, 1471, 1472]
    for n in sizes:
        data = bytes((i * 7 + n) & 0xFF for i in range(n))
        assert answer(sock, data), f"a datagram of {n} bytes did not come back unchanged"


def a_burst_comes_back(sock):
    """With no more under way than every queue holds, however long a machine lets the reader or the port wait."""
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    while select.select([sock], [], [], 0.5)[0]:  # late answers to what was asked twice
        sock.recv(65535)
    sent, got = set(), set()

    def read(left):
        """Until so many are under way, or nothing comes any more."""
        while len(sent) - len(got) > left and select.select([sock], [], [], 2.0)[0]:
            got.add(sock.recv(65535))
        return len(sent) - len(got) <= left

    while len(sent) < BURST and read(OUTSTANDING - 1):
        data = struct.pack("!I", len(sent)) + os.urandom(1468)
        sent.add(data)
        sock.sendto(data, (PORT_IP, 5000))
    read(0)
    assert got <= sent, "a datagram came back that nobody sent"
    assert len(got) >= BURST * 9 // 10, f"{len(got)} of {BURST} came back"
    print(f"    burst: {len(got)} of {BURST} full-size datagrams")


def segments_are_right(sock, raw):
    for size in (100, 101, 480, 536, 1447, 1460):
        # 1,472 bytes of UDP payload are the most that arrives, and 1,460 of TCP the most that leaves at once.
        payload = (f"cut {size} ".encode() + os.urandom(1472))[:1472]
        while select.select([raw], [], [], 0)[0]:
            raw.recv(65535)
        sock.sendto(payload, (PORT_IP, 5000))
        got, offset, index, first_id = b"", 0, 0, None
        while len(got) < len(payload):
            assert select.select([raw], [], [], 1.0)[0], f"segment {index} of {size} bytes does not arrive"
            frame = raw.recv(65535)
            if frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[26:30] != socket.inet_aton(PORT_IP):
                continue
            total = struct.unpack("!H", frame[16:18])[0]
            ip, tcp = frame[14:34], frame[34:14 + total]
            assert checksum(ip) == 0, "IPv4 checksum"
            pseudo = ip[12:20] + struct.pack("!HH", 6, len(tcp))
            assert checksum(pseudo + tcp) == 0, "TCP checksum"
            seq = struct.unpack("!I", tcp[4:8])[0]
            assert seq == (0xFFFFFFF0 + offset) & 0xFFFFFFFF, "sequence number"
            data = tcp[20:]
            last = offset + len(data) == len(payload)
            assert len(data) == size or last, "segment size"
            assert bool(tcp[13] & 0x09) == last, f"FIN and PSH on the last only: {tcp[13]:#x}"
            ident = struct.unpack("!H", ip[4:6])[0]
            first_id = ident if first_id is None else first_id
            assert (ident - first_id) & 0xFFFF == index, "IPv4 identification"
            got += data
            offset += len(data)
            index += 1
        assert got == payload, "payload"


def setns(fd):
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(77)
    wire = Wire()
    try:
        wire.open(sys.argv[1], sys.argv[2], "--no-huge" not in sys.argv)
        with open(f"/run/netns/{PEER}") as ns:
            setns(ns.fileno())
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((MY_IP, 5001))
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        raw.bind(("wire", 0))
        every_size_comes_back(sock)
        print("    every size comes back")
        segments_are_right(sock, raw)
        print("    segments are right")
        a_burst_comes_back(sock)
    finally:
        wire.close()
    print("ok", sys.argv[2])


main()
