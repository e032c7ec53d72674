"""Changes to a host, as data that goes into a file: they can be made, and taken back later.

A change is taken back only where the host still is as the change left it. Whatever somebody else has changed since stays.
"""

import contextlib
from typing import List, Optional

from .host import Host, SetupError

VFIO = "vfio-pci"
NO_OVERRIDE = "(null)"  # what the kernel shows


class Unchanged(Exception):
    """The kernel has refused a change that may be refused."""


def write(path: str, before: str, after: str, what: str, optional: bool = False) -> dict:
    """A value of the kernel's. optional: the kernel may refuse it, as it does for interrupts that it places itself."""
    return {"kind": "write", "path": path, "before": before, "after": after, "what": what, "optional": optional}


def create(path: str, text: str, what: str) -> dict:
    """A new file. Files outlive a reboot; all other changes do not."""
    return {"kind": "create", "path": path, "text": text, "what": what}


def load(module: str) -> dict:
    return {"kind": "load", "module": module, "what": f"load the kernel module {module}"}


def bind(host: Host, device: str, interfaces: List[dict]) -> dict:
    """interfaces: what the kernel loses, each with name and addresses."""
    directory = f"/sys/bus/pci/devices/{device}"
    driver = host.link(f"{directory}/driver")
    lost = "".join(f", which takes {each['name']} {' '.join(each['addresses'])}".rstrip() + " from the kernel" for each in interfaces)
    return {"kind": "bind", "device": device, "driver": driver, "override": host.read(f"{directory}/driver_override"),
            "interfaces": interfaces, "what": f"bind {device} to {VFIO} instead of {driver or 'no driver'}{lost}"}


def make(host: Host, change: dict) -> None:
    """May complete the change with what the host made of it. Raises Unchanged, SetupError or OSError."""
    if change["kind"] == "write":
        _make_write(host, change)
    elif change["kind"] == "create":
        directory = host.path(change["path"]).parent
        change["new_directory"] = not directory.exists()
        directory.mkdir(exist_ok=True)
        host.write(change["path"], change["text"])
    elif change["kind"] == "load":
        host.run("modprobe", change["module"])
    else:
        _rebind(host, change["device"], VFIO, VFIO)


def take_back(host: Host, change: dict) -> Optional[str]:
    """A remark, where there is one. SetupError or OSError when the change is still there."""
    if change["kind"] == "write":
        return _take_back_write(host, change)
    if change["kind"] == "create":
        if host.read(change["path"]) != change["text"].strip():
            return f"{change['path']} was changed since, and stays" if host.exists(change["path"]) else None
        host.path(change["path"]).unlink()
        if change.get("new_directory"):
            with contextlib.suppress(OSError):  # it has got other files since
                host.path(change["path"]).parent.rmdir()
    elif change["kind"] == "load":
        if host.exists(f"/sys/module/{change['module'].replace('-', '_')}"):
            host.run("modprobe", "-r", change["module"])
    else:
        return _take_back_bind(host, change)
    return None


def _make_write(host: Host, change: dict) -> None:
    try:
        host.write(change["path"], change["after"])
    except OSError:
        if change["optional"]:
            raise Unchanged from None
        raise
    change["after"] = host.read(change["path"])  # as the kernel spells it, or as much as there was


def _take_back_write(host: Host, change: dict) -> Optional[str]:
    now = host.read(change["path"])
    if now in ("", change["before"]):  # an interrupt goes with its device
        return None
    if now != change["after"]:
        return f"{change['path']} is {now}, and was {change['after']} after tools/setup: it stays"
    host.write(change["path"], change["before"])
    return None


def _take_back_bind(host: Host, change: dict) -> Optional[str]:
    device = change["device"]
    directory = f"/sys/bus/pci/devices/{device}"
    if not host.exists(directory):
        return f"{device} is gone"
    driver = host.link(f"{directory}/driver")
    if driver == change["driver"]:
        if host.read(f"{directory}/driver_override") == VFIO:  # made half
            _override(host, device, change["override"])
        return None
    if driver not in (VFIO, None):
        return f"{device} is bound to {driver} by now, and stays so"
    _rebind(host, device, change["override"], change["driver"])
    lost = [f"ip address add {address} dev {each['name']}" for each in change["interfaces"] for address in each["addresses"]]
    return f"{device}: its addresses are not the kernel's again by themselves: {'; '.join(lost)}" if lost else None


def _rebind(host: Host, device: str, override: str, driver: Optional[str]) -> None:
    """The kernel probes the drivers for the device again; only the driver of that name takes a device with an override."""
    directory = f"/sys/bus/pci/devices/{device}"
    _override(host, device, override)
    if host.link(f"{directory}/driver") is not None:
        host.write(f"{directory}/driver/unbind", device)
    if driver is not None:
        with contextlib.suppress(OSError):  # the driver's own error: told below
            host.write("/sys/bus/pci/drivers_probe", device)
    now = host.link(f"{directory}/driver")
    if now != driver:
        raise SetupError(f"{device} is bound to {now or 'no driver'}, not to {driver}: the last lines of dmesg say why")


def _override(host: Host, device: str, override: str) -> None:
    host.write(f"/sys/bus/pci/devices/{device}/driver_override", "\n" if override in ("", NO_OVERRIDE) else override)
