"""Tables of a run, for people; and its JSON, for programs."""

import json
import platform
from pathlib import Path

from . import machine, proxies, reflector

ORDER = ("direct", *proxies.PEERS, "sluice", reflector.NAME)


def environment() -> dict:
    return {"cpu": machine.model(), "kernel": platform.release(), "versions": proxies.versions()}


def write_json(path: Path, rows: list, **more) -> None:
    path.write_text(json.dumps({"rows": rows, **more, "environment": environment()}, indent=1) + "\n")


def table(rows: list) -> str:
    """Markdown, which a terminal shows as well."""
    lines = ["| workload | proxy | calls/s | CPU us/call | of it in drivers | p50 us | p99 us | p99.9 us | failed | MiB |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for row in sorted(rows, key=lambda row: (_place(rows, row["workload"]), ORDER.index(row["proxy"]))):
        cpu = "-" if row["proxy"] in ("direct", reflector.NAME) else _with_spread(row, "cpu_us_per_call", 2)
        io = f"{row['io_us_per_call']:.2f}" if "io_us_per_call" in row else ""
        memory = f"{row['rss_mib']:.0f}" if row["rss_mib"] else ""
        if row["hugepages_mib"]:
            memory += f" + {row['hugepages_mib']:.0f} huge"
        lines.append(f"| {row['workload']} | {row['proxy']} | {_with_spread(row, 'calls_per_s', 0)} | {cpu} | {io} | "
                     f"{row['p50_us']:,.0f} | {row['p99_us']:,.0f} | {row['p999_us']:,.0f} | {row['failed']} | {memory} |")
    return "\n".join(lines)


def _place(rows: list, workload: str) -> int:
    return list(dict.fromkeys(row["workload"] for row in rows)).index(workload)


def _with_spread(row: dict, key: str, digits: int) -> str:
    text = f"{row[key]:,.{digits}f}"
    if row["repetitions"] > 1:
        text += f" ({row[key + '_min']:,.{digits}f}-{row[key + '_max']:,.{digits}f})"
    return text


def ratio_table(ratios: list) -> str:
    lines = ["| workload | calls per CPU-second, times the best peer's | the same without rx/tx_burst | "
             "p50, best peer's over Sluice's | calls/s, of direct |", "|---|--:|--:|--:|--:|"]
    for row in ratios:
        cells = [_times(row[key]) for key in ("calls_per_cpu_second", "without_io", "p50", "of_direct")]
        lines.append(f"| {row['workload']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def latency_table(rows: list) -> str:
    lines = ["| one call at a time | p50 us | times the reflector's | times the best peer's | added to direct us | "
             "times the reflector's | times what the best peer adds |", "|---|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        cells = [f"{row[key]:,.{digits}f}" for key, digits in (
            ("p50_us", 0), ("of_the_reflector", 2), ("of_the_best_peer", 2), ("added_us", 0), ("added_of_the_reflector", 2),
            ("added_of_the_best_peer", 2))]
        lines.append(f"| {row['workload']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(spread) -> str:
    if spread is None:
        return ""
    if spread["min"] == spread["max"]:
        return f"{spread['median']:.2f}"
    return f"{spread['median']:.2f} ({spread['min']:.2f}-{spread['max']:.2f})"


# With nobody on core 0, `direct` leaves it idle; what it does then it does for others, and every proxy is charged with it.
QUIET_SHARE = 0.03


def noise(rows: list) -> str:
    """A warning where the machine did other work while it was measured; empty when it was quiet."""
    shares = [row["core_share"] for row in rows if row["proxy"] == "direct" and "core_share" in row]
    stolen = [row["stolen_share"] for row in rows if "stolen_share" in row]
    complaints = []
    if shares and max(shares) > QUIET_SHARE:
        complaints.append(f"core 0 worked {max(shares):.0%} of the time for others")
    if stolen and max(stolen) > QUIET_SHARE:
        complaints.append(f"the hypervisor took {max(stolen):.0%} of core 0")
    return "NOT A QUIET MACHINE: " + "; ".join(complaints) if complaints else ""
