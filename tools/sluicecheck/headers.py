"""Every header compiles alone.

The build proves it for a header that some source includes first. The others are compiled here, except
those that include what protoc makes: the build has that, and a clone does not.
"""

import re
import subprocess
from pathlib import Path

from sluicelab import layout

from . import cache, sources
from .compiling import commands, flags_of, in_parallel
from .finding import Finding


def _proven() -> set:
    """Headers that stand first in a source that the build compiles."""
    proven = set()
    for source in (command.source for command in commands().values() if command.first):
        first = re.search(r'#include ["<](.*)[">]', sources.text(source))
        proven |= {target for target, _ in sources.includes(source)[:1] if first and str(target).endswith("/" + first[1])}
    return proven


def check(files: list) -> list:
    proven = _proven()
    headers = [path for path in files if path.suffix == ".h" and path not in proven and ".pb.h" not in sources.text(path)]

    def run(path: Path) -> list:
        flags = (*flags_of(path), f"-I{sources.REPOSITORY / 'src'}", f"-I{sources.REPOSITORY / 'tests'}")
        return cache.findings("headers", sources.closure(path), " ".join(flags), lambda: _compile(path, flags))

    return sum(in_parallel(run, headers)[0], [])


def _compile(path: Path, flags: tuple) -> list:
    done = subprocess.run(["c++", *flags, "-fsyntax-only", "-fdiagnostics-color=never", "-include", str(sources.REPOSITORY / path),
                           "-x", "c++", "/dev/null"], cwd=layout.build_dir(), text=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
    if done.returncode == 0:
        return []
    errors = [line for line in done.stderr.splitlines() if ": error:" in line or ": fatal error:" in line]
    return [Finding(str(path), "does not compile alone: " + (errors or done.stderr.splitlines() or ["?"])[0])]
