#!/usr/bin/python3
"""tools/demo reaches its verdict: one gRPC connection is spread over the pods that there are, and a killed pod costs no more calls than it had in flight."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "demo.json"
        done = subprocess.run([str(REPOSITORY / "tools" / "demo"), "--json", str(report)], check=False)
        verdict = json.loads(report.read_text())["verdict"] if report.exists() else "none"
    print(f"verdict: {verdict}")
    return 0 if done.returncode == 0 and verdict == "pass" else 1


sys.exit(main())
