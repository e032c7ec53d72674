"""Namespaces, veth pairs and bridges."""

import json
import os
import signal
from pathlib import Path

from . import layout
from .process import ip, in_namespace, run

# A bridge that only forwards: no spanning tree to wait for, no snooping that would drop what it has not learned.
BRIDGE = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0"

# Of the TAP devices as the kernel sees them. DPDK answers to the address that a TAP device was made with, and a bridge keeps
# frames for the addresses of its own ports to itself: so the kernel's side gets another one.
TAP_ADDRESSES = {"north": "02:00:00:00:00:0a", "south": "02:00:00:00:00:0b"}


def namespace_exists(name: str) -> bool:
    return Path("/run/netns", name).exists()


def add_namespace(name: str) -> None:
    ip(f"netns add {name}")
    ip("link set lo up", name)


def no_ipv6(namespace: str) -> None:
    """Keeps the kernel from sending router solicitations of its own through devices that are not its own."""
    run(*in_namespace(namespace, ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                                  "net.ipv6.conf.default.disable_ipv6=1"]))


def compute_checksums(namespace: str, device: str) -> None:
    """The kernel leaves checksums to the hardware, and a veth pair has none: a DPDK port at its other end would see wrong ones."""
    run(*in_namespace(namespace, ["ethtool", "-K", device, "tx", "off"]))


def lay_cable(outer: str, outer_device: str, inner_device: str, queues: int) -> None:
    several = f" numtxqueues {queues} numrxqueues {queues}" if queues > 1 else ""
    ip(f"link add {outer_device} netns {outer}{several} type veth peer name {inner_device} netns {layout.SLUICE_NAMESPACE}{several}")


def connect(outer: str, outer_device: str, inner_device: str, queues: int = 1) -> None:
    """A veth pair between another namespace and the one where Sluice runs. The sender's kernel spreads flows over the queues."""
    lay_cable(outer, outer_device, inner_device, queues)
    compute_checksums(outer, outer_device)
    ip(f"link set {outer_device} up", outer)
    ip(f"link set {inner_device} up", layout.SLUICE_NAMESPACE)


def insert_wire(inner_device: str, queues: int = 1) -> None:
    """Where the client's cable led straight to Sluice's port, tools/wire stands between two cables; behind it a bridge, with
    Sluice's port and a machine that runs nothing but the kernel: what Linux does over the same wire can be compared."""
    sluice = layout.SLUICE_NAMESPACE
    connect(layout.CLIENT_NAMESPACE, "eth0", "wire-up")
    add_namespace(layout.REFERENCE_NAMESPACE)
    ip(f"link add br-wire {BRIDGE}", sluice)
    ip("link set br-wire up", sluice)
    ip(f"link add wire-br netns {sluice} type veth peer name wire-down netns {sluice}")
    lay_cable(sluice, "north-br", inner_device, queues)
    ip(f"link add reference netns {sluice} type veth peer name eth0 netns {layout.REFERENCE_NAMESPACE}")
    compute_checksums(layout.REFERENCE_NAMESPACE, "eth0")
    for device in ("wire-br", "north-br", "reference"):
        run(*in_namespace(sluice, ["ethtool", "-K", device, "gro", "off"]))  # a merged frame does not fit into a DPDK port
        ip(f"link set {device} master br-wire up", sluice)
    for device in ("wire-down", inner_device):
        ip(f"link set {device} up", sluice)
    ip(f"address add {layout.REFERENCE_ADDRESS}/{layout.PREFIX_LENGTH} dev eth0", layout.REFERENCE_NAMESPACE)
    ip("link set eth0 up", layout.REFERENCE_NAMESPACE)


def up(driver: str, with_wire: bool = False, queues: int = 1) -> None:
    for name in (layout.CLIENT_NAMESPACE, layout.SLUICE_NAMESPACE, layout.SOUTH_NAMESPACE):
        add_namespace(name)
    no_ipv6(layout.SLUICE_NAMESPACE)
    no_ipv6(layout.SOUTH_NAMESPACE)
    ip(f"link add br0 {BRIDGE}", layout.SOUTH_NAMESPACE)
    ip(f"address add {layout.BRIDGE_ADDRESS}/{layout.PREFIX_LENGTH} dev br0", layout.SOUTH_NAMESPACE)
    ip("link set br0 up", layout.SOUTH_NAMESPACE)
    if driver != "tun":  # whose cables come with sluiced: plug_tun()
        lay_cables(driver == "tap", with_wire, queues)


def lay_cables(tap: bool, with_wire: bool, queues: int = 1) -> None:
    north = "north-veth" if tap else "north"
    if with_wire:
        insert_wire(north, queues)
    else:
        connect(layout.CLIENT_NAMESPACE, "eth0", north, queues)
    connect(layout.SOUTH_NAMESPACE, "sluice", "south-veth" if tap else "south", queues)
    ip(f"address add {layout.CLIENT_ADDRESS}/{layout.PREFIX_LENGTH} dev eth0", layout.CLIENT_NAMESPACE)
    ip("link set sluice master br0", layout.SOUTH_NAMESPACE)
    if tap:
        for side in ("north", "south"):
            ip(f"link add br-{side} {BRIDGE}", layout.SLUICE_NAMESPACE)
            ip(f"link set br-{side} up", layout.SLUICE_NAMESPACE)
            ip(f"link set {side}-veth master br-{side}", layout.SLUICE_NAMESPACE)


def tap_exists(side: str) -> bool:
    return side in os.popen(f"ip -n {layout.SLUICE_NAMESPACE} -br link show type tun").read().split()


def address_tap(side: str) -> None:
    """Gives the kernel's side of a TAP device its address."""
    ip(f"link set {side} address {TAP_ADDRESSES[side]}", layout.SLUICE_NAMESPACE)


def plug_tap(side: str) -> None:
    """Connects a TAP device that DPDK has made to the bridge that waits for it."""
    address_tap(side)
    ip(f"link set {side} master br-{side}", layout.SLUICE_NAMESPACE)
    ip(f"link set {side} up", layout.SLUICE_NAMESPACE)


def device_exists(namespace: str, name: str) -> bool:
    return any(link["ifname"] == name for link in json.loads(ip("-j link show", namespace)))


def plug_tun(ipv6: bool = False) -> None:
    """Moves the TAP devices that sluiced has made to its peers. The kernel's side of each is then the client's interface and a port
    of the pods' bridge, and packets of 64 KiB cross between their sockets and Sluice. The devices go when sluiced ends. In a lab
    with cables of another driver (the bench's), the client's cable is down meanwhile."""
    sluice, client, south = layout.SLUICE_NAMESPACE, layout.CLIENT_NAMESPACE, layout.SOUTH_NAMESPACE
    client_device, south_device = "eth0", "sluice"
    if device_exists(client, "eth0"):
        ip("link set eth0 down", client)
        client_device, south_device = "eth0-tun", "sluice-tun"
    ip(f"link set tap-north netns {client} name {client_device}", sluice)
    ip(f"address add {layout.CLIENT_ADDRESS}/{layout.PREFIX_LENGTH} dev {client_device}", client)
    if ipv6:
        add_ipv6_address(client, layout.CLIENT_ADDRESS_6, client_device)
    ip(f"link set {client_device} up", client)
    ip(f"link set tap-south netns {south} name {south_device}", sluice)
    ip(f"link set {south_device} master br0 up", south)


def unplug_tun() -> None:
    """After sluiced has ended, in a lab with cables of another driver."""
    ip("link set eth0 up", layout.CLIENT_NAMESPACE)


def add_ipv6_address(namespace: str, address: str, device: str = "eth0") -> None:
    """Usable at once: nobody else has it, so there is no duplicate to look for."""
    ip(f"address add {address}/{layout.PREFIX_LENGTH_6} dev {device} nodad", namespace)


def add_management_link() -> None:
    """Between the root namespace and sluiced's: no port of Sluice, but the kernel's, for the API of Kubernetes."""
    sluice = layout.SLUICE_NAMESPACE
    ip(f"link add {layout.MANAGEMENT_DEVICE} type veth peer name management netns {sluice}")
    ip(f"address add {layout.MANAGEMENT_ROOT}/{layout.PREFIX_LENGTH} dev {layout.MANAGEMENT_DEVICE}")
    ip(f"link set {layout.MANAGEMENT_DEVICE} up")
    ip(f"address add {layout.MANAGEMENT_SLUICE}/{layout.PREFIX_LENGTH} dev management", sluice)
    ip("link set management up", sluice)


def remove_management_link() -> None:
    if Path("/sys/class/net", layout.MANAGEMENT_DEVICE).exists():
        ip(f"link delete {layout.MANAGEMENT_DEVICE}")


def add_pod(number: int) -> None:
    """The pod's namespace and its place behind the bridge. Stays until down(), so that scaling is quick."""
    namespace = layout.pod_namespace(number)
    if namespace_exists(namespace):
        return
    add_namespace(namespace)
    ip(f"link add eth0 netns {namespace} type veth peer name {layout.pod_name(number)} netns {layout.SOUTH_NAMESPACE}")
    ip(f"address add {layout.pod_address(number)}/{layout.PREFIX_LENGTH} dev eth0", namespace)
    add_ipv6_address(namespace, layout.pod_address_6(number))
    ip("link set eth0 up", namespace)
    ip(f"link set {layout.pod_name(number)} master br0 up", layout.SOUTH_NAMESPACE)


def lab_namespaces() -> list:
    names = [layout.CLIENT_NAMESPACE, layout.SLUICE_NAMESPACE, layout.SOUTH_NAMESPACE, layout.REFERENCE_NAMESPACE]
    names += [layout.pod_namespace(number) for number in range(1, layout.MAX_PODS + 1)]
    return [name for name in names if namespace_exists(name)]


def down() -> None:
    """Removes the lab's namespaces, and with them every process and device in them."""
    remove_management_link()
    for name in lab_namespaces():
        for pid in run("ip", "netns", "pids", name).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        ip(f"netns delete {name}")
