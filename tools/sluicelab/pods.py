"""Pods: processes that come, go and are killed, and the endpoints file that follows them."""

import signal
import struct
from pathlib import Path
from typing import Iterable, Optional

from . import configuration, daemon, layout, network
from .process import LabError, alive, kill, send_signal, spawn, tail, wait_until

LISTEN_SECONDS = 15.0
IDLE_SECONDS = 5.0    # for running streams to end, before SIGTERM
EXIT_SECONDS = 12.0   # a little more than the pod's own grace after SIGTERM
READY_SECONDS = 10.0

TCP_LISTEN = "0A"


def listens(pid: int, port: int = layout.PORT) -> bool:
    """Whether anything in the namespace of that process listens on the port."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except (FileNotFoundError, ProcessLookupError, OSError):
            return False
        for fields in map(str.split, lines):
            if fields[3] == TCP_LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def start(number: int, command: Optional[str], ipv6: bool = False, http1: bool = False, http1_beside: bool = False,
          tls: Optional[dict] = None) -> int:
    """POD_IP is the pod's IPv4 address; POD_LISTEN is where the stock pod listens: with IPv6, on all addresses of both families.
    With tls (certificates.make_for_pods), POD_CERTIFICATE and POD_KEY name the files of its certificate.
    http1: without a command, it is the pod of HTTP/1.1. http1_beside: that one runs as well, for as long as the pod lives."""
    network.add_pod(number)
    environment = {"POD_IP": layout.pod_address(number), "POD_NAME": layout.pod_name(number),
                   "POD_COUNTS": str(layout.pod_counts(number)), "POD_PORT": str(layout.PORT),
                   "POD_LISTEN": "[::]" if ipv6 else layout.pod_address(number)}
    if tls:
        environment.update(POD_CERTIFICATE=tls["certificate"], POD_KEY=tls["key"])
    if command:
        words = ["/bin/sh", "-c", command]
    elif http1:
        words = ["/usr/bin/python3", str(layout.http1_pod())]
    else:
        words = [str(layout.pod_binary()), "--counts", str(layout.pod_counts(number))]
        if not layout.pod_binary().exists():
            raise LabError(f"{layout.pod_binary()} is not built (SLUICE_BUILD names the build directory)")
    if http1_beside:
        beside = f"POD_CERTIFICATE= POD_PORT={layout.HTTP1_PORT} POD_PARENT=$$ /usr/bin/python3 {layout.http1_pod()} &"
        words = ["/bin/sh", "-c", f'{beside} exec "$@"', "sh", *words]
    return spawn(layout.pod_namespace(number), words, layout.pod_log(number), environment)


def wait_listening(number: int, pid: int, ports: tuple = (layout.PORT,)) -> None:
    if wait_until(lambda: all(listens(pid, port) for port in ports) or not alive(pid), LISTEN_SECONDS) and alive(pid):
        return
    raise LabError(f"{layout.pod_name(number)} does not listen on {ports}; the end of its log:\n"
                   f"{tail(layout.pod_log(number))}")


def scale(state: dict, wanted: int) -> None:
    """Makes pods 1 to `wanted` run and be endpoints, and no others. Changes state["pods"], which maps number to pid."""
    if not 0 <= wanted <= layout.MAX_PODS:
        raise LabError(f"0 to {layout.MAX_PODS} pods, not {wanted}")
    pids = {int(number): pid for number, pid in state["pods"].items()}
    leaving = {number: pid for number, pid in pids.items() if number > wanted}
    fresh = {}
    for number in range(1, wanted + 1):
        if alive(pids.get(number)):
            continue
        fresh[number] = start(number, state["pod_command"], state["ipv6"], state["pods_http1"], state.get("http1_beside", False),
                              state.get("pods_tls"))
        state["pods"][str(number)] = fresh[number]
    for number, pid in fresh.items():
        wait_listening(number, pid, (layout.PORT, layout.HTTP1_PORT) if state.get("http1_beside") else (layout.PORT,))
    configuration.write_endpoints(range(1, wanted + 1))
    _retire(leaving, watched=alive(state["sluiced_pid"]))
    for number in leaving:
        del state["pods"][str(number)]


def _retire(leaving: dict, watched: bool) -> None:
    if leaving and watched:
        wait_until(lambda: idle(leaving), IDLE_SECONDS, every=0.02)
    for pid in leaving.values():
        send_signal(pid, signal.SIGTERM)
    if not wait_until(lambda: not any(map(alive, leaving.values())), EXIT_SECONDS):
        for pid in leaving.values():
            kill(pid)


def idle(removed: Iterable[int]) -> bool:
    """Whether sluiced has seen that these pods are endpoints no more, and the last stream on them has ended. No answer is no yes."""
    names = {layout.pod_name(number) + suffix for number in removed for suffix in ("", "-http1")}
    answer = daemon.ask("pods")
    return answer is not None and all(row["state"] == "SHUTDOWN" and row["active"] == 0 for row in answer["pods"] if row["id"] in names)


def wait_ready(wanted: int) -> bool:
    """Until sluiced's workers know exactly these pods and are connecting to none of them. IDLE counts, since a worker connects on demand;
    before a worker has the generation that names a pod, the pod is IDLE as well."""

    def ready() -> bool:
        if not daemon.adopted():
            return False
        rows = [row for row in daemon.pod_rows().values() if row["state"] != "SHUTDOWN"]
        return len(rows) >= wanted and all(row["state"] in ("READY", "IDLE") for row in rows)

    return wait_until(ready, READY_SECONDS, every=0.02)


def in_flight(number: int) -> int:
    """Calls that the project's own pod has begun and not ended; holds after a kill -9 too."""
    begun, ended, _ = struct.unpack("=QQQ", layout.pod_counts(number).read_bytes())
    return begun - ended
