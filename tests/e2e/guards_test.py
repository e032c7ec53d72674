#!/usr/bin/python3
"""Every HTTP/2 attack that a guard stands against, from a client with nothing to lose, beside calls of those who behave: they are
compared with calls of the same moment that do not go through Sluice (witnesses.py)."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from support import LabTest, SANITIZED, configuration, daemon, echo_messages, lab, layout, log_size, logged, main, process, worker
from sluicelab.client import failed
from sluicelab.process import wait_until
from witnesses import Witnesses

ATTACKER = Path(__file__).resolve().with_name("http2_attacks.py")
SECONDS = 1.0
CALLS_PER_SECOND = 250
ENHANCE_YOUR_CALM = "11"
# Shorter than by default, so that the test is; fewer unread answers than a burst of the guard for each kind, and less heap for a client
# than its calls may take with fields that pods still accept.
IMPATIENT = """
[limits]
client_heap = 524288
[guards]
preface_timeout = "1s"
settings_timeout = "1s"
headers_timeout = "1s"
stall_timeout = "1s"
unread_answers = 8192
"""
SLOW = ("preface", "settings_ack", "slow_headers", "stalled_stream", "slow_read", "unread_answers", "heap")
# Guards whose attack has another name, or no guard of its own: (attack, guard or None).
OTHER_NAMES = {"many_fields": "header_list", "table_churn": "table_size", "last_stream_id": "stream_ids", "honest": None}
# These answer each request and let the connection live.
ANSWERED = ("header_list", "heap")
# And this makes it wait.
THROTTLED = "pod_resets"
# Streams whose answers wait, of all its connections: what each may hold is configured, and comes in packets of 1,448 bytes.
WAITING = {"dribble": 200, **{name: 480 for name in SLOW}}
BUFFERS_A_STREAM = 65_536 // 1448 + 2
BUFFERS_BESIDE = 4000  # the send buffers of a few connections
BUSY_SHARE = 0.9  # of a worker on which 200 MB a second of the dearest bytes come in
GROWTH_MIB = 64
QUARANTINE_MIB = 256  # freed memory that the address sanitizer keeps, beside what it needs for each block


def attacks() -> dict:
    sys.path.insert(0, str(ATTACKER.parent))
    import http2_attacks
    return http2_attacks.ATTACKS


def guards() -> dict:
    return {row["guard"]: row["count"] for row in daemon.ask("guards")["guards"]}


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Guards(LabTest):
    pods = 2

    def attack(self, witnesses: Witnesses, *names: str, seconds: float = SECONDS) -> tuple:
        """All of them at once, before witnesses. What each says of itself, and the fewest free buffers meanwhile."""
        body = echo_messages().EchoRequest(reply_bytes=100_000).SerializeToString().hex()
        running = {name: subprocess.Popen(process.in_namespace(layout.CLIENT_NAMESPACE, [
            sys.executable, str(ATTACKER), name, layout.VIP, str(layout.PORT), str(seconds), body]), stdout=subprocess.PIPE, text=True,
            preexec_fn=process.common_core) for name in names}
        free = worker()["memory"]["hold_buffers_free"]
        until = time.monotonic() + 5 * seconds + 30
        while any(one.poll() is None for one in running.values()) and time.monotonic() < until:
            witnesses.look()
            free = min(free, worker()["memory"]["hold_buffers_free"])
        return {name: json.loads(one.communicate(timeout=5)[0]) for name, one in running.items()}, free

    def observed(self, witnesses: Witnesses, names: tuple, free: int, longer: int) -> dict:
        """What became of these attacks and, meanwhile, of everybody else, by attack."""
        witnesses.begin()
        before, cycles, log = guards(), worker(), log_size()
        seconds = 4.0 if names[0] in SLOW else 3.0 if THROTTLED in names else SECONDS
        said, left = self.attack(witnesses, *names, seconds=seconds * longer)
        moment = witnesses.moment()
        after, now = guards(), worker()
        # The worker's own work, drivers apart, as a share of its time.
        busy, io, all_of_it = (now[key] - cycles[key] for key in ("cycles_busy", "cycles_io_busy", "cycles"))
        rows = {}
        for name in names:
            guard = OTHER_NAMES.get(name, name)
            # Whether the attacker lives to hear of its end.
            hears = attacks()[name].reads and name not in (*ANSWERED, THROTTLED, "stalled_stream") and guard not in ANSWERED
            row = rows[name] = {**said[name], "hears": hears, "count": after[guard] - before[guard] if guard else None, "guard": guard,
                                "logged": guard and logged(log, rf"client {layout.CLIENT_ADDRESS}:\d+: guard {guard}:"),
                                "complaints": moment.complaints(), "held": free - left, "busy": (busy - io) / all_of_it}
            print(f"{name:<16} {row['connections']:>5} connections, {row['sent'] / 1e6:6.1f} MB, guard {row['count']}, "
                  f"GOAWAY {row['goaways']}, {moment}, worker {row['busy']:.0%} busy, {row['held']} buffers held")
        return rows

    @staticmethod
    def as_it_should(row: dict) -> bool:
        quick = SANITIZED or (row["busy"] < BUSY_SHARE and not row["complaints"])
        return quick and (row["guard"] is None or (row["count"] > 0 and row["logged"] and (row["ended"] > 0 or not row["hears"])))

    def test_each_attack_is_stopped_counted_and_named_and_nobody_else_notices(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        witnesses = Witnesses(CALLS_PER_SECOND)
        time.sleep(1)
        free = worker()["memory"]["hold_buffers_free"]
        resident = resident_mib(pid)
        rows = {}
        chosen = os.environ.get("SLUICE_ATTACKS")
        every = [tuple(chosen.split(","))] if chosen else [("honest",), *[(name,) for name in attacks() if name not in SLOW and name != "honest"], SLOW]
        for names in every:
            if names[0] in SLOW:
                layout.CONFIG_FILE.write_text(configuration.sluiced_toml(self.driver, extra=IMPATIENT))
                time.sleep(0.5)  # a reload: the same process, connections and counters
            # A machine with other work may leave an attacker, who is modest, or anybody else without a core: then once more, and longer.
            for attempt in range(4):
                time.sleep(2 * attempt)
                mine = self.observed(witnesses, names, free, 1 + attempt)
                rows.update(mine)
                if all(self.as_it_should(row) for row in mine.values()):
                    break
        report = witnesses.stop()
        self.assertEqual(failed(report), 0, report["last_error"])
        if THROTTLED in rows:
            self.assertGreater(worker()["http2"]["throttled_streams"], 0)
        for name, row in rows.items():
            with self.subTest(name):
                self.assertLess(row["held"], BUFFERS_BESIDE + WAITING.get(name, 0) * BUFFERS_A_STREAM)
                if not SANITIZED:
                    self.assertLess(row["busy"], BUSY_SHARE)
                    self.assertEqual(row["complaints"], [])
                if row["guard"] is None:
                    continue
                self.assertGreater(row["count"], 0)
                self.assertTrue(row["logged"], "no line in the log")
                if row["hears"]:
                    self.assertGreater(row["ended"], 0)
        self.assertLess(resident_mib(pid) - resident, GROWTH_MIB * 4 + QUARANTINE_MIB if SANITIZED else GROWTH_MIB)
        self.assertTrue(wait_until(lambda: worker()["memory"]["hold_buffers_free"] >= free - 64, 10), worker()["memory"])
        self.assertTrue(wait_until(lambda: worker()["http2"]["streams"] == 0, 10), worker()["http2"])


if __name__ == "__main__":
    main()
