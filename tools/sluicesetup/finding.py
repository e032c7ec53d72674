"""What the host lacks, and what mends it."""

import dataclasses
import enum
from typing import List


class Grade(enum.Enum):
    ADVICE = "advice"          # sluiced starts without it
    NEEDED = "needed"          # sluiced does not start without it
    DANGEROUS = "dangerous"    # tools/setup changes nothing, unless --force is given
    IMPOSSIBLE = "impossible"  # tools/setup changes nothing before a person has acted


@dataclasses.dataclass
class Finding:
    grade: Grade
    missing: str      # a sentence
    remedy: str = ""  # a sentence, where it is not that tools/setup does it
    changes: List[dict] = dataclasses.field(default_factory=list)  # of changes.py

    def __str__(self) -> str:
        return f"{self.missing} {self.remedy or 'tools/setup does that.'}"
