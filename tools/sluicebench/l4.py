"""`tools/bench l4`: packets through L4 listeners on one core, beside testpmd, which reads the same captures by the same driver.

Both poll DPDK's net_pcap with infinite_rx, which keeps a capture in memory, copies each packet for its reader, and drops what is sent.
So the difference is what forwarding costs. Rates are packets in a second of the polling thread's CPU time, so that others on the machine
take less part."""

import json
import random
import re
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

from sluicelab import hugepages, layout
from sluicelab.process import LabError, tail, wait_until

TARGETS = ("src/sluiced", "tools/sluicectl")
TESTPMD = "dpdk-testpmd"
CORE, CONTROL_CORE = 0, 1
SECONDS = 3.0
LEAST_PACKETS = 4096  # of a capture
PAYLOAD = 18          # bytes: an Ethernet frame of 64 with IPv4
PODS = 8
PORT, POD_PORT = 53, 53
OWN = {4: "198.18.0.2", 6: "2001:db8::2"}
VIP = {4: "198.18.0.10", 6: "2001:db8::10"}
POD = {4: "198.18.1.{}", 6: "2001:db8::1:{}"}
CLIENT = {4: 0x0a000000, 6: int.from_bytes(socket.inet_pton(socket.AF_INET6, "2001:db8:a::"), "big")}
GATEWAY = {4: "198.18.0.254", 6: "2001:db8::fe"}
SOURCES = 8           # SNAT addresses: 8 times 31,744 flows to each of 8 pods
FLOWS = (1_000, 100_000, 1_000_000)
START_SECONDS = 60.0
# Bytes of a buffer, and the MTU that fits: small ones, since a whole capture lies in buffers.
ROOMS = {4: (1024, 576), 6: (1664, 1280)}
# Of testpmd's 5tswap, by mode, version of IP and number of flows (docs/performance.md).
GOALS = {("dsr", 4): 0.75, ("ipip", 4): 0.75, ("dsr", 6): 0.75, ("ipip", 6): 0.75, ("nat", 4): 0.65, ("nat", 6): 0.55}
GOAL_OF_A_MILLION = 0.5


class Row(NamedTuple):
    mode: str  # io and 5tswap are testpmd's
    version: int
    flows: int


def rows(quick: bool) -> list:
    counts = FLOWS[:1] if quick else FLOWS
    return [Row(mode, version, flows) for version in (4, 6) for flows in counts for mode in ("io", "5tswap", "dsr", "ipip", "nat")]


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(address: str) -> bytes:
    return b"\x06\0" + packed(address)[-4:]


def question(version: int, own_mac: bytes, number: int) -> bytes:
    """A datagram of the client with this number. Its source port differs, too."""
    source_port = 1024 + number % 60_000
    length = 8 + PAYLOAD
    datagram = struct.pack("!HHHH", source_port, PORT, length, 0) + bytes(PAYLOAD)
    vip = packed(VIP[version])
    if version == 4:
        source = struct.pack("!I", CLIENT[4] + number)
        covered = source + vip + struct.pack("!HH", 17, length)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0) + source + vip
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    else:
        source = (CLIENT[6] + number).to_bytes(16, "big")
        covered = source + vip + struct.pack("!II", length, 17)
        header = struct.pack("!IHBB", 6 << 28, length, 17, 64) + source + vip
    datagram = datagram[:6] + struct.pack("!H", checksum(covered + datagram) or 0xffff) + datagram[8:]
    ethernet = own_mac + mac(GATEWAY[version]) + (b"\x08\0" if version == 4 else b"\x86\xdd")
    return ethernet + header + datagram


def introduction(version: int, own_mac: bytes, address: str) -> bytes:
    """The neighbour with this address asks for Sluice's, and so becomes known."""
    own = packed(OWN[version])
    if version == 4:
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac(address) + packed(address) + bytes(6) + own
        return b"\xff" * 6 + mac(address) + b"\x08\x06" + body
    group = bytes.fromhex("ff0200000000000000000001ff") + own[-3:]
    message = b"\x87\0\0\0" + bytes(4) + own + b"\x01\x01" + mac(address)
    covered = packed(address) + group + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", checksum(covered + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + packed(address) + group
    return b"\x33\x33" + group[-4:] + mac(address) + b"\x86\xdd" + header + message


def neighbours(version: int) -> list:
    return [GATEWAY[version], *(POD[version].format(number + 1) for number in range(PODS))]


def write_capture(path: Path, version: int, flows: int, own_mac: bytes) -> int:
    """Each flow once or several times, in random order; how many packets they are."""
    numbers = list(range(flows)) * max(1, LEAST_PACKETS // flows)
    random.Random(1).shuffle(numbers)
    frames = [introduction(version, own_mac, address) for address in neighbours(version)]
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65_535, 1))
        def write(frame: bytes) -> None:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
        for frame in frames:
            write(frame)
        for number in numbers:
            write(question(version, own_mac, number))
    return len(frames) + len(numbers)


def vdev(capture: Path) -> str:
    return f"net_pcap0,rx_pcap={capture},infinite_rx=1"


def buffers(packets: int) -> int:
    """One for each packet of the capture, and those that are on their way."""
    return packets + 16_384


def memory(packets: int, room: int) -> int:
    """MiB of huge pages."""
    return 128 + buffers(packets) * (room + 256) // (1 << 20)


def cpu_seconds(pid: int) -> float:
    """Of the thread that polls."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if re.match(r"(rte|lcore)-worker", (task / "comm").read_text()):
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise LabError("no thread polls")


def testpmd(mode: str, capture: Path, packets: int, scratch: Path) -> float:
    """Packets in a second of its core."""
    command = [TESTPMD, "--lcores", f"{CONTROL_CORE},{CORE}", "--main-lcore", str(CONTROL_CORE), "--no-pci", "--in-memory", "-m", str(memory(packets, 384)),
               "--vdev", vdev(capture), "--", f"--forward-mode={mode}", "--nb-cores=1", f"--total-num-mbufs={buffers(packets)}",
               "--mbuf-size=384", "--stats-period=1", "--no-lsc-interrupt"]
    log = scratch / "testpmd.log"
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
        try:
            looks: list = []  # packets and CPU seconds, with each line of statistics

            def enough() -> bool:
                received = re.findall(r"RX-packets:\s+(\d+)", log.read_text(errors="replace"))
                if len(received) > len(looks):
                    looks.append((int(received[-1]), cpu_seconds(process.pid)))
                return len(looks) > 1 + SECONDS or process.poll() is not None

            if not wait_until(enough, START_SECONDS, 0.01) or process.poll() is not None:
                raise LabError(f"testpmd does not run:\n{tail(log)}")
            (first, begun), (last, ended) = looks[1], looks[-1]
            return (last - first) / (ended - begun)
        finally:
            process.terminate()
            process.wait(10)
            process.stdin.close()


def configuration(row: Row, capture: Path, packets: int, scratch: Path) -> Path:
    room, mtu = ROOMS[row.version]
    (scratch / "dpdk.toml").write_text(f"""\
worker_cores = [{CORE}]
control_core = {CONTROL_CORE}
memory_mib = {memory(packets, room)}
in_memory = true
rx_mbufs = {buffers(packets)}
tx_mbufs = 4096
hold_mbufs = 4096
data_room = {room}
vdevs = ["{vdev(capture)}"]
""")
    (scratch / "pcap.toml").write_text(f"""\
name = "pcap"
multi_segment = false
max_mtu = {mtu}
rx_descriptors = 1024
tx_descriptors = 1024
tx_burst = 64
""")
    sources = ", ".join(f'"{source}"' for source in snat(row.version))
    pods = ", ".join(f'{{ address = "{bracketed(POD[row.version].format(number + 1))}:{POD_PORT}" }}' for number in range(PODS))
    via = f'[{{ to = "10.0.0.0/8", via = "{GATEWAY[4]}" }}]' if row.version == 4 else f'[{{ to = "2001:db8:a::/48", via = "{GATEWAY[6]}" }}]'
    path = scratch / "sluiced.toml"
    path.write_text(f"""\
dpdk = "{scratch}/dpdk.toml"
[sluice]
workers = 1
admin_socket = "{scratch}/sluiced.sock"
log_level = "warning"
[memory]
flows = {max(65_536, row.flows * 2)}
[[port]]
name = "pcap"
device = "net_pcap0"
profile = "{scratch}/pcap.toml"
addresses = ["{OWN[row.version]}/{16 if row.version == 4 else 64}"]
snat_addresses = [{sources}]
routes = {via}
mtu = {mtu}
[[listener]]
name = "dns"
address = "{bracketed(VIP[row.version])}:{PORT}"
protocol = "udp"
mode = "{row.mode}"
service = "dns"
[[service]]
name = "dns"
endpoints = [{pods}]
""")
    return path


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def snat(version: int) -> list:
    return [(f"198.18.2.{n + 1}" if version == 4 else f"2001:db8::2:{n + 1}") for n in range(SOURCES)]


def worker(scratch: Path, pid: int) -> dict:
    before = cpu_seconds(pid)
    done = subprocess.run([str(layout.sluicectl_binary()), "--socket", str(scratch / "sluiced.sock"), "stats", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LabError(f"sluiced does not answer: {done.stderr.strip()}")
    return {"at": (before + cpu_seconds(pid)) / 2, **json.loads(done.stdout)["workers"][0]}


def sluice(row: Row, capture: Path, packets: int, scratch: Path) -> dict:
    """Packets and new flows in a second of the core."""
    path, log = configuration(row, capture, packets, scratch), scratch / "sluiced.log"
    with open(log, "w") as out:
        process = subprocess.Popen([str(layout.sluiced_binary()), "--config", str(path)], stdout=out, stderr=out)
    try:
        if not wait_until(lambda: (scratch / "sluiced.sock").exists() or process.poll() is not None, START_SECONDS, 0.02) \
                or process.poll() is not None:
            raise LabError(f"sluiced does not start:\n{tail(log)}")
        ramp: list = []  # CPU seconds and flows begun, while they begin

        def complete() -> bool:
            look = worker(scratch, process.pid)
            ramp.append((look["at"], look["l4"]["flows_begun"]))
            return look["l4"]["flows"] >= row.flows or process.poll() is not None

        if not wait_until(complete, START_SECONDS, 0.001):
            raise LabError(f"only {worker(scratch, process.pid)['l4']} of {row.flows} flows\n{tail(log)}")
        time.sleep(0.2)
        before = worker(scratch, process.pid)
        time.sleep(SECONDS)
        after = worker(scratch, process.pid)
    finally:
        process.terminate()
        process.wait(20)
    sent = after["l4"]["to_pods"] - before["l4"]["to_pods"]
    seconds = after["at"] - before["at"]
    if sent == 0:
        raise LabError(f"nothing was forwarded: {after['l4']} {after['ports'][0]['drops']}")
    return {"pps": sent / seconds, "new_flows": steepness(ramp, row.flows)}


def steepness(ramp: list, flows: int) -> Optional[float]:
    """New flows in a second, by the looks at which flows began. At the end of the capture few are new."""
    within = [(at, begun) for at, begun in ramp if 0 < begun < flows * 0.95]
    if len(within) < 2 or flows < 100_000:
        return None
    (first_at, first), (last_at, last) = within[0], within[-1]
    return (last - first) / (last_at - first_at) if last_at > first_at else None


def own_mac(scratch: Path) -> bytes:
    """Of net_pcap's first device: 02:70:63:61:70:00, unless the driver has changed."""
    return bytes.fromhex("027063617000")


def tsc_hz() -> float:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return float(line.split(":")[1]) * 1e6
    raise LabError("/proc/cpuinfo has no cpu MHz")


def run(wanted: list, broken: list) -> list:
    before, done, hz = hugepages.reserve(), [], tsc_hz()
    reference: dict = {}
    try:
        for row in wanted:
            with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
                scratch = Path(directory)
                capture = scratch / "in.pcap"
                packets = write_capture(capture, row.version, row.flows, own_mac(scratch))
                try:
                    if row.mode in ("io", "5tswap"):
                        pps = testpmd(row.mode, capture, packets, scratch)
                        result = {"pps": pps}
                        if row.mode == "5tswap":
                            reference[row.version, row.flows] = pps
                    else:
                        result = sluice(row, capture, packets, scratch)
                except LabError as error:
                    print(f"{row}: {error}", flush=True)
                    broken.append(str(row))
                    continue
            swap = reference.get((row.version, row.flows))
            result = {**row._asdict(), **result, "cycles": hz / result["pps"], "of_5tswap": result["pps"] / swap if swap else None, "goal": goal(row)}
            done.append(result)
            print(line(result), flush=True)
    finally:
        hugepages.restore(before)
    return done


def goal(row: Row) -> Optional[float]:
    if row.flows == FLOWS[-1] and row.mode not in ("io", "5tswap"):
        return GOAL_OF_A_MILLION
    return GOALS.get((row.mode, row.version)) if row.flows == FLOWS[0] else None


def line(result: dict) -> str:
    share = "" if result["of_5tswap"] is None else f"{result['of_5tswap']:6.1%} of 5tswap"
    wanted = "" if result["goal"] is None else f" (goal {result['goal']:.0%})"
    new = f", {result['new_flows'] / 1e6:.2f} M new flows/s" if result.get("new_flows") else ""
    return (f"IPv{result['version']} {result['mode']:<7} {result['flows']:>9,} flows {result['pps'] / 1e6:7.2f} Mpps "
            f"{result['cycles']:6.0f} cycles {share}{wanted}{new}")


def chosen(only: Optional[list], quick: bool) -> Iterator[Row]:
    wanted = rows(quick)
    if not only:
        return wanted
    return [row for row in wanted if row.mode in (*only, "5tswap")]
