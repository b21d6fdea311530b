"""CSV survives a round trip."""

from hypothesis import example, given
from hypothesis import strategies as st

from digestbot.csv_files import read_rows, write_rows

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@example(rows=[("a\rb", "'=1")])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_a_cell_survives_the_round_trip_on_one_line(rows: list[tuple[str, str]]) -> None:
    # A first cell that is never empty: the csv module takes a row of blanks for no row.
    named = [("x" + one, " ".join(other.split())) for one, other in rows]
    text = write_rows(("email", "name"), named)
    back = [(row["email"], row["name"]) for _, row in read_rows(text, {"email"})]
    assert back == [(" ".join(one.split()), other) for one, other in named]
