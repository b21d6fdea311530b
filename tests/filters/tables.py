"""The tables of cases in tests/data: a line is a case, and its last column says why."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def table(name: str) -> list[list[str]]:
    """The rows of a table, without its head; every row has as many columns as the head."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    head, *rows = [line.split("\t") for line in lines if line]
    assert head[0].startswith("# "), f"{name} has no head"
    for row in rows:
        assert len(row) == len(head), f"{name}: {row} has not {len(head)} columns"
        assert row[-1], f"{name}: {row} does not say why"
    return rows
