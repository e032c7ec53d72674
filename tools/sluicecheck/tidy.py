"""clang-tidy, with the checks of src/.clang-tidy, on the sources of src/."""

import functools
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Iterable

from sluicelab import layout
from sluicelab.process import LabError

from . import cache, sources
from .compiling import commands, flags_of, in_parallel
from .finding import Finding

CONFIGURATION = Path("src/.clang-tidy")
BATCH = 15
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
    known = {path: cache.stored("tidy", *_depends(path)) for path in dict.fromkeys(wanted)}
    found = sum((one for one in known.values() if one is not None), [])
    new = [path for path, one in known.items() if one is None]
    # When the time is limited, the sources come one by one: those that changed first.
    results, left = in_parallel(_tidy, [[path] for path in new] if seconds else list(_batches(new)), seconds)
    return sorted(set(sum(results, found))), left


def _depends(path: Path) -> tuple:
    return sources.closure(path) | {CONFIGURATION}, " ".join(flags_of(path)) + _version()


def _batches(paths: list) -> Iterable[list]:
    """Neighbours with the same flags. A batch is parsed as one source, so that the headers are read once for all."""
    alike = {}
    for path in paths:
        alike.setdefault((path.parent, flags_of(path)), []).append(path)
    for group in alike.values():
        for start in range(0, len(group), BATCH):
            yield group[start:start + BATCH]


def _tidy(batch: list) -> list:
    if len(batch) == 1:
        found = _run(batch[0])
    else:
        found, parsed = _run_together(batch)
        if not parsed:  # nothing is stored, since another source of the batch may be the one to mend
            # The build for sanitizers compiles neighbours as one source as well.
            return [Finding(one.place, f"{one.text} (as one source with its neighbours)") for one in found] + sum(map(_run, batch), [])
    for path in batch:
        cache.store("tidy", *_depends(path), [one for one in found if Path(one.place.split(":")[0]) in sources.closure(path)])
    return found


def _run_together(batch: list) -> tuple:
    with tempfile.TemporaryDirectory(prefix="sluice-tidy-") as scratch:
        together = Path(scratch) / "together.cc"
        together.write_text("".join(f'#include "{sources.REPOSITORY / path}"\n' for path in batch))
        return _clang_tidy([f"--config-file={sources.REPOSITORY / CONFIGURATION}", "--checks=-bugprone-suspicious-include",
                            str(together), "--", *flags_of(batch[0])])


def _run(path: Path) -> list:
    found, parsed = _clang_tidy([str(sources.REPOSITORY / path), "--", *flags_of(path)])
    if not parsed and not found:
        found.append(Finding(str(path), "clang-tidy failed"))
    return found


def _clang_tidy(words: list) -> tuple:
    """Findings, and whether the compiler could read the source."""
    done = subprocess.run(["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", *words],
                          cwd=layout.build_dir(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if "Error parsing" in done.stderr:
        raise LabError(done.stderr)
    found = []
    for match in filter(None, map(_LINE.match, done.stdout.splitlines())):
        place = Path(os.path.realpath(layout.build_dir() / match[1]))
        if place.is_relative_to(sources.REPOSITORY):
            found.append(Finding(f"{place.relative_to(sources.REPOSITORY)}:{match[2]}", match[3]))
    return found, "clang-diagnostic-error" not in done.stdout and (done.returncode == 0 or bool(found))
