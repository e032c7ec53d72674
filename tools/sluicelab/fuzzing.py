"""libFuzzer's targets: built with clang in a directory of their own, run on the stored corpora."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterable, NamedTuple, Optional

from . import building, layout
from .process import LabError

OPTIONS = ("-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dapps=false", "-Doptimization=1", *building.TOGETHER,
           "-Dcpp_args=['-fsanitize=fuzzer-no-link', '-g1']")  # lines are enough for a trace
TARGETS = ("discovery/fuzz_dns", "discovery/fuzz_routes", "discovery/fuzz_watch", "tcp/fuzz_header", "tcp/fuzz_tcp", "http1/fuzz_http1",
           "http1/fuzz_framing", "http2/fuzz_hpack", "http2/fuzz_frames", "tls/fuzz_tls", "tls/fuzz_hello", "relay/fuzz_relay", "l4/fuzz_forwarder",
           "nic/fuzz_tun")
LONGEST_INPUT = 4096  # bytes; longer ones find little more and are slower


class Result(NamedTuple):
    target: str
    ok: bool
    detail: str  # of a failure: the end of the output, with the input that failed
    summary: str


def build_dir() -> Path:
    return Path(os.environ.get("SLUICE_FUZZ_BUILD", layout.REPOSITORY / "build-fuzz"))


def corpus(target: str) -> Path:
    """tests/tcp/corpus/header for tcp/fuzz_header."""
    room, name = target.split("/")
    return layout.REPOSITORY / "tests" / room / "corpus" / name.removeprefix("fuzz_")


def configure() -> None:
    compilers = {"CC": os.environ.get("SLUICE_CLANG", "clang"), "CXX": os.environ.get("SLUICE_CLANGXX", "clang++")}
    building.configure(build_dir(), OPTIONS, compilers)


def build(targets: Iterable[str]) -> None:
    configure()
    building.build(build_dir(), [f"tests/{target}" for target in targets])


def _start(target: str, seconds: int, keep: Optional[Path]) -> tuple:
    room, name = target.split("/")
    scratch = Path(tempfile.mkdtemp(prefix=f"sluice-{name}-"))
    found = keep / room / name if keep else scratch / "found"
    found.mkdir(parents=True, exist_ok=True)
    stored = [str(corpus(target))] if corpus(target).is_dir() else []
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # EAL keeps memory to the end
    with open(scratch / "log", "wb") as log:
        process = subprocess.Popen([str(build_dir() / "tests" / target), f"-max_total_time={seconds}",
                                    f"-max_len={LONGEST_INPUT}", f"-artifact_prefix={scratch}/", "-print_final_stats=1",
                                    str(found), *stored], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=environment, cwd=build_dir())
    return target, scratch, process


def _finish(target: str, scratch: Path, process: subprocess.Popen, patience: int) -> Result:
    try:
        code = process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = -1
    log = (scratch / "log").read_text(errors="replace")
    numbers = {line.split(":")[0]: line.split(":")[-1].strip() for line in log.splitlines() if line.startswith("stat::")
               for line in [line.removeprefix("stat::")]}
    cover = [word for line in log.splitlines() if " cov: " in line for word in [line.split(" cov: ")[1].split()[0]]]
    summary = f"{target}: {numbers.get('number_of_executed_units', '?')} runs, {cover[-1] if cover else '?'} edges"
    detail = "" if code == 0 else f"exit code {code}, inputs that fail lie in {scratch}\n{log[-4000:]}"
    if code == 0:
        shutil.rmtree(scratch)
    return Result(target, code == 0, detail, summary)


def run(targets: Iterable[str], seconds: int, keep: Optional[Path] = None) -> Iterable[Result]:
    """As many at a time as there are cores. keep: where new inputs are collected for longer runs."""
    waiting = list(targets)
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                running.append(_start(waiting.pop(0), seconds, keep))
            yield _finish(*running[0], patience=seconds + 120)
            running.pop(0)
    finally:
        for _, scratch, process in running:
            process.kill()
            process.wait()
            shutil.rmtree(scratch, ignore_errors=True)


def choose(names: Iterable[str]) -> list:
    chosen = [target for target in TARGETS if not names or any(name in target for name in names)]
    if not chosen:
        raise LabError(f"no such target; there are {', '.join(TARGETS)}")
    return chosen
