"""`tools/bench scale`: what a call costs a worker against the number of pods, connections and streams.

Over the wires of `tools/bench wire`, with as much load as the generator gives: what grows then is the cost of more state and of
emptier packets, and not of a worker that waits."""

from sluicelab.process import LabError

from . import wire

# What is varied, to which values, and the load at each.
STEPS = (
    *(("pods", pods, wire.Row("", connections=100, pods=pods)) for pods in (1, 5, 100, 1000)),
    # More packets than this at once are more than the rings hold.
    *(("connections", connections, wire.Row("", connections=connections, streams=1, in_flight=min(connections, 1000)))
      for connections in (1, 10, 100, 1000, 10000)),
    *(("streams", streams, wire.Row("", connections=1, streams=streams)) for streams in (1, 10, 100)),
)


def run(seconds: float) -> list:
    rows: list = []
    broken: list = []
    for what, value, row in STEPS:
        measured = wire.run([row._replace(name=f"{what}-{value}")], seconds, broken)
        if broken:
            raise LabError(f"{what} {value} could not be measured")
        rows.append({"varied": what, "value": value, **measured[0]})
    return rows


def spread(rows: list) -> dict:
    """Of each thing that is varied: cycles a call at the largest value over those at the smallest, and the dearest over the cheapest."""
    result = {}
    for what in dict.fromkeys(row["varied"] for row in rows):
        cycles = [row["cycles_per_call"] for row in rows if row["varied"] == what]
        result[what] = {"last_over_first": round(cycles[-1] / cycles[0], 2), "dearest_over_cheapest": round(max(cycles) / min(cycles), 2)}
    return result
