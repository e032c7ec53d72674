#!/usr/bin/python3
"""Ports send and receive what they should, through each driver that the lab has (tests/nic/port_test.py)."""

import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tools"))

from sluicelab import layout  # noqa: E402

REFLECTOR = layout.build_dir() / "tests" / "nic" / "reflector"
TEST = REPOSITORY / "tests" / "nic" / "port_test.py"


def main() -> int:
    worst = 0
    for driver in ("af_xdp", "tap"):
        # Ordinary pages: the lab's huge pages come and go with the lab.
        done = subprocess.run([sys.executable, str(TEST), str(REFLECTOR), driver, "--no-huge"], check=False)
        worst = max(worst, done.returncode)
    return worst


sys.exit(main())
