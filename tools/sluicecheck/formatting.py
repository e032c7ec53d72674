"""clang-format finds nothing to change."""

import re
import subprocess

from . import sources
from .compiling import in_parallel
from .finding import Finding

_LINE = re.compile(r"^(\S+?):(\d+):\d+: error: code should be clang-formatted")


def check(files: list) -> list:
    def run(path):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", str(path)], cwd=sources.REPOSITORY, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        lines = [match[2] for match in map(_LINE.match, done.stderr.splitlines()) if match]
        if done.returncode == 0:
            return []
        place = f"{path}:{lines[0]}" if lines else str(path)
        return [Finding(place, f"clang-format -i changes {len(lines)} place(s)")]

    return sum(in_parallel(run, files)[0], [])
