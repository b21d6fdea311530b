"""Tables of cases in tests/data: one case per line, with the reason in the last column."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def table(name: str) -> list[list[str]]:
    """Return the rows of a table without its header, after checking their columns."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    head, *rows = [line.split("\t") for line in lines if line]
    assert head[0].startswith("# "), f"{name} has no header"
    for row in rows:
        assert len(row) == len(head), f"{name}: {row} needs {len(head)} columns"
        assert row[-1], f"{name}: {row} gives no reason"
    return rows
