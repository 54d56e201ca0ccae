"""What an audit found, as text, as a table in a notebook, and as JSON."""

from __future__ import annotations

import html
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from imgrec_lab import atomic_files
from imgrec_lab.annotations.findings import KINDS, Finding, Kind

_SHOWN = 8  # findings of a kind, in text and table
_STYLE = "text-align: left; vertical-align: top"  # colours are the notebook's own, light or dark


@dataclass(frozen=True, repr=False)
class Report:
    """The findings of an audit.

    Attributes:
        name: of the data set.
        num_pictures: that were looked at.
        counts: part of the set (None where it has none) -> class -> number of labels.
        findings: in the order of ``annotations.KINDS``.
    """

    name: str
    num_pictures: int
    counts: dict[str | None, dict[str, int]]
    findings: tuple[Finding, ...]

    def of_kind(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind.

        Raises:
            ValueError: if there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def kinds(self) -> dict[Kind, int]:
        """How many findings there are of each kind that was found."""
        times = Counter(finding.kind for finding in self.findings)
        return {kind: times[kind] for kind in KINDS if times[kind]}

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Everything as JSON text; with ``path`` it is also written there, whole or not at all."""
        content = {
            "name": self.name,
            "num_pictures": self.num_pictures,
            "counts": {part or "": labels for part, labels in self.counts.items()},
            "kinds": self.kinds(),
            "findings": [finding._asdict() for finding in self.findings],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if path is not None:
            atomic_files.write_text(Path(path), text)
        return text

    def __str__(self) -> str:
        blocks = [self._headline()]
        for kind, times in self.kinds().items():
            lines = [f"{kind} ({times:,})"]
            for finding in self.of_kind(kind)[:_SHOWN]:
                lines.append(f"  {finding.file}: {finding.reason}")
            if times > _SHOWN:
                lines.append(f"  and {times - _SHOWN:,} more")
            advice = dict.fromkeys(finding.advice for finding in self.of_kind(kind)[:_SHOWN])
            lines += [f"  > {text}" for text in advice]
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    __repr__ = __str__

    def _headline(self) -> str:
        parts = [part for part in self.counts if part]
        classes = {name for labels in self.counts.values() for name in labels}
        split = f" in {len(parts)} parts" if parts else ""
        found = f"{len(self.findings):,} findings" if self.findings else "nothing found"
        return (
            f"{self.name}: {self.num_pictures:,} pictures{split}, {len(classes)} classes; {found}"
        )

    def _repr_html_(self) -> str:
        rows = "".join(self._html_rows(kind, times) for kind, times in self.kinds().items())
        heads = "".join(map(_head, ("kind", "file", "what", "what to do")))
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<p><b>{html.escape(self._headline())}</b></p>{table if rows else ''}"

    def _html_rows(self, kind: Kind, times: int) -> str:
        shown = self.of_kind(kind)[:_SHOWN]
        rows = ["".join(map(_cell, (row.file, row.reason, row.advice))) for row in shown]
        rows += [_cell(f"and {times - _SHOWN:,} more", columns=3)] if times > _SHOWN else []
        rows[0] = _head(f"{kind}: {times:,}", rows=len(rows)) + rows[0]
        return "".join(f"<tr>{row}</tr>" for row in rows)


def _cell(text: str, *, columns: int = 1) -> str:
    return f'<td colspan="{columns}" style="{_STYLE}">{html.escape(text)}</td>'


def _head(text: str, *, rows: int = 1) -> str:
    return f'<th rowspan="{rows}" style="{_STYLE}">{html.escape(text)}</th>'
