"""tools/wire in the lab: the bad link between the client and Sluice."""

import signal
import subprocess
from typing import Optional

from . import layout
from .process import LabError, alive, kill, send_signal, spawn, tail, wait_until

START_SECONDS = 20.0
STOP_SECONDS = 3.0

CONFIG_FILE = layout.RUN_DIR / "wire.toml"
DPDK_FILE = layout.RUN_DIR / "wire-dpdk.toml"

DPDK = f"""\
worker_cores = [{layout.COMMON_CORE}]
control_core = {layout.COMMON_CORE}
memory_mib = 256
in_memory = true
rx_mbufs = 16384
tx_mbufs = 1024
hold_mbufs = 32768      # frames under way: 100 ms of 200,000 frames a second, and some
data_room = 2176
vdevs = [
  "net_af_xdp0,iface=wire-up,start_queue=0,queue_count=1",
  "net_af_xdp1,iface=wire-down,start_queue=0,queue_count=1",
]
"""


def _port(number: int) -> str:
    return f"""
[[port]]
name = "wire{number}"
device = "net_af_xdp{number}"
profile = "{layout.REPOSITORY}/nic_profiles/af_xdp-veth.toml"
addresses = ["192.0.2.{number + 1}/32"]  # a wire has none, but the file must name one
"""


def _binary() -> str:
    binary = layout.wire_binary()
    if not binary.exists():
        raise LabError(f"{binary} is not built (SLUICE_BUILD names the build directory)")
    return str(binary)


def check(impairment: str) -> None:
    """Raises LabError, with the wire's own words, when it would not take the specification."""
    done = subprocess.run([_binary(), "--impair", impairment, "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LabError(done.stdout.strip() or f"the wire refuses {impairment}")


def _keep_log() -> None:
    """What the wire before has said stays: as wire.log.1, wire.log.2 and so on, in their order."""
    if layout.WIRE_LOG.exists():
        number = len(list(layout.RUN_DIR.glob(layout.WIRE_LOG.name + ".*"))) + 1
        layout.WIRE_LOG.rename(layout.WIRE_LOG.with_name(f"{layout.WIRE_LOG.name}.{number}"))


def start(impairment: str) -> int:
    binary = _binary()
    DPDK_FILE.write_text(DPDK)
    CONFIG_FILE.write_text(f'dpdk = "{DPDK_FILE}"\n' + _port(0) + _port(1))
    _keep_log()
    pid = spawn(layout.SLUICE_NAMESPACE, [binary, "--config", str(CONFIG_FILE), "--impair", impairment],
                layout.WIRE_LOG, pin=False)
    ready = wait_until(lambda: not alive(pid) or "ready" in tail(layout.WIRE_LOG), START_SECONDS)
    if not ready or not alive(pid):
        send_signal(pid, signal.SIGKILL)
        raise LabError(f"the wire did not start: {tail(layout.WIRE_LOG)}")
    return pid


def stop(pid: Optional[int]) -> None:
    """It says in its log what it did to the frames."""
    send_signal(pid, signal.SIGTERM)
    if not wait_until(lambda: not alive(pid), STOP_SECONDS):
        kill(pid)
