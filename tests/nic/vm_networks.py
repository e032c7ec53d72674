"""The networks to which the cards of a virtual machine are plugged."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Iterable

from sluicelab import layout, network
from sluicelab.process import KILL_SECONDS, LabError, alive, ip, run, spawn, tail, wait_until
from sluicelab.tap import open_tap
from vm_sluiced import PODS

LISTEN_SECONDS = 20.0


class Networks:
    """Two namespaces of this process's own, each with a TAP device for a card. `taps` are in the order of the cards, and
    each has the descriptors of its queues."""

    def __init__(self, queues: int = 1, mtu: int = 1500) -> None:
        self._queues, self._mtu = queues, mtu
        self.client, self.pods = (f"sluice-vm{os.getpid()}-{end}" for end in ("client", "pods"))
        self.taps: list = []

    def __enter__(self) -> "Networks":
        try:
            self._add(self.client, [layout.CLIENT_ADDRESS])
            self._add(self.pods, map(layout.pod_address, PODS))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add(self, namespace: str, addresses: Iterable[str]) -> None:
        network.add_namespace(namespace)
        network.no_ipv6(namespace)
        self.taps.append(open_tap(namespace, "eth0", self._queues))
        for address in addresses:
            ip(f"address add {address}/{layout.PREFIX_LENGTH} dev eth0", namespace)
        ip(f"link set eth0 mtu {self._mtu} up", namespace)

    def __exit__(self, *_) -> None:
        for queue in (queue for tap in self.taps for queue in tap):
            os.close(queue)
        for namespace in filter(network.namespace_exists, (self.client, self.pods)):
            pids = list(map(int, run("ip", "netns", "pids", namespace).split()))
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not any(map(alive, pids)), KILL_SECONDS)
            ip(f"netns delete {namespace}")

    def start_pods(self, logs: Path) -> None:
        started = {}
        for pod in PODS:
            log = logs / f"{layout.pod_name(pod)}.log"
            started[log] = spawn(self.pods, [str(layout.pod_binary())], log,
                                 {"POD_IP": layout.pod_address(pod), "POD_NAME": layout.pod_name(pod), "POD_PORT": str(layout.PORT)})
        for log, pid in started.items():
            if not wait_until(lambda: "serves on" in log.read_text() or not alive(pid), LISTEN_SECONDS) or not alive(pid):
                raise LabError(f"a pod does not serve:\n{tail(log)}")
