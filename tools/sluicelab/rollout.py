"""A rollout as a Deployment does it: for each pod a new one with a new address, which must be READY before the old one goes."""

import signal
import threading
import time
from typing import Sequence

from . import configuration, daemon, layout, pods, state
from .process import LabError, alive, send_signal, wait_until

# Between one pod's replacement and the next one's: they overlap, since each takes as long as its removal is early or late.
STEP_SECONDS = 0.5
READY_SECONDS = 10.0
IDLE_SECONDS = 10.0
EXIT_SECONDS = 20.0   # more than a pod lingers and then waits for its calls


class Rollout:
    """Replaces running pods of the lab. Nothing else may change the lab meanwhile."""

    def __init__(self, old: Sequence[int], new: Sequence[int], removals: Sequence[float], kill: bool) -> None:
        """removals: of each old pod, the seconds from SIGTERM to its leaving the endpoints; negative when it leaves first.
        kill: no SIGTERM; SIGKILL as soon as the removed pod has no active stream."""
        self._pairs = list(zip(old, new, removals))
        self._kill = kill
        self._endpoints = set(old)
        self._lock = threading.Lock()
        self._state = state.load()
        self._complaints: list = []

    def run(self) -> None:
        threads = []
        for old, new, removal in self._pairs:
            thread = threading.Thread(target=self._watched, args=(old, new, removal))
            thread.start()
            threads.append(thread)
            time.sleep(STEP_SECONDS)
        for thread in threads:
            thread.join()
        if self._complaints:
            raise LabError("; ".join(self._complaints))

    def _watched(self, old: int, new: int, removal: float) -> None:
        try:
            self._replace(old, new, removal)
        except Exception as error:
            self._complaints.append(f"{layout.pod_name(old)}: {error!r}")

    def _replace(self, old: int, new: int, removal: float) -> None:
        pid = pods.start(new, self._state["pod_command"], http1=self._state["pods_http1"], tls=self._state.get("pods_tls"))
        self._change(lambda: self._state["pods"].__setitem__(str(new), pid))
        pods.wait_listening(new, pid)
        self._change(lambda: self._endpoints.add(new))
        name = layout.pod_name(new)
        if not wait_until(lambda: daemon.pod_rows().get(name, {}).get("state") == "READY", READY_SECONDS, every=0.05):
            raise LabError(f"{name} does not become READY")
        leaving = self._state["pods"][str(old)]
        if self._kill:
            self._change(lambda: self._endpoints.discard(old))
            if not wait_until(lambda: pods.idle([old]), IDLE_SECONDS, every=0.005):
                raise LabError(f"its streams do not end: {daemon.pod_rows().get(layout.pod_name(old))}")
            send_signal(leaving, signal.SIGKILL)
        elif removal < 0:
            self._change(lambda: self._endpoints.discard(old))
            time.sleep(-removal)
            send_signal(leaving, signal.SIGTERM)
        else:
            send_signal(leaving, signal.SIGTERM)
            time.sleep(removal)
            self._change(lambda: self._endpoints.discard(old))
        if not wait_until(lambda: not alive(leaving), EXIT_SECONDS):
            raise LabError(f"it does not end: {daemon.pod_rows().get(layout.pod_name(old))}")
        self._change(lambda: self._state["pods"].pop(str(old)))

    def _change(self, change) -> None:
        with self._lock:
            change()
            state.save(self._state)
            configuration.write_endpoints(self._endpoints)
