"""The load of one measurement, and what its tool said of it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Optional

from sluicelab import layout
from sluicelab.process import LabError, common_core, in_namespace

from . import network
from .workloads import REQUEST_BYTES, Workload

HANDSHAKES = Path(__file__).resolve().parent / "handshakes.py"
LATENCY_LOG = layout.RUN_DIR / "bench-latency"
DEADLINE_MS = 60_000   # of gRPC calls and streams: longer than any run, so that grpc-timeout is sent and never fires
SPARE_SECONDS = 20.0   # for a tool to end after its time
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
# Rounds of all streams, and calls: of a first run, whose rate is not known, and of any that is to be more than connecting.
FIRST_ROUNDS, MIN_ROUNDS, MIN_CALLS = 4, 50, 40
TELLING = 2000  # calls; of fewer p99.9 is the largest

_rates: dict = {}  # calls/s of the last run, by workload and address



class Outcome(NamedTuple):
    calls: int
    failed: int
    calls_per_s: float
    p50_us: Optional[float] = None
    p99_us: Optional[float] = None
    p999_us: Optional[float] = None


def churn_binary() -> Path:
    return layout.build_dir() / "tools" / "apps" / "sluice-churn"


def pod_of(workload: Workload) -> str:
    number = network.HTTP1_POD if workload.http1 else network.GRPC_POD if workload.tool == "grpc" else network.PLAIN_POD
    return layout.pod_address(number)


def forget(address: str) -> None:
    """Another proxy has the address now."""
    for key in [key for key in _rates if key[1] == address]:
        del _rates[key]


def run(workload: Workload, namespace: str, address: str, seconds: float, latencies: bool = True) -> Outcome:
    """Loads `address` for so long. Latencies cost h2load a log line a call, so they are taken in runs of their own."""
    if workload.tool.startswith("h2load"):
        return _h2load(workload, namespace, address, seconds, latencies)
    if workload.tool == "wrk":
        return _wrk(workload, namespace, address, seconds)
    if workload.tool == "grpc":
        return _grpc(workload, namespace, address, seconds)
    if workload.tool in ("full", "resumed"):
        return _handshakes(workload, namespace, address, seconds)
    return _churn(workload, namespace, address, seconds)


def _ended(namespace: str, command: list, seconds: float) -> str:
    try:
        done = subprocess.run(in_namespace(namespace, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds + SPARE_SECONDS, preexec_fn=common_core)
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(command)} does not end") from None
    if done.returncode != 0:  # h2load's is 0 with failed calls as well: they are counted
        raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def percentiles(micros: list) -> tuple:
    """p50, p99, p99.9"""
    if not micros:
        return None, None, None
    micros.sort()
    at = [micros[min(len(micros) - 1, int(len(micros) * share))] for share in (0.5, 0.99, 0.999)]
    return at[0], at[1], at[2] if len(micros) >= TELLING else None


def _h2load(workload: Workload, namespace: str, address: str, seconds: float, latencies: bool) -> Outcome:
    """A number of calls that takes about so long, by the rate of the run before: h2load's own mode with a duration counts
    calls of an interval only, and leaves calls behind that nobody has waited for."""
    LATENCY_LOG.unlink(missing_ok=True)
    in_flight = workload.connections * workload.streams
    rate = _rates.get((workload, address))
    calls = max(FIRST_ROUNDS * in_flight if rate is None else MIN_ROUNDS * workload.connections, MIN_CALLS, round((rate or 0) * seconds))
    command = ["h2load", "-t", "1", "-c", str(workload.connections), "-m", str(workload.streams), "-n", str(calls),
               "-d", str(network.REQUEST_FILE)]
    if workload.http1:
        command += ["--h1"]
    else:
        command += ["-w", "20", "-W", "24", "-H", "content-type: application/grpc", "-H", "te: trailers"]
    if workload.tls:  # the same cipher for all
        command += ["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"]
    if latencies:
        command += ["--log-file", str(LATENCY_LOG)]
    printed = _ended(namespace, [*command, f"http{'s' if workload.tls else ''}://{address}:{layout.PORT}/{workload.answer}"], seconds)
    found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", printed)
    took = re.search(r"finished in ([\d.]+)(us|ms|s|m)\b", printed)
    if found is None or took is None:
        raise LabError(f"h2load said:\n{printed[-2000:]}")
    succeeded, failed, errored, late = map(int, found.groups())
    odd = sum(int(count) for count in re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", printed).groups())
    rate = succeeded / (float(took.group(1)) * UNITS[took.group(2)])
    _rates[workload, address] = rate
    quantiles = ()
    if latencies and LATENCY_LOG.exists():
        quantiles = percentiles([int(line.rsplit("\t", 1)[1]) for line in LATENCY_LOG.read_text().splitlines()])
        LATENCY_LOG.unlink()
    return Outcome(succeeded - odd, calls - succeeded + odd, rate, *quantiles)


def _grpc(workload: Workload, namespace: str, address: str, seconds: float) -> Outcome:
    milliseconds = round(seconds * 1000)
    printed = _ended(namespace, [
        str(layout.client_binary()), "--target", f"{address}:{layout.PORT}", "--channels", str(workload.connections),
        "--in-flight", str(workload.streams), "--bidi", "yes" if workload.bidi else "no", "--deadline", str(DEADLINE_MS),
        "--payload", str(REQUEST_BYTES), "--duration", str(milliseconds), "--interval", str(10 * milliseconds)], seconds)
    report = json.loads(printed.splitlines()[-1])
    calls = sum(report["calls"].values())
    return Outcome(calls, sum(report["failed"].values()), calls / report["t"], report["p50_us"], report["p99_us"],
                   report["p999_us"])


def _wrk(workload: Workload, namespace: str, address: str, seconds: float) -> Outcome:
    printed = _ended(namespace, [
        "wrk", "-t", "1", "-c", str(workload.connections), "-d", str(max(1, round(seconds))), "--latency", "-H", "Connection: close",
        f"http://{address}:{layout.PORT}/{workload.answer}"], seconds)
    calls, took = re.search(r"(\d+) requests in ([\d.]+)(?:s|m)", printed).groups()
    late = {share: float(time) * UNITS[unit] * 1e6 for share, time, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)\b", printed)}
    bad = sum(map(int, re.findall(r"(?:Non-2xx or 3xx responses: |connect |write |timeout )(\d+)", printed)))
    return Outcome(int(calls) - bad, bad, (int(calls) - bad) / float(took), late.get("50"), late.get("99"))


def _churn(workload: Workload, namespace: str, address: str, seconds: float) -> Outcome:
    printed = _ended(namespace, [
        str(churn_binary()), "--address", address, "--port", str(layout.PORT), "--path", f"/{workload.answer}",
        "--slots", str(workload.connections), "--payload", str(REQUEST_BYTES), "--duration", str(round(seconds * 1000))],
        seconds)
    report = json.loads(printed.splitlines()[-1])
    return Outcome(report["calls"], report["failed"], report["calls"] / report["seconds"], report["p50_us"],
                   report["p99_us"], report["p999_us"])


def _handshakes(workload: Workload, namespace: str, address: str, seconds: float) -> Outcome:
    printed = _ended(namespace, [sys.executable, str(HANDSHAKES), address, str(layout.PORT), str(seconds), str(workload.connections),
                                 workload.tool], seconds)
    return Outcome(**json.loads(printed.splitlines()[-1]))
