"""Running commands, in namespaces and on the common core, and looking after processes that outlive the one who started them."""

import os
import resource
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional, Sequence

from . import layout

KILL_SECONDS = 5.0  # what the kernel may take to end a process with all its memory


class LabError(Exception):
    """Something that the user of the lab can read and act on."""


def run(*command: str) -> str:
    """Runs a command to its end; its standard output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LabError(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(arguments: str, namespace: Optional[str] = None) -> str:
    """ip(8), given as one string, in a namespace if one is named."""
    inside = ["-n", namespace] if namespace else []
    return run("ip", *inside, *arguments.split())


def in_namespace(namespace: str, command: Sequence[str]) -> list:
    return ["ip", "netns", "exec", namespace, *command]


def common_core() -> None:
    """Puts the calling process on the core that all but the worker share. A machine with one core has no other."""
    if layout.COMMON_CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {layout.COMMON_CORE})


def allow_locked_memory() -> None:
    """DPDK and AF_XDP lock memory. Where the limit may not be raised (a container), CAP_IPC_LOCK stands in for it."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:
        pass


def spawn(namespace: str, command: Sequence[str], log: Path, environment: Optional[dict] = None,
          pin: bool = True) -> int:
    """Starts a process of its own session in a namespace, output to a log; its pid, which is also its process group."""

    def prepare() -> None:
        allow_locked_memory()
        if pin:
            common_core()

    with open(log, "ab") as output:
        process = subprocess.Popen(in_namespace(namespace, command), stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=prepare,
                                   env={**os.environ, **(environment or {})})
    process.returncode = 0  # it outlives this program: keeps subprocess from warning about it
    return process.pid


def alive(pid: Optional[int]) -> bool:
    if not pid:
        return False
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def send_signal(pid: Optional[int], number: signal.Signals) -> None:
    """To the process and those that it started."""
    if not pid:
        return
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def kill(pid: Optional[int]) -> None:
    """With those that it started, and waits until it has gone."""
    send_signal(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), KILL_SECONDS)


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.01) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(every)
    return True


def tail(log: Path, lines: int = 20) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
