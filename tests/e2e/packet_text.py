"""Packets as lines of text, for fixtures: `198.18.0.1:40000 > 198.18.0.10:80 tcp S ttl=64 mss=1460 size=5`.

Flags are letters: S, A, F, R, P. Keys, each with a default that is left out: ttl (64), tos (0), mss (no option), size (bytes of
payload, 0), checksum (good; `checksum=bad`). An ICMP error: `198.18.0.254 > 198.18.0.10 too-big mtu=1400 about LINE`; it quotes
that packet. `bytes=0-800` is the fragment with these bytes of the transport; one behind the first shows no ports when it leaves. A
packet that leaves has two more keys: `via` (the neighbour that gets it) and `tunnel` (the ends of the outer header)."""

import ipaddress
import re
import struct
from typing import Optional

TCP, UDP, IPV4_IN_IP, IPV6_IN_IP, ICMP, ICMP6, FRAGMENT = 6, 17, 4, 41, 1, 58, 44
IDENTIFICATION = 7  # of fragments that come
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
# Names of errors: type and code of ICMP and of ICMPv6.
ERRORS = {"too-big": ((3, 4), (2, 0)), "expired": ((11, 0), (3, 0)), "port-unreachable": ((3, 3), (1, 4))}


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo_header(source, destination, protocol: int, size: int) -> bytes:
    layout = "!HH" if source.version == 4 else "!II"
    return source.packed + destination.packed + struct.pack(layout, protocol, size)


def ip_packet(source, destination, protocol: int, ttl: int, tos: int, payload: bytes, piece: Optional[tuple] = None) -> bytes:
    """piece: the bytes of the payload that the packet has; it is a fragment then."""
    whole, flags = payload, 0x4000
    if piece:
        first, last = piece
        payload = whole[first:last]
        more = last < len(whole)
        flags = first // 8 | 0x2000 * more
        if source.version == 6:
            payload = struct.pack("!BBHI", protocol, 0, first | more, IDENTIFICATION) + payload
            protocol = FRAGMENT
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, ttl) + source.packed + destination.packed + payload
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), IDENTIFICATION if piece else 0, flags, ttl, protocol, 0) + source.packed + destination.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def endpoint(text: str) -> tuple:
    address, port = text.rsplit(":", 1)
    return ipaddress.ip_address(address.strip("[]")), int(port)


def keys_of(words: list) -> dict:
    return dict(word.split("=", 1) for word in words if "=" in word)


def error_packet(line: str) -> bytes:
    head, about = line.split(" about ", 1)
    source, _, destination, name, *words = head.split()
    source, destination, keys = ipaddress.ip_address(source), ipaddress.ip_address(destination), keys_of(words)
    kind, code = ERRORS[name][source.version == 6]
    message = struct.pack("!BBHI", kind, code, 0, int(keys.get("mtu", 0))) + packet(about)[:500]
    protocol = ICMP if source.version == 4 else ICMP6
    covered = message if source.version == 4 else pseudo_header(source, destination, protocol, len(message)) + message
    message = message[:2] + struct.pack("!H", checksum(covered)) + message[4:]
    return ip_packet(source, destination, protocol, 64, 0, message)


def packet(line: str) -> bytes:
    """An IP packet as this line says."""
    if " about " in line:
        return error_packet(line)
    source, _, destination, protocol, *words = line.split()
    (source, source_port), (destination, destination_port), keys = endpoint(source), endpoint(destination), keys_of(words)
    data = bytes(i % 251 for i in range(int(keys.get("size", 0))))
    if protocol == "tcp":
        flags = sum(FLAGS[letter] for letter in words[0]) if words and "=" not in words[0] else 0
        options = struct.pack("!BBH", 2, 4, int(keys["mss"])) if "mss" in keys else b""
        acknowledged = 1 if flags & FLAGS["A"] else 0
        segment = struct.pack("!HHIIBBHHH", source_port, destination_port, 0, acknowledged, (20 + len(options)) // 4 << 4, flags, 65535, 0, 0)
        segment, number, at = segment + options + data, TCP, 16
    else:
        segment, number, at = struct.pack("!HHHH", source_port, destination_port, 8 + len(data), 0) + data, UDP, 6
    value = checksum(pseudo_header(source, destination, number, len(segment)) + segment)
    if keys.get("checksum") == "bad":
        value ^= 0x5555
    segment = segment[:at] + struct.pack("!H", value or 0xffff) + segment[at + 2:]
    piece = tuple(map(int, keys["bytes"].split("-"))) if "bytes" in keys else None
    return ip_packet(source, destination, number, int(keys.get("ttl", 64)), int(keys.get("tos", 0)), segment, piece)


def parts(data: bytes) -> tuple:
    """Source, destination, protocol, TTL, TOS and payload of an IP packet; its header's checksum must be right."""
    if data[0] >> 4 == 4:
        if checksum(data[:20]) != 0:
            raise AssertionError("the checksum of an IPv4 header is wrong")
        size, = struct.unpack("!H", data[2:4])
        return ipaddress.ip_address(data[12:16]), ipaddress.ip_address(data[16:20]), data[9], data[8], data[1], data[20:size]
    word, size, protocol, ttl = struct.unpack("!IHBB", data[:8])
    return ipaddress.ip_address(data[8:24]), ipaddress.ip_address(data[24:40]), protocol, ttl, word >> 20 & 0xff, data[40:40 + size]


def piece_of(data: bytes) -> Optional[tuple]:
    """Of a fragment: where its bytes begin, its protocol, and the bytes."""
    protocol, payload = parts(data)[2], parts(data)[5]
    if data[0] >> 4 == 4:
        flags, = struct.unpack("!H", data[6:8])
        return ((flags & 0x1fff) * 8, protocol, payload) if flags & 0x3fff else None
    return (struct.unpack("!H", payload[2:4])[0] & 0xfff8, payload[0], payload[8:]) if protocol == FRAGMENT else None


def text_of_endpoint(address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def text(data: bytes, quoted: bool = False) -> str:
    """The line of an IP packet."""
    source, destination, protocol, ttl, tos, payload = parts(data) if not quoted else parts(data + bytes(65_536))
    if protocol in (IPV4_IN_IP, IPV6_IN_IP):
        return f"{text(payload)} tunnel={source}>{destination}" + (f" outer-tos={tos}" if tos else "")
    keys = ("" if ttl == 64 else f" ttl={ttl}") + (f" tos={tos}" if tos else "")
    if protocol in (ICMP, ICMP6):
        kind, code, _, value = struct.unpack("!BBHI", payload[:8])
        name = next((name for name, types in ERRORS.items() if types[protocol == ICMP6] == (kind, code)), f"icmp-{kind}-{code}")
        return f"{source} > {destination} {name}{keys}" + (f" mtu={value}" if value else "") + f" about {text(payload[8:], True)}"
    piece = None if quoted else piece_of(data)
    if piece:
        first, protocol, payload = piece
        keys += f" bytes={first}-{first + len(payload)}"
        if first:
            return f"{source} > {destination} {'tcp' if protocol == TCP else 'udp'}{keys}"
    source_port, destination_port = struct.unpack("!HH", payload[:4])
    ends = f"{text_of_endpoint(source, source_port)} > {text_of_endpoint(destination, destination_port)}"
    if quoted:
        return f"{ends} {'tcp' if protocol == TCP else 'udp'}"
    if piece:
        return f"{ends} {'tcp' if protocol == TCP else 'udp'}{keys}"
    if checksum(pseudo_header(source, destination, protocol, len(payload)) + payload) != 0:
        keys += " checksum=bad"
    if protocol == UDP:
        return f"{ends} udp{keys}" + (f" size={len(payload) - 8}" if len(payload) > 8 else "")
    header = (payload[12] >> 4) * 4
    flags = "".join(letter for letter, bit in FLAGS.items() if payload[13] & bit)
    if payload[20:22] == b"\x02\x04" and header > 20:
        keys += f" mss={struct.unpack('!H', payload[22:24])[0]}"
    return f"{ends} tcp {flags}{keys}" + (f" size={len(payload) - header}" if len(payload) > header else "")


def text_of_frame(frame: bytes) -> str:
    """With the neighbour that it goes to: sluice-replay gives neighbours MAC addresses that end like their addresses."""
    return f"{text(frame[14:])} via={'.'.join(str(byte) for byte in frame[2:6])}"


def normal(line: str) -> str:
    """Words in the order of text(), which differs from what people write only in keys that have their defaults."""
    return re.sub(r"\s+", " ", line.replace(" ttl=64", "")).strip()
