"""CSV survives a round trip, and a broken one is an error with its line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digestbot.csv_files import read_table, write_rows
from digestbot.errors import UsageError

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@example(rows=[("a\rb", "'=1")])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_a_cell_survives_the_round_trip_on_one_line(rows: list[tuple[str, str]]) -> None:
    # A first cell that is never empty: the csv module takes a row of blanks for no row.
    named = [("x" + one, " ".join(other.split())) for one, other in rows]
    table = read_table(write_rows(("email", "name"), named), {"email"})
    back = [(row["email"], row["name"]) for _, row in table]
    assert back == [(" ".join(one.split()), other) for one, other in named]
    assert table.length == len(named)


def test_rows_have_the_line_where_they_begin() -> None:
    table = read_table('email,name\n\na@x,"Ana\nMaria"\nb@x\n', {"email"})
    assert list(table) == [
        (3, {"email": "a@x", "name": "Ana Maria"}),
        (5, {"email": "b@x", "name": ""}),
    ]
    assert len(list(table)) == table.length == 2


@pytest.mark.parametrize(
    "text",
    [
        'email,name\na@x,Ana\nb@x,"Bea\nc@x,Cy\n',
        'email,name\na@x,Ana\nb@x,"Bea\nc@x,"Cy"\n',
        'email,name\na@x,Ana\n"b@x,Bea\nc@x,Cy"d@x,Di\n',
        'email,name\na@x,Ana\nb@x,"' + "Bea\n" * 50_000 + '"\n',
    ],
    ids=["at the end", "until the next quote", "in the first column", "longer than any value"],
)
def test_an_open_quote_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^line 3: a quote is not closed"):
        read_table(text, {"email"})


def test_a_column_named_twice_is_an_error() -> None:
    with pytest.raises(UsageError, match='the column "email" more than once'):
        read_table("email,name, EMAIL\na@x,Ana,b@x\n", {"email"})


def test_columns_without_a_name_are_left_out() -> None:
    table = read_table("email,,\na@x,1,2\n", {"email"})
    assert list(table) == [(2, {"email": "a@x"})]
    assert (table.used({"email"}), table.ignored({"email"})) == (("email",), ())
