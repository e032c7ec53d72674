"""The lab's commands, as functions: for tools/lab, the demo and the tests."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Optional

from . import certificates, configuration, daemon, hugepages, layout, network, pods, state, wire
from .process import LabError, alive, send_signal, tail, wait_until


def need_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and needs root")


def up(pod_count: int = 1, driver: str = "af_xdp", config: Optional[Path] = None, pod_command: Optional[str] = None,
       with_sluiced: bool = True, impair: Optional[str] = None,
       ipv6: bool = False, workers: Optional[int] = None, kubernetes: Optional[configuration.Kubernetes] = None,
       tls: bool = False, pods_http1: bool = False, http1_beside: bool = False, pods_tls: bool = False) -> None:
    """With `kubernetes`, the pods are what that API says; those of the lab run, and are endpoints only if it says so.
    http1_beside: beside each pod is one of HTTP/1.1, with listeners of their own (configuration.HTTP1)."""
    need_root()
    workers = workers or (layout.default_workers() if driver != "tap" else 1)
    if workers > 1 and driver == "tap":
        raise LabError("with the driver tap sluiced has one worker: --driver af_xdp or tun")
    if impair is not None:
        if driver == "tun":
            raise LabError("the wire stands between veth pairs, and the driver tun has none: --driver af_xdp or tap")
        wire.check(impair)
    with state.locked():
        if state.exists() or network.lab_namespaces():
            raise LabError("the lab is already up: tools/lab down")
        shutil.rmtree(layout.RUN_DIR, ignore_errors=True)
        layout.RUN_DIR.mkdir(parents=True)
        current = {"driver": driver, "pods": {}, "pod_command": pod_command, "sluiced_pid": None,
                   "config": str((config or layout.CONFIG_FILE).resolve()), "hugepages_before": None,
                   "impair": impair, "wire_pid": None, "ipv6": ipv6, "workers": workers, "kubernetes": kubernetes,
                   "tls": certificates.make_all() if tls else None, "pods_http1": pods_http1,
                   "http1_beside": http1_beside, "pods_tls": certificates.make_for_pods() if pods_tls else None}
        try:
            _up(current, pod_count, with_sluiced)
        except BaseException:
            _down(current)
            raise


def _up(current: dict, pod_count: int, with_sluiced: bool) -> None:
    current["hugepages_before"] = hugepages.reserve()
    state.save(current)
    network.up(current["driver"], current["impair"] is not None, current["workers"])
    if current["kubernetes"]:
        network.add_management_link()
    if current["impair"] is not None:
        current["wire_pid"] = wire.start(current["impair"])
        state.save(current)
    if current["ipv6"] and current["driver"] != "tun":
        network.add_ipv6_address(layout.CLIENT_NAMESPACE, layout.CLIENT_ADDRESS_6)
    if current["workers"] > 1:
        layout.DPDK_FILE.write_text(configuration.dpdk_toml(current["driver"], current["workers"]))
    layout.CONFIG_FILE.write_text(configuration.sluiced_toml(current["driver"], ipv6=current["ipv6"],
                                                              extra=configuration.HTTP1 if current["http1_beside"] else "",
                                                              kubernetes=current["kubernetes"], tls=current["tls"]))
    configuration.write_endpoints([])
    if not with_sluiced:
        for number in range(1, pod_count + 1):
            network.add_pod(number)
        return
    pods.scale(current, pod_count)
    state.save(current)
    current["sluiced_pid"] = daemon.start(current["driver"], Path(current["config"]))
    state.save(current)
    _wait_ready(current, pod_count)


def _wait_ready(current: dict, pod_count: int) -> None:
    """With an API of Kubernetes there is nothing to wait for: it may be away. Whether the lab's pods are sluiced's is for a file of the user's own to say, and then this says only what is not ready; with the
    lab's file they must be."""
    if current["kubernetes"] or pods.wait_ready(pod_count):
        return
    if current["config"] == str(layout.CONFIG_FILE.resolve()):
        raise LabError(f"sluiced does not have {pod_count} pods ready: {daemon.ask('pods')}\n{tail(layout.SLUICED_LOG)}")
    answer = daemon.ask("pods") or {"pods": []}
    rows = [f"  {row['service']}: {row['id'] or '-'} {row['address']} {row['state']}" for row in answer["pods"]]
    print(f"sluiced runs, and by {current['config']} it has these pods:\n" + "\n".join(rows or ["  none"])
          + f"\nThe lab's own are {pod_count}, from {layout.pod_address(1)} up, on port {layout.PORT}.", file=sys.stderr)


def scale(pod_count: int) -> None:
    need_root()
    with state.locked():
        current = state.load()
        try:
            pods.scale(current, pod_count)
        finally:
            state.save(current)
        if alive(current["sluiced_pid"]):
            _wait_ready(current, pod_count)


def kill(name: str) -> None:
    """Without warning; it stays an endpoint. Takes no lock: a kill happens at once."""
    number = _number_of(name)
    pid = state.load()["pods"].get(str(number))
    if not alive(pid):
        raise LabError(f"{name} is not running")
    send_signal(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 1.0, every=0.001)


def stop_sluiced() -> None:
    """The rest of the lab stays; restart_sluiced() starts it again."""
    with state.locked():
        current = state.load()
        daemon.stop(current["sluiced_pid"])
        current["sluiced_pid"] = None
        state.save(current)


def restart_sluiced(config: Optional[Path] = None, wait: bool = True) -> None:
    """Ends sluiced, if it runs, and starts it again; the rest of the lab stays. wait: until the lab's pods are ready."""
    with state.locked():
        current = state.load()
        daemon.stop(current["sluiced_pid"])
        if config is not None:
            current["config"] = str(config.resolve())
        current["sluiced_pid"] = None
        state.save(current)
        current["sluiced_pid"] = daemon.start(current["driver"], Path(current["config"]))
        state.save(current)
        if wait:
            _wait_ready(current, len(current["pods"]))


def impair(impairment: str) -> None:
    """Another wire in the place of the one that the lab was brought up with."""
    need_root()
    with state.locked():
        current = state.load()
        if current["impair"] is None:
            raise LabError("the lab was brought up without a wire: tools/lab up --impair ...")
        wire.check(impairment)
        wire.stop(current["wire_pid"])
        current["impair"], current["wire_pid"] = impairment, None
        state.save(current)
        current["wire_pid"] = wire.start(impairment)
        state.save(current)


def down() -> None:
    need_root()
    with state.locked():
        _down(state.load() if state.exists() else {})


def _down(current: dict) -> None:
    daemon.stop(current.get("sluiced_pid"))
    wire.stop(current.get("wire_pid"))
    for pid in current.get("pods", {}).values():
        send_signal(pid, signal.SIGKILL)
    network.down()
    if current.get("hugepages_before") is not None:
        hugepages.restore(current["hugepages_before"])
    state.STATE_FILE.unlink(missing_ok=True)  # the logs stay until the next up


def namespace_of(name: str) -> str:
    need_root()
    namespace = _namespace(name)
    if not network.namespace_exists(namespace):
        raise LabError(f"{name} is not there; tools/lab status says what is" if state.exists() else "the lab is not up: tools/lab up")
    return namespace


def _namespace(name: str) -> str:
    if name in ("client", "sluice", "south", "reference"):
        return {"client": layout.CLIENT_NAMESPACE, "sluice": layout.SLUICE_NAMESPACE,
                "south": layout.SOUTH_NAMESPACE, "reference": layout.REFERENCE_NAMESPACE}[name]
    return layout.pod_namespace(_number_of(name))


def _number_of(name: str) -> int:
    if name.startswith("pod") and name[3:].isdecimal() and name == layout.pod_name(int(name[3:])):
        return int(name[3:])
    raise LabError(f"{name}: pod1, pod2, ... were expected")


def status() -> dict:
    if not state.exists():
        return {"up": False, "logs": str(layout.RUN_DIR)}
    current = state.load()
    pid = current["sluiced_pid"]
    return {
        "up": True,
        "driver": current["driver"],
        "client": {"namespace": layout.CLIENT_NAMESPACE, "address": layout.CLIENT_ADDRESS},
        "vip": {"address": layout.VIP, "port": layout.PORT},
        "tls": current["tls"],
        "sluiced": {
            "namespace": layout.SLUICE_NAMESPACE, "pid": pid, "alive": alive(pid),
            "north": layout.NORTH_ADDRESS, "south": layout.SOUTH_ADDRESS,
            "config": current["config"], "endpoints": str(layout.ENDPOINTS_FILE),
            "socket": str(layout.ADMIN_SOCKET), "log": str(layout.SLUICED_LOG),
        },
        "wire": {"impair": current["impair"], "pid": current["wire_pid"], "log": str(layout.WIRE_LOG),
                 "reference": layout.REFERENCE_ADDRESS},
        "south": {"namespace": layout.SOUTH_NAMESPACE, "address": layout.BRIDGE_ADDRESS},
        "pods": [
            {"name": layout.pod_name(number), "namespace": layout.pod_namespace(number),
             "address": layout.pod_address(number), "port": layout.PORT, "pid": pod_pid, "alive": alive(pod_pid),
             "log": str(layout.pod_log(number))}
            for number, pod_pid in ((int(text), pod_pid) for text, pod_pid in current["pods"].items())
        ],
        "logs": str(layout.RUN_DIR),
    }
