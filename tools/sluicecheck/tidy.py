"""clang-tidy, with the checks of src/.clang-tidy, on the sources of src/."""

import functools
import os
import re
import subprocess
from pathlib import Path

from sluicelab import layout
from sluicelab.process import LabError

from . import cache, sources
from .compiling import commands, flags_of, in_parallel
from .finding import Finding

CONFIGURATION = Path("src/.clang-tidy")
_LINE = re.compile(r"^([^\s:]+):(\d+):\d+: (?:warning|error): (.*)$")


@functools.cache
def _version() -> str:
    return subprocess.run(["clang-tidy", "--version"], text=True, stdout=subprocess.PIPE).stdout


def check(files: list, seconds: float = 0) -> tuple:
    """Findings, and how many sources the time did not suffice for. A header is looked at with the first source that includes it."""
    tidied = [path for path in commands() if path.parts[0] == "src"]
    wanted, covered = [], set()
    for path in files:
        if path in tidied:
            wanted.append(path)
            covered |= sources.closure(path)
    for path in files:
        if path.suffix == ".h" and path not in covered:
            wanted += [source for source in tidied if path in sources.closure(source)][:1]
            covered |= sources.closure(wanted[-1]) if wanted else set()
    results, left = in_parallel(_tidy, list(dict.fromkeys(wanted)), seconds)
    return sorted(set(sum(results, []))), left


def _tidy(path: Path) -> list:
    flags = " ".join(flags_of(path))
    return cache.findings("tidy", sources.closure(path) | {CONFIGURATION}, flags + _version(), lambda: _run(path))


def _run(path: Path) -> list:
    done = subprocess.run(["clang-tidy", "-p", str(layout.build_dir()), "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                           str(path)], cwd=sources.REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if "Error parsing" in done.stderr:
        raise LabError(done.stderr)
    found = []
    for match in filter(None, map(_LINE.match, done.stdout.splitlines())):
        place = Path(os.path.realpath(layout.build_dir() / match[1]))
        if place.is_relative_to(sources.REPOSITORY):
            found.append(Finding(f"{place.relative_to(sources.REPOSITORY)}:{match[2]}", match[3]))
    if done.returncode != 0 and not found:
        found.append(Finding(str(path), f"clang-tidy failed: {done.stdout[-500:]}"))
    return found
