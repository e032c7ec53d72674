"""Unit tests under sanitizers: which ones, where they are built, and what they are told."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from . import building, fuzzing, layout

# A sanitized simulation takes five to ten times as long as a plain one, and goodput is none of a sanitizer's business.
FEWER = {"SLUICE_SEEDS": "100", "GTEST_FILTER": "-Goodput.*"}
# Rooms whose tests simulate for that long: a run of everything simulates as often as it should without sanitizers.
SIMULATED = ("tcp", "sim")
# Rooms whose code runs on more than one thread, or hands something from one thread to another.
THREADED_ROOMS = ("worker", "control", "admin", "discovery", "tls")
THREAD_OPTIONS = ("-Db_sanitize=thread", "-Db_lundef=false", "-Dapps=false", "-Doptimization=1", *building.TOGETHER,
                  "-Dcpp_args=['-Wno-tsan', '-g1']")  # fences are DPDK's rings', whose code is not built here


class Sanitized(NamedTuple):
    name: str
    tests: list        # executables
    prefix: tuple      # in front of each command
    environment: dict


def unit_tests(directory: Path) -> list:
    """The executables of all unit tests, as meson knows them."""
    tests = json.loads((directory / "meson-info" / "intro-tests.json").read_text())
    return sorted(Path(test["cmd"][0]) for test in tests)


def simulations(directory: Path) -> list:
    """The executables of SIMULATED."""
    return [test for test in unit_tests(directory) if test.parent.name in SIMULATED]


def build_address() -> Sanitized:
    """Address and UB sanitizers: in the directory of the fuzz targets, which are built with the same options."""
    directory = fuzzing.build_dir()
    fuzzing.configure()
    tests = unit_tests(directory)
    building.build(directory, [str(test.relative_to(directory)) for test in tests])
    environment = {"LSAN_OPTIONS": f"suppressions={layout.REPOSITORY}/tests/support/lsan.supp",
                   "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", **FEWER}
    return Sanitized("address and UB sanitizers", tests, (), environment)


def build_thread() -> Sanitized:
    directory = Path(os.environ.get("SLUICE_TSAN_BUILD", layout.REPOSITORY / "build-tsan"))
    building.configure(directory, THREAD_OPTIONS)
    tests = [test for test in unit_tests(directory) if test.parent.name in THREADED_ROOMS]
    building.build(directory, [str(test.relative_to(directory)) for test in tests])
    # Without a random layout of memory, which has more bits of chance than the sanitizer bears.
    return Sanitized("thread sanitizer", tests, ("setarch", "--addr-no-randomize"), {"TSAN_OPTIONS": "halt_on_error=1"})
