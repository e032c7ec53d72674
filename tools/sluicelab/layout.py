"""Names, addresses and places: the fixed and documented face of the lab."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RUN_DIR = Path("/run/sluice-lab")

CLIENT_NAMESPACE = "sluice-client"
SLUICE_NAMESPACE = "sluice-lb"
SOUTH_NAMESPACE = "sluice-south"
REFERENCE_NAMESPACE = "sluice-reference"

CLIENT_ADDRESS = "198.18.0.1"
NORTH_ADDRESS = "198.18.0.2"
VIP = "198.18.0.10"
REFERENCE_ADDRESS = "198.18.0.20"
SOUTH_ADDRESS = "198.18.1.1"
BRIDGE_ADDRESS = "198.18.1.250"
FIRST_POD_ADDRESS = "198.18.1.101"
PREFIX_LENGTH = 24

# `tools/lab up --kubernetes` adds a link between the lab's root and sluiced, beside Sluice's ports.
MANAGEMENT_ROOT = "198.18.2.1"
MANAGEMENT_SLUICE = "198.18.2.2"
MANAGEMENT_DEVICE = "sluice-mgmt"  # in the root namespace

# `tools/lab up --ipv6` adds these.
CLIENT_ADDRESS_6 = "fd00:198:18::1"
NORTH_ADDRESS_6 = "fd00:198:18::2"
VIP_6 = "fd00:198:18::10"
SOUTH_ADDRESS_6 = "fd00:198:18:1::1"
PREFIX_LENGTH_6 = 64

PORT = 50051
# Of the VIP: the same pods behind L4 listeners, which choose a pod for a connection.
TCP_PORT = 50052
UDP_PORT = 50053
IPV6_PODS_PORT = 50054  # with `tools/lab up --ipv6`: pod1 over IPv6
# Of the VIP, in the demo: pods of HTTP/1.1 through L7 and through `tcp`. The pods listen on the first.
HTTP1_PORT, HTTP1_TCP_PORT = 8080, 8081
TLS_PORT = 443  # of the VIP, with `tools/lab up --tls`
MAX_PODS = 100  # what fits from .101 up, short of the bridge's address

# All but the worker, which is pinned to core 0 by the DPDK configuration.
COMMON_CORE = 1

DRIVERS = ("af_xdp", "tap", "tun")

ADMIN_SOCKET = RUN_DIR / "sluiced.sock"
CONFIG_FILE = RUN_DIR / "sluiced.toml"
ENDPOINTS_FILE = RUN_DIR / "endpoints.toml"
HTTP1_ENDPOINTS_FILE = RUN_DIR / "endpoints-http1.toml"
TLS_DIR = RUN_DIR / "tls"
DPDK_FILE = RUN_DIR / "dpdk.toml"
SLUICED_LOG = RUN_DIR / "sluiced.log"
WIRE_LOG = RUN_DIR / "wire.log"


def build_dir() -> Path:
    return Path(os.environ.get("SLUICE_BUILD", REPOSITORY / "build"))


def default_workers() -> int:
    """Of sluiced, where nobody says how many."""
    return int(os.environ.get("SLUICE_LAB_WORKERS", 1))


def sluiced_binary() -> Path:
    return build_dir() / "src" / "sluiced"


def wire_binary() -> Path:
    return build_dir() / "tools" / "wire" / "wire"


def sluicectl_binary() -> Path:
    return build_dir() / "tools" / "sluicectl"


def pod_binary() -> Path:
    return build_dir() / "tools" / "apps" / "sluice-pod"


def http1_client() -> Path:
    return REPOSITORY / "tools" / "apps" / "http1_client.py"


def http1_pod() -> Path:
    return REPOSITORY / "tools" / "apps" / "http1_pod.py"


def client_binary() -> Path:
    return build_dir() / "tools" / "apps" / "sluice-client"


def pod_name(number: int) -> str:
    return f"pod{number}"


def pod_namespace(number: int) -> str:
    return f"sluice-pod{number}"


def pod_address(number: int) -> str:
    return f"198.18.1.{100 + number}"


def pod_address_6(number: int) -> str:
    return f"fd00:198:18:1::{100 + number}"


def pod_log(number: int) -> Path:
    return RUN_DIR / f"{pod_name(number)}.log"


def pod_counts(number: int) -> Path:
    return RUN_DIR / f"{pod_name(number)}.counts"
