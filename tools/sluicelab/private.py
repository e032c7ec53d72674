"""A command with namespaces of its own for the network, mounts and processes: a lab in it shares no name and no address with
another one, and nothing that it started outlives it."""

from typing import Sequence

# The lab keeps its sockets, its state and its network namespaces in /run.
_PREPARE = "mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock && ip link set lo up && \"$@\"; exit $?"


def isolated(command: Sequence[str]) -> list:
    """The command that runs `command` so. All processes end with the first one that ends: the command or its parent."""
    return ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
            "bash", "-c", _PREPARE, "isolated", *command]
