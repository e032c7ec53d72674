#!/usr/bin/python3
"""Pods that break the protocol in every way that is known, beside a service whose pods behave: every call to a hostile pod ends once
and truthfully, its client's connection lives, and the others notice nothing."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support import (LabTest, SANITIZED, configuration, daemon, lab, layout, log_size, logged, main, process, run,
                     service, worker)
from guards_test import GROWTH_MIB, QUARANTINE_MIB, guards, resident_mib
from hostile_pods import CALLS_PER_SECOND, GONE, LATE, PODS
from sluicelab.client import failed
from sluicelab.process import wait_until
from witnesses import INTERVAL_MS, Witnesses

SCRIPT = Path(__file__).resolve().with_name("hostile_pods.py")
SECONDS = 6.0
HONEST_CALLS_PER_SECOND = 250
FIRST_POD_PORT, FIRST_PORT = 7000, 6000
# Guards that stand against pods as against clients, and the pod that each must stop.
STOPPED = {"settings": "settings_flood", "ping": "ping_flood", "window_update": "window_update_flood", "empty_data": "empty_data_flood",
           "unknown_frame": "unknown_frame_flood", "continuation": "continuation_flood", "field_block": "field_block",
           "frame_size": "giant_frame", "tiny_data": "tiny_data_flood", "padding": "padding_flood", "header_list": "header_list",
           "empty_name": "empty_name"}


# Each stream of a pod has an allowance of these: what exceeds the default takes much of a core, of the pod's and of Sluice's.
GUARDS = """
[guards]
tiny_data = { burst = 1000, per_second = 100 }
padding = { burst = 1000, per_second = 100 }
"""


def services() -> str:
    return GUARDS + "".join(service(name, FIRST_PORT + i, f"{layout.BRIDGE_ADDRESS}:{FIRST_POD_PORT + i}") for i, name in enumerate(PODS))


class HostilePods(LabTest):
    pods = 2

    def setUp(self) -> None:
        log = layout.RUN_DIR / "hostile-pods.log"
        command = [sys.executable, str(SCRIPT), "pods", layout.BRIDGE_ADDRESS, str(FIRST_POD_PORT)]
        hostile = process.spawn(layout.SOUTH_NAMESPACE, command, log)
        self.addCleanup(os.killpg, hostile, signal.SIGKILL)
        listening = ["ss", "-Hltn", f"sport >= :{FIRST_POD_PORT}"]
        ready = wait_until(lambda: len(run(layout.SOUTH_NAMESPACE, *listening).splitlines()) >= len(PODS), 10)
        self.assertTrue(ready, process.tail(log))
        layout.CONFIG_FILE.write_text(configuration.sluiced_toml(self.driver, extra=services()))
        self.assertTrue(wait_until(lambda: len(daemon.ask("pods")["pods"]) > len(PODS), 10), process.tail(layout.SLUICED_LOG))

    def test_each_call_to_them_ends_once_and_truthfully_and_nobody_else_notices(self) -> None:
        witnesses = Witnesses(HONEST_CALLS_PER_SECOND)
        pid = lab.status()["sluiced"]["pid"]
        before, free, resident = guards(), worker()["memory"]["hold_buffers_free"], resident_mib(pid)
        log = log_size()
        callers = subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, [
            sys.executable, str(SCRIPT), "callers", layout.VIP, str(FIRST_PORT), str(SECONDS)]), stdout=subprocess.PIPE, text=True,
            preexec_fn=process.common_core)
        # While they call, and not while they wait for their last answers.
        for _ in range(round(SECONDS * 1000) // INTERVAL_MS):
            witnesses.look()
        moment = witnesses.moment()
        ends = json.loads(callers.communicate(timeout=60)[0])
        growth = resident_mib(pid) - resident
        after = guards()
        final = witnesses.stop()
        for name, (_, allowed) in PODS.items():
            told = ends[name]
            print(f"{name:<24} {told['ends']}")
            with self.subTest(name):
                self.assertEqual(told["calls"], SECONDS * CALLS_PER_SECOND)
                self.assertEqual(told["twice"], 0)
                self.assertEqual(told["goaways"], [])
                # A pod that gets no core for a moment is a pod that is not there, and one that gets little is late.
                self.assertLessEqual(set(told["ends"]), allowed | GONE | LATE)
                self.assertGreater(sum(told["ends"].get(end, 0) for end in allowed | LATE), 0.9 * told["calls"])
                self.assertGreater(sum(told["ends"].get(end, 0) for end in allowed), 0)
        for guard, name in STOPPED.items():
            with self.subTest(guard):
                self.assertGreater(after[guard], before[guard], name)
                pod = f"{layout.BRIDGE_ADDRESS}:{FIRST_POD_PORT + list(PODS).index(name)}"
                self.assertTrue(logged(log, rf"pod {re.escape(pod)}: guard {guard}:"), "no line in the log")
        print(f"{moment}; resident +{growth:.1f} MiB")
        self.assertEqual(failed(final), 0, final["last_error"])
        self.assertLess(growth, GROWTH_MIB * 4 + QUARANTINE_MIB if SANITIZED else GROWTH_MIB)
        if not SANITIZED:
            self.assertEqual(moment.complaints(), [])
        self.assertTrue(wait_until(lambda: worker()["memory"]["hold_buffers_free"] >= free - 64, 10), worker()["memory"])
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 10), worker()["http2"])


if __name__ == "__main__":
    main()
