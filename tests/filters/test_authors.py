"""Author names that match or differ; reasons are in the table."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from digestbot.filters.authors import PREFIXES, SUFFIXES, name_matches, readings
from tests.filters.people import Person, may_be_one, people, printed_forms
from tests.filters.tables import table


@pytest.mark.parametrize(
    ("wanted", "author", "found"),
    [pytest.param(*row[:3], id=f"{row[0]} = {row[1]}: {row[3]}") for row in table("authors.tsv")],
)
def test_compatible_names_match(wanted: str, author: str, found: str) -> None:
    assert name_matches(wanted, author) is (found == "yes")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_can_be_a_name(wanted: str, author: str) -> None:
    if readings(wanted):
        assert name_matches(wanted, wanted)
        assert name_matches(wanted, author) in (True, False)


@given(
    st.from_regex(r"[A-Z][a-z]{1,6}( [A-Z][a-z]{1,6})?", fullmatch=True),
    st.from_regex(r"[B-Z][a-z]{4,8}", fullmatch=True),
)
def test_a_name_is_found_in_each_of_its_forms(given_names: str, family: str) -> None:
    assume(not (SUFFIXES | PREFIXES) & set(given_names.lower().split()))
    wanted = f"{given_names} {family}"
    initials = " ".join(f"{name[0]}." for name in given_names.split())
    for author in (f"{given_names} {family}", f"{family}, {given_names}", f"{initials} {family}"):
        assert name_matches(wanted, author)


@given(people, st.data())
def test_every_form_of_a_person_finds_every_other(person: Person, data: st.DataObject) -> None:
    forms = st.sampled_from(tuple(printed_forms(person)))
    assert name_matches(data.draw(forms), data.draw(forms))


@given(people, people, st.data())
def test_no_form_of_a_person_finds_another_person(
    one: Person, other: Person, data: st.DataObject
) -> None:
    assume(not may_be_one(one, other))
    wanted, author = (data.draw(st.sampled_from(tuple(printed_forms(p)))) for p in (one, other))
    assert not name_matches(wanted, author)


@given(people, st.data())
def test_the_order_of_wanted_and_printed_does_not_matter(
    person: Person, data: st.DataObject
) -> None:
    forms = st.sampled_from(tuple(printed_forms(person)))
    one, other = data.draw(forms), data.draw(forms)
    assert name_matches(one, other) is name_matches(other, one)
