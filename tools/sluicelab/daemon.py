"""sluiced in its namespace, and what it says of itself through sluicectl."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Optional

from . import layout, network, state
from .process import LabError, alive, kill, send_signal, spawn, tail, wait_until

# Under sanitizers the start takes several seconds: huge pages are touched, drivers are tested.
START_SECONDS = 30.0
# Two SIGTERMs end it at once; after this it is killed.
STOP_SECONDS = 5.0


def start(driver: str, config: Path) -> int:
    binary = layout.sluiced_binary()
    if not binary.exists():
        raise LabError(f"{binary} is not built (SLUICE_BUILD names the build directory)")
    layout.ADMIN_SOCKET.unlink(missing_ok=True)
    # Not pinned here: sluiced places its own threads.
    pid = spawn(layout.SLUICE_NAMESPACE, [str(binary), "--config", str(config)], layout.SLUICED_LOG, pin=False)
    try:
        if driver == "tap":
            for side in ("north", "south"):
                _wait(pid, lambda side=side: network.tap_exists(side), f"has not made its TAP device {side}")
                network.plug_tap(side)
        _wait(pid, layout.ADMIN_SOCKET.exists, "has not opened its admin socket")
        _wait(pid, lambda: ask("pods") is not None, "does not answer sluicectl")
        if driver == "tap":
            for side in ("north", "south"):
                network.address_tap(side)  # DPDK may have given the device its own address after it was plugged in
        if driver == "tun":
            network.plug_tun(ipv6=state.load()["ipv6"])
    except BaseException:
        send_signal(pid, signal.SIGKILL)
        raise
    return pid


def _wait(pid: int, condition, complaint: str) -> None:
    if wait_until(lambda: condition() or not alive(pid), START_SECONDS) and alive(pid):
        return
    what = complaint if alive(pid) else "ended at its start"
    raise LabError(f"sluiced {what}; the end of {layout.SLUICED_LOG}:\n{tail(layout.SLUICED_LOG)}")


def stop(pid: Optional[int]) -> None:
    send_signal(pid, signal.SIGTERM)
    if wait_until(lambda: not alive(pid), 0.2):
        return
    send_signal(pid, signal.SIGTERM)
    if not wait_until(lambda: not alive(pid), STOP_SECONDS):
        kill(pid)


def ask(what: str) -> Optional[dict]:
    """`sluicectl WHAT --json`; None when there is no answer."""
    done = subprocess.run([str(layout.sluicectl_binary()), "--socket", str(layout.ADMIN_SOCKET), what, "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        return json.loads(done.stdout) if done.returncode == 0 else None
    except json.JSONDecodeError:
        return None


def adopted() -> bool:
    """All workers have the configuration that was read last."""
    answer = ask("status")
    return answer is not None and answer["generation_adopted"] == answer["generation"]


def pod_rows() -> dict:
    """By id."""
    answer = ask("pods") or {"pods": []}
    return {row["id"]: row for row in answer["pods"]}
