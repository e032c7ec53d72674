"""Those that behave, beside whatever a test does to Sluice: a client whose calls go through Sluice, and one whose calls go directly to
a pod.

Attackers, clients and pods share one core of the lab, and a machine with other work has even less for them. So no rate and no latency
is compared with a number: both clients make as many calls, at the same time, to the same pods, and the quiet moment just before says
how long Sluice takes on this machine. What takes the pods' core from one takes it from the other. Only Sluice can make the difference.
"""

import math
from dataclasses import dataclass

from support import layout
from sluicelab.client import Client

INTERVAL_MS = 100
QUIET_INTERVALS = 5
FEWEST = 0.5  # of the calls that are made directly, so many must be made through Sluice
# A call through Sluice may take so many times as long as a direct one, and so many times as long as one through Sluice in quiet. Behind
# an attacker on the pod's connection a call waits longer than on a connection of its own, whose turn comes as often as that of all
# others together.
DIRECT_TIMES, QUIET_TIMES = 10, 3
STALL_US = {"p50": 20_000, "p99": 100_000}  # that says nothing of anybody: the machine stands still as long


def lower_quartile(reports: list, key: str) -> float:
    """Of a client's intervals: a machine with other work has bad moments, an attack that hurts is bad throughout. No interval is
    worse than one in which no call ended."""
    return sorted(report[key] or math.inf for report in reports)[len(reports) // 4]


@dataclass
class Figures:
    rate: float  # calls a second that ended well
    p50: float   # microseconds
    p99: float

    @classmethod
    def of(cls, reports: list) -> "Figures":
        first, last = reports[0], reports[-1]
        calls = sum(last["calls"].values()) - sum(first["calls"].values())
        return cls(calls / (last["t"] - first["t"]), lower_quartile(reports[1:], "p50_us"), lower_quartile(reports[1:], "p99_us"))

    def __str__(self) -> str:
        return f"{self.rate:.0f} calls/s, p50 {self.p50} us, p99 {self.p99} us"


@dataclass
class Moment:
    quiet: Figures  # through Sluice, just before
    through: Figures
    direct: Figures

    def complaints(self) -> list:
        """Of those who call through Sluice."""
        said = []
        if self.through.rate < FEWEST * self.direct.rate:
            said.append(f"{self.through.rate:.0f} calls/s, and {self.direct.rate:.0f} directly")
        for key, stall in STALL_US.items():
            quiet, through, direct = (getattr(figures, key) for figures in (self.quiet, self.through, self.direct))
            if through > max(DIRECT_TIMES * direct + QUIET_TIMES * quiet, stall):
                said.append(f"{key} {through} us, directly {direct}, before {quiet}")
        return said

    def __str__(self) -> str:
        return f"others: {self.through}; directly: {self.direct}; before: p50 {self.quiet.p50} us, p99 {self.quiet.p99} us"


class Witnesses:
    """Call from construction to stop(), so many times a second each way."""

    def __init__(self, rate: int) -> None:
        how = {"rate": rate, "delay": 0, "interval": INTERVAL_MS}
        self.clients = [Client(**how), Client(namespace=layout.SOUTH_NAMESPACE, target=f"{layout.FIRST_POD_ADDRESS}:{layout.PORT}", **how)]
        self.begin()

    def begin(self) -> None:
        """A moment, with a look at the quiet before it: nobody attacks yet."""
        self.reports = [[client.fresh()] for client in self.clients]
        for _ in range(QUIET_INTERVALS):
            self.look()
        self.quiet = Figures.of(self.reports[0])
        self.reports = [[reports[-1]] for reports in self.reports]

    def look(self) -> None:
        """For an interval."""
        for client, reports in zip(self.clients, self.reports):
            reports.append(client.fresh())

    def moment(self) -> Moment:
        """From begin() to the last look()."""
        return Moment(self.quiet, *map(Figures.of, self.reports))

    def stop(self) -> dict:
        """The final report of the client that calls through Sluice."""
        self.clients[1].kill()
        return self.clients[0].stop()
