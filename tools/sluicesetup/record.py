"""The changes that were made, in the order in which they were made: undo reverts these and nothing else."""

import contextlib
import json
import os
from typing import List

from .host import Host, SetupError

STATE_FILE = "/var/lib/sluice/setup.json"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Record:
    """Each change is on disk before the host has it. A reboot has undone all changes but files."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.changes: List[dict] = []
        text = host.read(STATE_FILE)
        if not text:
            return
        try:
            stored = json.loads(text)
            self.changes = [change for change in stored["changes"]
                            if stored["boot_id"] == host.read(BOOT_ID) or change["kind"] == "create"]
        except (KeyError, TypeError, ValueError):
            raise SetupError(f"{STATE_FILE} is damaged; move it away") from None

    def add(self, change: dict) -> None:
        self.changes.append(change)
        self.save()

    def drop(self, change: dict) -> None:
        self.changes.remove(change)
        self.save()

    def save(self) -> None:
        path = self._host.path(STATE_FILE)
        if not self.changes:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it may have other files
                path.parent.rmdir()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(json.dumps({"boot_id": self._host.read(BOOT_ID), "changes": self.changes}, indent=2) + "\n")
        os.replace(fresh, path)
