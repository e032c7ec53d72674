"""The files that sluiced reads: its own and the endpoints'."""

from typing import Iterable, NamedTuple, Optional

from . import layout, state

DEVICES = {"af_xdp": ("net_af_xdp0", "net_af_xdp1"), "tap": ("net_tap0", "net_tap1"), "tun": ("tun:tap-north", "tun:tap-south")}
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
address = "{layout.VIP}:{layout.PORT + 1}"
protocol = "h2c"
service = "echo-ipv6"

[[listener]]
name = "ipv6-to-ipv6"
address = "[{layout.VIP_6}]:{layout.PORT + 1}"
protocol = "h2c"
service = "echo-ipv6"

[[service]]
name = "echo-ipv6"
endpoints = [{{ address = "[{layout.pod_address_6(1)}]:{layout.PORT}" }}]
"""


def sluiced_toml(driver: str, balance: str = "round_robin", timeouts: Optional[dict] = None, extra: str = "",
                 ipv6: bool = False, kubernetes: Optional[Kubernetes] = None) -> str:
    """`extra` is appended: further listeners and services."""
    more = {"north": "", "south": ""}
    if ipv6:
        more = {"north": f', "{layout.NORTH_ADDRESS_6}/{layout.PREFIX_LENGTH_6}"',
                "south": f', "{layout.SOUTH_ADDRESS_6}/{layout.PREFIX_LENGTH_6}"'}
        extra += IPV6
    north, south = DEVICES[driver]
    profile = layout.REPOSITORY / "nic_profiles" / PROFILES[driver]
    endpoints = f'{{ file = "{layout.ENDPOINTS_FILE}" }}'
    if kubernetes:
        endpoints = f'{{ kubernetes = "{kubernetes.service}" }}'
        extra = f'\n[kubernetes]\nkubeconfig = "{kubernetes.kubeconfig}"\n{extra}'
    settings = "\n".join(f'{key} = "{value}"' for key, value in {**DEFAULT_TIMEOUTS, **(timeouts or {})}.items())
    return f"""\
dpdk = "{layout.REPOSITORY}/dpdk_conf/{driver}.toml"

[sluice]
workers = 1
admin_socket = "{layout.ADMIN_SOCKET}"
log_level = "info"

[timeouts]
{settings}

[[port]]
name = "north"
device = "{north}"
profile = "{profile}"
addresses = ["{layout.NORTH_ADDRESS}/{layout.PREFIX_LENGTH}"{more["north"]}]

[[port]]
name = "south"
device = "{south}"
profile = "{profile}"
addresses = ["{layout.SOUTH_ADDRESS}/{layout.PREFIX_LENGTH}"{more["south"]}]

[[listener]]
name = "grpc"
address = "{layout.VIP}:{layout.PORT}"
protocol = "h2c"
service = "echo"

[[service]]
name = "echo"
balance = "{balance}"
endpoints = {endpoints}
{extra}"""


def write_endpoints(pods: Iterable[int]) -> None:
    lines = [f'  {{ address = "{layout.pod_address(number)}:{layout.PORT}", id = "{layout.pod_name(number)}" }},'
             for number in sorted(pods)]
    state.replace(layout.ENDPOINTS_FILE, "endpoints = [\n" + "".join(line + "\n" for line in lines) + "]\n")
