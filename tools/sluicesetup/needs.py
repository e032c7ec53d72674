"""What sluiced needs of the host, by its configuration."""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Iterable, List

from .host import SetupError

# Defaults of docs/configuration.md.
WORKER_CORES, CONTROL_CORE, MEMORY_MIB = [0], 0, 512

_PCI_ADDRESS = re.compile(r"([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclasses.dataclass
class Needs:
    worker_cores: List[int]
    control_core: int
    huge_mib: int          # of huge pages; 0: none
    devices: List[str]     # PCI addresses with their domain: "0000:03:00.0"


def pci_address(text: str) -> str:
    """With its domain. A device may stand with arguments of its driver behind a comma."""
    address = text.split(",")[0].strip().lower()
    if _PCI_ADDRESS.fullmatch(address) is None:
        raise SetupError(f"{text} is not a PCI address like 0000:03:00.0")
    return address if address.count(":") == 2 else "0000:" + address


def read_needs(config: Path, more_devices: Iterable[str] = ()) -> Needs:
    sluice = _read(config)
    if not isinstance(sluice.get("dpdk"), str):
        raise SetupError(f"{config} does not name a dpdk file; sluiced --check says more")
    dpdk = _read(config.parent / sluice["dpdk"])
    try:
        workers = int(sluice.get("sluice", {}).get("workers", 1))
        devices = [pci_address(text) for text in (*dpdk.get("pci", []), *more_devices)]
        return Needs(worker_cores=list(dict.fromkeys(map(int, dpdk.get("worker_cores", WORKER_CORES)[:workers]))),
                     control_core=int(dpdk.get("control_core", CONTROL_CORE)),
                     huge_mib=int(dpdk.get("memory_mib", MEMORY_MIB)) if dpdk.get("hugepages", True) else 0,
                     devices=list(dict.fromkeys(devices)))
    except (AttributeError, TypeError, ValueError) as error:
        raise SetupError(f"{config} has mistakes ({error}); sluiced --check says which") from None


def _read(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{path}: {error}") from None
