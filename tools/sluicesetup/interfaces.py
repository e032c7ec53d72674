"""Network interfaces of the kernel: which belong to a PCI device, and which the host is reached by."""

import json
import os
import re
import socket
import struct
from typing import Dict, List, Mapping, Set

from .host import Host, SetupError

TCP_ESTABLISHED = "01"
ROUTE_REJECT = 0x0200  # RTF_REJECT, linux/route.h


def of_device(host: Host, device: str) -> List[str]:
    """A virtio device's interface stands below a device of its own."""
    directory = f"/sys/bus/pci/devices/{device}"
    below = [directory, *(f"{directory}/{name}" for name in host.names(directory) if re.fullmatch(r"virtio\d+", name))]
    return [name for each in below for name in host.names(f"{each}/net")]


def addresses(host: Host) -> Dict[str, List[str]]:
    """With prefix lengths, by interface. Without link-local addresses, which the kernel makes itself."""
    by_interface: Dict[str, List[str]] = {}
    for link in json.loads(host.run("ip", "-json", "address", "show") or "[]"):
        by_interface[link["ifname"]] = [f"{each['local']}/{each['prefixlen']}" for each in link.get("addr_info", [])
                                        if each.get("scope") != "link"]
    return by_interface


def protected(host: Host, environment: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """From interface to the reason why tools/setup leaves it to the kernel. A bridge, bond or VLAN protects what it is made of."""
    reasons = {name: "has the default route" for name in _default_routes(host)}
    in_use = _ssh_addresses(host, environment)
    if in_use:
        for name, own in addresses(host).items():
            if in_use & {address.partition("/")[0] for address in own}:
                reasons[name] = "carries an SSH session"
    pending = list(reasons)
    while pending:
        upper = pending.pop()
        for lower in _lower(host, upper):
            if lower not in reasons:
                reasons[lower] = f"is part of {upper}, which {reasons[upper]}"
                pending.append(lower)
    return reasons


def _lower(host: Host, upper: str) -> List[str]:
    return [name[len("lower_"):] for name in host.names(f"/sys/class/net/{upper}") if name.startswith("lower_")]


def _default_routes(host: Host) -> Set[str]:
    found = set()
    for fields in map(str.split, host.read("/proc/net/route").splitlines()[1:]):
        if fields[1] == fields[7] == "00000000" and not int(fields[3], 16) & ROUTE_REJECT:
            found.add(fields[0])
    for fields in map(str.split, host.read("/proc/net/ipv6_route").splitlines()):
        if set(fields[0]) == {"0"} and fields[1] == "00" and not int(fields[8], 16) & ROUTE_REJECT:
            found.add(fields[9])
    return found - {"lo"}


def _ssh_addresses(host: Host, environment: Mapping[str, str]) -> Set[str]:
    """The local addresses of this session, and of all connections that sshd has."""
    found = set()
    session = environment.get("SSH_CONNECTION", "").split()
    if len(session) == 4:
        found.add(session[2])
    inodes = {link[len("socket:["):-1] for pid in host.processes("sshd") for descriptor in host.names(f"/proc/{pid}/fd")
              if (link := host.link(f"/proc/{pid}/fd/{descriptor}") or "").startswith("socket:[")}
    for table in ("tcp", "tcp6"):
        for fields in map(str.split, host.read(f"/proc/net/{table}").splitlines()[1:]):
            if fields[3] == TCP_ESTABLISHED and fields[9] in inodes:
                found.add(_address(fields[1].partition(":")[0]))
    return {address[len("::ffff:"):] if address.startswith("::ffff:") and "." in address else address for address in found}


def _address(hexadecimal: str) -> str:
    """/proc/net has each 32-bit word of an address in the machine's byte order."""
    words = [int(hexadecimal[at:at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    if len(words) not in (1, 4):
        raise SetupError(f"/proc/net has the address {hexadecimal}")
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, struct.pack(f"={len(words)}I", *words))
