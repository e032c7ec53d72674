"""The host's files and commands. Tests give another root than /."""

import os
import subprocess
from pathlib import Path
from typing import Iterable, List, Optional, Set


class SetupError(Exception):
    """Something that the user can read and act on."""


class Host:
    """Paths are absolute, as on the host itself."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def exists(self, path: str) -> bool:
        return self.path(path).exists()

    def read(self, path: str) -> str:
        """Without blanks at its ends; empty when the file cannot be read."""
        try:
            return self.path(path).read_text(errors="replace").strip()
        except OSError:
            return ""

    def write(self, path: str, text: str) -> None:
        """OSError when the kernel refuses."""
        with open(self.path(path), "w") as file:
            file.write(text)

    def names(self, path: str) -> List[str]:
        """Of the files in a directory; none when there is no such directory."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def link(self, path: str) -> Optional[str]:
        """The last part of the target of a symbolic link: the kernel's way to name a driver or a group."""
        try:
            return os.path.basename(os.readlink(self.path(path)))
        except OSError:
            return None

    def run(self, *command: str) -> str:
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise SetupError(f"the command {command[0]} is not installed") from None
        if done.returncode != 0:
            raise SetupError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def processes(self, name: str) -> List[int]:
        """Those with a name that begins so."""
        return [int(pid) for pid in self.names("/proc") if pid.isdecimal() and self.read(f"/proc/{pid}/comm").startswith(name)]


def cores_of(text: str) -> Set[int]:
    """From the kernel's list format: "0-2,5"."""
    cores: Set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return cores


def list_of(cores: Iterable[int]) -> str:
    """The kernel's list format."""
    parts: List[str] = []
    ordered = sorted(cores)
    while ordered:
        length = 1
        while length < len(ordered) and ordered[length] == ordered[0] + length:
            length += 1
        parts.append(str(ordered[0]) if length == 1 else f"{ordered[0]}-{ordered[length - 1]}")
        ordered = ordered[length:]
    return ",".join(parts)
