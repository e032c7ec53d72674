"""TAP devices that a process holds by a descriptor: they are gone with the last descriptor."""

import ctypes
import fcntl
import os
import struct

from .process import LabError

# linux/if_tun.h, linux/sched.h
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x0100, 0x1000, 0x4000
CLONE_NEWNET = 0x40000000


def open_tap(namespace: str, name: str, queues: int = 1) -> list:
    """The descriptors of a new TAP device in that namespace, one for each queue, as QEMU takes them: with a virtio_net_hdr before each
    frame."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(network: int) -> None:
        if libc.setns(network, CLONE_NEWNET) != 0:
            raise LabError(f"setns to {namespace}: {os.strerror(ctypes.get_errno())}")

    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    descriptors: list = []
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        enter(there.fileno())
        try:
            for _ in range(queues):
                descriptors.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
                fcntl.ioctl(descriptors[-1], TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        finally:
            enter(home.fileno())
    return descriptors
