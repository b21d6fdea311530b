"""Tables of cases in tests/data; the last column has the reason."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def table(name: str) -> list[list[str]]:
    """Return the rows of a table, without comments."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")]
