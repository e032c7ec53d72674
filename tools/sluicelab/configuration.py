"""The files that sluiced reads: its own and the endpoints'."""

import json
from typing import Iterable, NamedTuple, Optional

from . import layout, state

DEVICES = {"tap": ("net_tap0", "net_tap1"), "tun": ("tun:tap-north", "tun:tap-south")}
PROFILES = {"af_xdp": "af_xdp-veth.toml", "tap": "tap.toml", "tun": "tun.toml"}
DEFAULT_TIMEOUTS = {"drain_announce": "0s", "drain_timeout": "10s", "time_wait": "60s"}


class Kubernetes(NamedTuple):
    kubeconfig: str
    service: str  # "namespace/name:port"


# A client of either family reaches pods of either: the VIPs of both lead to both services.
IPV6 = f"""
[[listener]]
name = "grpc-ipv6"
address = "[{layout.VIP_6}]:{layout.PORT}"
protocol = "h2c"
service = "echo"

[[listener]]
name = "to-ipv6"
address = "{layout.VIP}:{layout.IPV6_PODS_PORT}"
protocol = "h2c"
service = "echo-ipv6"

[[listener]]
name = "ipv6-to-ipv6"
address = "[{layout.VIP_6}]:{layout.IPV6_PODS_PORT}"
protocol = "h2c"
service = "echo-ipv6"

[[service]]
name = "echo-ipv6"
endpoints = [{{ address = "[{layout.pod_address_6(1)}]:{layout.PORT}" }}]
"""


def https_listener(tls: dict, name: str = "https", port: int = layout.TLS_PORT, service: str = "echo", keys: str = "") -> str:
    """A listener with the certificates of certificates.make_all(). `keys` are further keys of its table tls."""
    pairs = "".join(f'  {{ certificate = "{pair["certificate"]}", key = "{pair["key"]}" }},\n' for pair in tls["certificates"])
    return f"""
[[listener]]
name = "{name}"
address = "{layout.VIP}:{port}"
protocol = "https"
service = "{service}"
[listener.tls]
certificates = [
{pairs}]
{keys}
"""


def devices(driver: str, workers: int) -> tuple:
    """Of the ports north and south. An AF_XDP device has one queue, so each worker has a device of its own."""
    if driver != "af_xdp":
        return tuple(json.dumps(name) for name in DEVICES[driver])
    if workers == 1:
        return '"net_af_xdp0"', '"net_af_xdp1"'
    return tuple(json.dumps([f"net_af_xdp{2 * worker + side}" for worker in range(workers)]) for side in (0, 1))


def dpdk_toml(driver: str, workers: int) -> str:
    """For several workers, which share a core. For one, dpdk_conf/ has the file."""
    vdevs = []
    if driver == "af_xdp":
        vdevs = [f"net_af_xdp{2 * worker + side},iface={interface},start_queue={worker},queue_count=1,busy_budget=0"
                 for worker in range(workers) for side, interface in enumerate(("north", "south"))]
    return f"""\
worker_cores = {[0] * workers}
control_core = 1
memory_mib = {160 + 128 * workers}
in_memory = true
rx_mbufs = {16384 * (workers + 1)}
tx_mbufs = 4096
hold_mbufs = 16384
data_room = 2176
vdevs = {json.dumps(vdevs)}
"""


def pod_protocol(current: dict) -> str:
    """The keys of the service that say what the lab's pods speak."""
    http1, tls = current.get("pods_http1"), current.get("pods_tls")
    if tls:
        return f'''protocol = "{'https1' if http1 else 'h2'}"
tls.ca = "{tls['ca']}"
tls.expected = "{tls['expected']}"
'''
    return 'protocol = "http1"\n' if http1 else ""


def sluiced_toml(driver: str, balance: str = "round_robin", timeouts: Optional[dict] = None, extra: str = "",
                 ipv6: bool = False, kubernetes: Optional[Kubernetes] = None, tls: Optional[dict] = None) -> str:
    """`extra` is appended: further listeners and services. The number of workers and the protocol of the pods are the lab's. `tls`: the
    lab's certificates."""
    current = state.load() if state.exists() else {}
    workers = current.get("workers", 1)
    protocol = pod_protocol(current)
    dpdk = layout.DPDK_FILE if workers > 1 else layout.REPOSITORY / "dpdk_conf" / f"{driver}.toml"
    if tls is not None:
        extra += https_listener(tls)
    more = {"north": "", "south": ""}
    if ipv6:
        more = {"north": f', "{layout.NORTH_ADDRESS_6}/{layout.PREFIX_LENGTH_6}"',
                "south": f', "{layout.SOUTH_ADDRESS_6}/{layout.PREFIX_LENGTH_6}"'}
        extra += IPV6 + protocol
    north, south = devices(driver, workers)
    profile = layout.REPOSITORY / "nic_profiles" / PROFILES[driver]
    endpoints = f'{{ file = "{layout.ENDPOINTS_FILE}" }}'
    if kubernetes:
        endpoints = f'{{ kubernetes = "{kubernetes.service}" }}'
        extra = f'\n[kubernetes]\nkubeconfig = "{kubernetes.kubeconfig}"\n{extra}'
    # Workers that share a core must not poll in each other's time.
    idle = 'idle = "sleep"\n' if workers > 1 else ""
    settings = "\n".join(f'{key} = "{value}"' for key, value in {**DEFAULT_TIMEOUTS, **(timeouts or {})}.items())
    return f"""\
dpdk = "{dpdk}"

[sluice]
workers = {workers}
{idle}admin_socket = "{layout.ADMIN_SOCKET}"
log_level = "info"

[timeouts]
{settings}

[[port]]
name = "north"
device = {north}
profile = "{profile}"
addresses = ["{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}"{more["north"]}]

[[port]]
name = "south"
device = {south}
profile = "{profile}"
addresses = ["{layout.SOUTH_ADDRESS}/{layout.PREFIX_LENGTH}"{more["south"]}]

[[listener]]
name = "grpc"
address = "{layout.VIP}:{layout.PORT}"
protocol = "h2c"
service = "echo"

[[listener]]
name = "http"
address = "{layout.VIP}:80"
protocol = "http"
service = "echo"

[[listener]]
name = "tcp"
address = "{layout.VIP}:{layout.TCP_PORT}"
protocol = "tcp"
mode = "nat"
service = "echo"

[[listener]]
name = "udp"
address = "{layout.VIP}:{layout.UDP_PORT}"
protocol = "udp"
mode = "nat"
service = "echo"

[[service]]
name = "echo"
balance = "{balance}"
endpoints = {endpoints}
{protocol}{extra}"""


# The demo's second half: pods of HTTP/1.1, one beside each of the others.
HTTP1 = f"""
[[listener]]
name = "http1"
address = "{layout.VIP}:{layout.HTTP1_PORT}"
protocol = "http"
service = "http1"

[[listener]]
name = "http1-tcp"
address = "{layout.VIP}:{layout.HTTP1_TCP_PORT}"
protocol = "tcp"
mode = "nat"
service = "http1"

[[service]]
name = "http1"
protocol = "http1"
endpoints = {{ file = "{layout.HTTP1_ENDPOINTS_FILE}" }}
"""


def write_endpoints(pods: Iterable[int]) -> None:
    pods = sorted(pods)
    for path, port, suffix in ((layout.ENDPOINTS_FILE, layout.PORT, ""), (layout.HTTP1_ENDPOINTS_FILE, layout.HTTP1_PORT, "-http1")):
        lines = [f'  {{ address = "{layout.pod_address(number)}:{port}", id = "{layout.pod_name(number)}{suffix}" }},' for number in pods]
        state.replace(path, "endpoints = [\n" + "".join(line + "\n" for line in lines) + "]\n")
