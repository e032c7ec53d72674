"""Tables of a run, for people; and its JSON, for programs."""

import json
import platform
from pathlib import Path

from . import l7, machine, proxies, reflector

ORDER = ("direct", *proxies.PEERS, *map(proxies.sluice_name, proxies.DRIVERS), reflector.NAME)


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
                     + " | ".join(_whole(row.get(key)) for key in ("p50_us", "p99_us", "p999_us")) + f" | {row['failed']} | {memory} |")
    return "\n".join(lines)


def _whole(number) -> str:
    return "-" if number is None else f"{number:,.0f}"


def _place(rows: list, workload: str) -> int:
    return list(dict.fromkeys(row["workload"] for row in rows)).index(workload)


def _with_spread(row: dict, key: str, digits: int) -> str:
    text = f"{row[key]:,.{digits}f}"
    if row["repetitions"] > 1:
        text += f" ({row[key + '_min']:,.{digits}f}-{row[key + '_max']:,.{digits}f})"
    return text


def ratio_table(ratios: list) -> str:
    lines = ["| workload | driver | calls per CPU-second, times the best peer's | Sluice without rx/tx_burst, the peer with everything | "
             "p50, best peer's over Sluice's | calls/s, of direct | repetitions |", "|---|---|--:|--:|--:|--:|--:|"]
    for row in ratios:
        cells = [_times(row[key]) for key in ("calls_per_cpu_second", "without_io", "p50", "of_direct")]
        lines.append(f"| {row['workload']} | {row['driver']} | " + " | ".join(cells) + f" | {row['repetitions']} |")
    return "\n".join(lines)


def latency_table(rows: list) -> str:
    lines = ["| one call at a time | p50 us | times the reflector's | times the best peer's | added to direct us | "
             "times the reflector's | times what the best peer adds |", "|---|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        cells = [_times(row.get(key), digits) for key, digits in (
            ("p50_us", 0), ("of_the_reflector", 2), ("of_the_best_peer", 2), ("added_us", 0), ("added_of_the_reflector", 2),
            ("added_of_the_best_peer", 2))]
        lines.append(f"| {row['workload']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(spread, digits: int = 2) -> str:
    if spread is None:
        return ""
    low, middle, high = (f"{spread[key]:,.{digits}f}" for key in ("min", "median", "max"))
    return middle if low == high else f"{middle} ({low}-{high})"


def noise(rows: list) -> str:
    """A warning where the machine did other work while it was measured; empty when it was quiet."""
    bad = l7.disturbed(rows)
    of = {(row["workload"], row["repetition"]) for row in rows if row["proxy"] == "direct"}
    return f"NOT A QUIET MACHINE: others had core 0 for more than {l7.QUIET_SHARE:.0%} of the time in {len(bad)} of {len(of)} " \
           "repetitions; ratios are taken from the others, where there are any" if bad else ""
