"""TAP devices that a process holds by a descriptor: they are gone with the last descriptor."""

import ctypes
import fcntl
import os
import struct

from .process import LabError

# linux/if_tun.h, linux/sched.h
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
CLONE_NEWNET = 0x40000000


def open_tap(namespace: str, name: str) -> int:
    """The descriptor of a new TAP device in that namespace, as QEMU takes it: with a virtio_net_hdr before each frame."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(network: int) -> None:
        if libc.setns(network, CLONE_NEWNET) != 0:
            raise LabError(f"setns to {namespace}: {os.strerror(ctypes.get_errno())}")

    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        enter(there.fileno())
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            try:
                fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
            except BaseException:
                os.close(descriptor)
                raise
        finally:
            enter(home.fileno())
    return descriptor
