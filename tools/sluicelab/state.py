"""What the lab remembers from one command to the next, in one file that is replaced as a whole."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from . import layout
from .process import LabError

STATE_FILE = layout.RUN_DIR / "state.json"
LOCK_FILE = Path("/run/sluice-lab.lock")


def replace(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never a half."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.rename(fresh, path)


def exists() -> bool:
    return STATE_FILE.exists()


def load() -> dict:
    try:
        return json.loads(STATE_FILE.read_text())
    except FileNotFoundError:
        raise LabError("the lab is not up: tools/lab up") from None


def save(state: dict) -> None:
    replace(STATE_FILE, json.dumps(state, indent=2) + "\n")


@contextlib.contextmanager
def locked():
    """One command changes the lab at a time."""
    with open(LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
