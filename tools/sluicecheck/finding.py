"""One thing that is wrong, and where."""

from typing import NamedTuple


class Finding(NamedTuple):
    place: str  # FILE or FILE:LINE, from the top of the repository
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"
