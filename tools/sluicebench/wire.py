"""`tools/bench wire`: Sluice alone at its limit. `sluice-load` plays clients and pods over two wires in shared memory: memif, or virtio,
where Sluice has a NIC with checksums, TSO and LRO, and the load is the NIC's host."""

import ctypes
import ipaddress
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple, Optional

from sluicelab import hugepages, layout
from sluicelab.process import LabError, allow_locked_memory, tail, wait_until

from . import machine, stages

TARGETS = ("src/sluiced", "tools/sluicectl", "tools/load/sluice-load")
PATTERNS = layout.REPOSITORY / "tests" / "http2" / "patterns"
NORTH, SOUTH = "198.18.0.1/16", "198.19.0.1/16"
VIP = "198.18.0.2"
FIRST_POD = ipaddress.IPv4Address("198.19.1.0")  # the others follow

SLUICE_CORE, LOAD_CORE = 0, 1
WORKER = "rte-worker-1"  # DPDK's name of Sluice's first worker
FULL_SECONDS, QUICK_SECONDS = 3.0, 0.7
SHARES = (0.1, 0.5, 0.8)  # of the peak, at which latency is taken by a schedule
START_SECONDS = 20.0
BUSY = 0.5  # a poller below this waits for the other one most of the time
SPARE_SECONDS = 40.0
# Others on this machine should not take part. Between sessions the kernel looks at the session's figure, if it groups by them.
NICE = -20


PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Nic(NamedTuple):
    """Sluice's end of the wires."""
    profile: str  # in nic_profiles/
    devices: tuple  # north, south
    dpdk: str  # file in dpdk_conf/
    load_is_server: bool  # of the sockets: it starts first


NICS = {
    "memif": Nic("memif", ("net_memif0", "net_memif1"), "memif", False),
    "virtio": Nic("virtio", ("net_virtio_user0", "net_virtio_user1"), "virtio-user", True),
}


class Row(NamedTuple):
    name: str
    mode: str = "calls"
    connections: int = 10
    streams: int = 32
    answer: int = 100
    blocks: str = "h2load_requests"
    open_loop: bool = False
    window: int = 0  # frames under way, of an echo
    pods: int = 2
    in_flight: int = 0  # calls in all; 0: as many as connections and streams allow
    nic: str = "memif"
    mtu: int = 1500


ALL = (
    Row("echo-bulk", mode="echo", window=256),
    Row("echo-1x1", mode="echo", window=1),
    Row("unary-100B-10x32", open_loop=True),
    Row("grpc-go-unary-100B-10x32", blocks="grpc_go_requests"),
    Row("grpc-cpp-unary-100B-10x32", blocks="grpc_cpp_requests"),
    Row("grpc-python-unary-100B-10x32", blocks="grpc_python_requests"),
    Row("unary-100B-1x1", connections=1, streams=1),
    Row("connection-per-call-100B-256x1", mode="connections", connections=256, streams=1),
    Row("unary-1MiB-4x4", connections=4, streams=4, answer=1 << 20),
)


def chosen(only: Optional[list], nic: str, mtu: int) -> list:
    rows = [row._replace(nic=nic, mtu=mtu) for row in ALL]
    if not only:
        return rows
    unknown = set(only) - {row.name for row in ALL}
    if unknown:
        raise LabError(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ALL)}")
    # The bulk echo is what other rows are related to.
    return [row for row in rows if row.name in {*only, "echo-bulk"}]


def run(rows: list, seconds: float, broken: list, with_stages: bool = False) -> list:
    """The rows in turn; what fails is said, and named in `broken`."""
    before = hugepages.reserve()
    done = []
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as scratch:
            for row in rows:
                try:
                    done.append(_measure(row, seconds, Path(scratch), with_stages))
                except LabError as error:
                    print(f"{row.name}: {error}", flush=True)
                    broken.append(row.name)
                    continue
                _relate(done)
                print(_line(done[-1]), flush=True)
    finally:
        hugepages.restore(before)
    return done


class _Process:
    """One of the two, with its output in a file and its end assured."""

    def __init__(self, name: str, command: list, scratch: Path, lines: bool = False) -> None:
        self.name = name
        self._log = scratch / f"{name}.log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE if lines else subprocess.DEVNULL,
                                            stdout=subprocess.PIPE if lines else log,
                                            stderr=log, text=True, start_new_session=True, preexec_fn=_prepare)

    def complaint(self, what: str) -> LabError:
        return LabError(f"{self.name} {what}:\n{self.said()}")

    def said(self) -> str:
        return tail(self._log)

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        for number, seconds in ((signal.SIGTERM, 0.3), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            if not self.alive():
                break
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _prepare() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a signal may end the bench before it knows this process
    allow_locked_memory()
    for step in (lambda: os.nice(NICE), lambda: Path("/proc/self/autogroup").write_text(str(NICE))):
        try:
            step()
        except OSError:
            pass


def _load_command(row: Row, mode: str, core: int, seconds: float, scratch: Path) -> list:
    command = [str(layout.build_dir() / "tools" / "load" / "sluice-load"), "--mode", mode, "--core", str(core),
               "--north", str(scratch / "north.sock"), "--south", str(scratch / "south.sock"), "--seconds", str(seconds),
               "--connections", str(row.connections), "--streams", str(row.streams), "--answer", str(row.answer),
               "--nic", row.nic, "--mtu", str(row.mtu), "--pods", str(row.pods), "--in-flight", str(row.in_flight),
               "--blocks", str(PATTERNS / f"{row.blocks}.txt")]
    if row.window:
        command += ["--window", str(row.window)]
    if row.open_loop:
        command += ["--shares", ",".join(map(str, SHARES))]
    return command


def _sluiced(row: Row, scratch: Path) -> _Process:
    nic = NICS[row.nic]
    dpdk = (layout.REPOSITORY / "dpdk_conf" / f"{nic.dpdk}.toml").read_text()
    for side in ("north", "south"):
        dpdk = dpdk.replace(f"/run/sluice-{side}.sock", str(scratch / f"{side}.sock"))
    (scratch / "dpdk.toml").write_text(dpdk)
    profile = layout.REPOSITORY / "nic_profiles" / f"{nic.profile}.toml"
    pods = "".join(f'\n  {{ address = "{pod}:{layout.PORT}" }},' for pod in (FIRST_POD + number for number in range(row.pods)))
    (scratch / "sluiced.toml").write_text(f"""\
dpdk = "{scratch}/dpdk.toml"

[sluice]
workers = 1
admin_socket = "{_socket(scratch)}"
log_level = "warning"

[[port]]
name = "north"
device = "{nic.devices[0]}"
profile = "{profile}"
mtu = {row.mtu}
addresses = ["{NORTH}"]

[[port]]
name = "south"
device = "{nic.devices[1]}"
profile = "{profile}"
mtu = {row.mtu}
addresses = ["{SOUTH}"]

[[listener]]
name = "grpc"
address = "{VIP}:{layout.PORT}"
protocol = "h2c"
service = "pods"

[[service]]
name = "pods"
balance = "round_robin"
endpoints = [{pods}
]
""")
    sluiced = _Process("sluiced", [str(layout.sluiced_binary()), "--config", str(scratch / "sluiced.toml")], scratch)
    try:
        if not wait_until(lambda: _socket(scratch).exists() or not sluiced.alive(), START_SECONDS, 0.05) or not sluiced.alive():
            raise sluiced.complaint("does not start")
    except BaseException:
        sluiced.stop()
        raise
    return sluiced


def _socket(scratch: Path) -> Path:
    return scratch / "sluiced.sock"


def _counters(scratch: Path) -> dict:
    done = subprocess.run([str(layout.sluicectl_binary()), "--socket", str(_socket(scratch)), "stats", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LabError(f"sluiced does not answer: {done.stderr.strip()}")
    worker = json.loads(done.stdout)["workers"][0]
    return {**worker, **worker["memory"], "segments_summed": sum(port["rx_summed"] for port in worker["ports"])}


def _measure(row: Row, seconds: float, scratch: Path, with_stages: bool) -> dict:
    for left in scratch.iterdir():
        left.unlink()
    echo = row.mode == "echo"
    load = other = sampler = None
    try:
        start_load = lambda: _Process("load", _load_command(row, row.mode, LOAD_CORE, seconds, scratch), scratch, lines=True)
        if NICS[row.nic].load_is_server:
            load = start_load()
            _wait_for_sockets(load, scratch)
        other = _reflector(row, scratch) if echo else _sluiced(row, scratch)
        if with_stages and not echo:
            sampler = stages.Sampler(SLUICE_CORE, scratch)
            sampler.start()
        load = load or start_load()
        phases = _follow(load, other, None if echo else scratch, seconds, sampler)
    finally:
        for one in (load, sampler, other):
            if one is not None:
                one.stop()
    result = _result(row, phases)
    if result["errors"]:
        print("".join(f"{one.name} said:\n{one.said()}\n" for one in (load, other)), flush=True)
    return result


def _reflector(row: Row, scratch: Path) -> _Process:
    reflector = _Process("reflector", _load_command(row, "reflect", SLUICE_CORE, 0, scratch), scratch)
    if not NICS[row.nic].load_is_server:
        _wait_for_sockets(reflector, scratch)
    return reflector


def _wait_for_sockets(server: _Process, scratch: Path) -> None:
    sockets = [scratch / f"{side}.sock" for side in ("north", "south")]
    if not wait_until(lambda: all(s.exists() for s in sockets) or not server.alive(), START_SECONDS, 0.05) or not server.alive():
        error = server.complaint("does not start")
        server.stop()
        raise error


def _follow(load: _Process, other: _Process, scratch: Optional[Path], seconds: float, sampler: Optional[stages.Sampler]) -> dict:
    """What the load says of each phase, and Sluice's counters over it."""
    phases: dict = {}
    before: dict = {}
    guard = threading.Timer(seconds * (len(SHARES) + 1) + SPARE_SECONDS, load.process.kill)
    guard.daemon = True  # Python waits for other threads at its end, and a signal may come before the thread can be cancelled
    try:
        guard.start()
        for line in load.process.stdout:
            if not line.startswith("{"):
                continue
            said = json.loads(line)
            if "ready" in said:
                hz = said["tsc_hz"]
            elif "begin" in said:
                waited = machine.waited((load.process.pid, other.process.pid))
                if scratch is not None:
                    before, looked = _counters(scratch), time.monotonic()
            elif "end" in said:
                longest = machine.longest_wait(waited, machine.waited((load.process.pid, other.process.pid)))
                said["waited_share"] = longest / said["seconds"]
                if sampler is not None and said["end"] == "peak":
                    sampler.look(said["seconds"])  # the load goes on until the counters have been read
                if scratch is not None:
                    # The load may leave this process little time; it goes on until told.
                    time.sleep(max(seconds / 2 - (time.monotonic() - looked), 0))
                    after = _counters(scratch)
                    said["sluice"] = {key: after[key] - before[key] for key in after
                                      if isinstance(after[key], int) and key in before}
                phases[said["end"]] = {**said, "tsc_hz": hz}
                load.process.stdin.write("\n")
                load.process.stdin.flush()
        if load.process.wait() != 0 or "peak" not in phases:
            raise load.complaint("did not come to its end")
        if sampler is not None:
            phases["peak"]["stages"] = sampler.shares(WORKER)
    finally:
        guard.cancel()
    return phases


def _result(row: Row, phases: dict) -> dict:
    peak = phases["peak"]
    took = peak["seconds"]
    result = {"workload": row.name, "calls_per_s": peak["calls"] / took, "connections_per_s": peak["connections"] / took,
              "gbit_per_s": peak["body_bytes"] * 8 / took / 1e9, "errors": sum(phase["errors"] for phase in phases.values()),
              "calls": peak["calls"], "decoded": peak["decoded"], "load_busy_share": peak["busy_share"],
              "waited_share": peak["waited_share"], "limited_by": "wire",  # an echo's; calls say below
              "p50_us": peak["p50_us"], "p99_us": peak["p99_us"], "p999_us": peak["p999_us"]}
    if "sluice" in peak:
        cycles = peak["sluice"]
        # A snapshot of the counters is taken a little after a phase begins and ends: its calls are the rate times its own
        # length, which is that of the cycles that the worker counted in it.
        calls = peak["calls"] * (cycles["cycles"] / peak["tsc_hz"]) / took
        result["sluice_busy_share"] = cycles["cycles_busy"] / cycles["cycles"]
        result["cycles_per_call"] = (cycles["cycles_busy"] - cycles["cycles_io_busy"]) / calls
        result["io_cycles_per_call"] = cycles["cycles_io_busy"] / calls
        result["segments_summed_per_call"] = cycles["segments_summed"] / calls  # received ones, by software
        if row.answer >= LARGE:
            segments = row.answer / SEGMENT  # of the usual MTU, whatever the wire's
            result["cycles_per_segment"] = result["cycles_per_call"] / segments
            result["io_cycles_per_segment"] = result["io_cycles_per_call"] / segments
        result["slices_copied_per_call"] = cycles["slices_copied"] / calls  # by Sluice, out of the receive pool
        if "stages" in peak:
            result["stages"] = {name: share * cycles["cycles"] / calls for name, share in peak["stages"].items()}
            result["idle_cycles_per_call"] = (cycles["cycles"] - cycles["cycles_busy"]) / calls
        result["limited_by"] = _limit(result["sluice_busy_share"], result["load_busy_share"])
    for name, phase in phases.items():
        if name != "peak":
            result[f"at_{name}"] = {key: phase[key] for key in ("p50_us", "p99_us", "p999_us")}
            result[f"at_{name}"].update(calls_per_s=phase["calls"] / phase["seconds"], errors=phase["errors"])
    return result


def _limit(sluice: float, load: float) -> str:
    if max(sluice, load) < BUSY:
        return "neither"  # each waits for the other most of the time
    return "sluice" if sluice >= load else "generator"


def _relate(rows: list) -> None:
    """The echo's bandwidth beside every row."""
    echo = next((row["gbit_per_s"] for row in rows if row["workload"] == "echo-bulk"), None)
    for row in rows:
        row["echo_gbit_per_s"] = echo


def instructions() -> dict:
    """Stored instructions of a worker for a call (tests/perf/instructions.py)."""
    stored = {}
    for line in (layout.REPOSITORY / "tests" / "perf" / "instructions.toml").read_text().splitlines():
        name, equals, value = line.partition(" = ")
        if equals and not line.startswith("#"):
            stored[name.strip('"')] = int(value)
    return stored


QUIET_SHARE = 0.03
SEGMENT = 1448    # bytes of payload in a packet of Ethernet's MTU
LARGE = 64 << 10  # bytes of answers whose cost is that of their segments


def noise(rows: list) -> str:
    """A warning where one of the two did not have its core to itself; empty when both had."""
    worst = max((row["waited_share"] for row in rows), default=0.0)
    return f"NOT A QUIET MACHINE: others had a core for up to {worst:.0%} of the time" if worst > QUIET_SHARE else ""


def table(rows: list) -> str:
    """Markdown, which a terminal shows as well."""
    lines = ["| row | a second | Gbit/s | cycles a call | in drivers | busy: Sluice | load | limited by | p50 us | p99 us | "
             "p99.9 us | errors |", "|---|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|"]
    for row in rows:
        cells = [row["workload"], f"{row['calls_per_s']:,.0f}", f"{row['gbit_per_s']:.2f}"]
        if "cycles_per_call" in row:
            cells += [f"{row['cycles_per_call']:,.0f}", f"{row['io_cycles_per_call']:,.0f}", f"{row['sluice_busy_share']:.0%}",
                      f"{row['load_busy_share']:.0%}", row["limited_by"]]
        else:
            cells += ["", "", "", f"{row['load_busy_share']:.0%}", ""]
        cells += [f"{row[key]:,.1f}" for key in ("p50_us", "p99_us", "p999_us")] + [str(row["errors"])]
        lines.append("| " + " | ".join(cells) + " |")
        for share in (f"at_{round(share * 100)}" for share in SHARES):
            if share in row:
                at = row[share]
                lines.append(f"| - at {share[3:]} % of it | {at['calls_per_s']:,.0f} |  |  |  |  |  |  | {at['p50_us']:,.1f} | "
                             f"{at['p99_us']:,.1f} | {at['p999_us']:,.1f} | {at['errors']} |")
    lines += [f"\n{row['workload']}: {row['cycles_per_segment']:,.0f} cycles for {SEGMENT:,} bytes of an answer and "
              f"{row['io_cycles_per_segment']:,.0f} in drivers; a call has {row['segments_summed_per_call']:,.1f} received segments that "
              f"software summed and {row['slices_copied_per_call']:,.1f} pieces that Sluice copied"
              for row in rows if "cycles_per_segment" in row]
    lines += ["", "stored instructions a call: " + ", ".join(f"{name} {count:,}" for name, count in instructions().items())]
    return "\n".join(lines)


def _line(row: dict) -> str:
    cycles = ""
    if "cycles_per_call" in row:
        cycles = (f"  {row['cycles_per_call']:,.0f} + {row['io_cycles_per_call']:,.0f} cycles  busy: Sluice "
                  f"{row['sluice_busy_share']:.0%}, load {row['load_busy_share']:.0%}, limited by {row['limited_by']}")
    return (f"{row['workload']:<32} {row['calls_per_s']:>11,.0f}/s {row['gbit_per_s']:>6.2f} Gbit/s  p50 {row['p50_us']:,.1f} "
            f"p99 {row['p99_us']:,.1f} us{cycles}" + (f"  {row['errors']} ERRORS" if row["errors"] else ""))
