"""The bare AF_XDP port of Sluice's own rooms, without Sluice: what one round trip through it costs here."""

import json
import signal
import subprocess
from typing import Optional

from sluicelab import configuration, layout
from sluicelab.process import LabError, alive, common_core, in_namespace, ip, run, send_signal, spawn, tail, wait_until

NAME, WORKLOAD = "reflector", "udp-100B-1x1"
TARGET = "tools/load/sluice-reflector"
START_SECONDS, STOP_SECONDS, SPARE_SECONDS = 10.0, 3.0, 10.0


def measure(seconds: float) -> dict:
    """A row as the proxies have."""
    binary, config, log = str(layout.build_dir() / TARGET), layout.RUN_DIR / "reflector.toml", layout.RUN_DIR / "reflector.log"
    config.write_text(configuration.sluiced_toml("af_xdp"))
    log.unlink(missing_ok=True)
    pid: Optional[int] = None
    client = layout.CLIENT_NAMESPACE
    try:
        pid = spawn(layout.SLUICE_NAMESPACE, [binary, "--config", str(config)], log, pin=False)
        if not wait_until(lambda: "ready" in tail(log) or not alive(pid), START_SECONDS) or not alive(pid):
            raise LabError(f"the reflector does not start:\n{tail(log)}")
        link = json.loads(run(*in_namespace(layout.SLUICE_NAMESPACE, ["ip", "-j", "link", "show", "north"])))[0]
        ip(f"neighbour replace {layout.NORTH_ADDRESS} lladdr {link['address']} dev eth0 nud permanent", client)
        try:
            asked = subprocess.run(in_namespace(client, [binary, "--ask", layout.NORTH_ADDRESS, "--seconds", str(seconds)]),
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds + SPARE_SECONDS,
                                   preexec_fn=common_core)
        except subprocess.TimeoutExpired:
            raise LabError("who asks the reflector does not end") from None
        finally:
            ip(f"neighbour del {layout.NORTH_ADDRESS} dev eth0", client)
        if asked.returncode != 0:
            raise LabError(f"the reflector does not answer: {asked.stdout}")
    finally:
        send_signal(pid, signal.SIGTERM)
        if not wait_until(lambda: not alive(pid), STOP_SECONDS):
            send_signal(pid, signal.SIGKILL)
    said = json.loads(asked.stdout)
    return {"workload": WORKLOAD, "proxy": NAME, "calls_per_s": said["calls"] / said["seconds"], "failed": said["lost"],
            "rss_mib": 0, "hugepages_mib": 0, **{key: said[key] for key in ("p50_us", "p99_us", "p999_us")}}
