"""
An oracle for authors' names: people whose parts are known, and all the ways to print them.

It never parses a name: two forms belong together if they were made from the same person.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person of a culture, with the parts of the name in order."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    particle: str = ""
    is_family_first: bool = False
    """True where the family name may be printed first."""


def printed_forms(person: Person) -> Iterator[str]:
    """Yield the forms in which papers and lists print the whole name."""
    names, family = " ".join(person.given), _family(person)
    initials = [f"{name[0]}." for name in person.given]
    yield f"{names} {family}"
    yield f"{family}, {names}"
    yield f"{names} {family.upper()}"
    yield f"{names} {family} Jr."
    yield f"{family}, {names}, III"
    yield f"{' '.join(initials)} {family}"
    yield f"{''.join(initials)} {family}"
    yield f"{family}, {' '.join(initials)}"
    yield f"{family} {' '.join(initials)}"
    yield f"{family} {''.join(name[0] for name in person.given)}"
    yield f"{''.join(name[0] for name in person.given)} {family}"
    if person.is_family_first:
        yield f"{family} {names}"
        yield f"{family.upper()} {names}"
        yield f"{names.replace('-', '')} {family}"


def _family(person: Person) -> str:
    return " ".join(filter(None, (person.particle, *person.family)))


EUROPEAN_GIVEN = ("Robert", "Sophie", "Thomas", "Katherine", "Vincent", "Ulrich")
EUROPEAN_FAMILY = ("Whitfield", "Hargreave", "Obermeyer", "Lindqvist", "Fitzroy", "Kowalski")
PARTICLES = ("", "van", "Van", "de", "De la", "von der", "El")
CHINESE_GIVEN = ("Xiao-Ming", "Jia-Hui", "Zi-Chen", "Shuo-Ran", "Bo-Wen")
CHINESE_FAMILY = ("Zhang", "Wang", "Huang", "Zhou")

europeans = st.builds(
    Person,
    given=st.lists(st.sampled_from(EUROPEAN_GIVEN), min_size=1, max_size=2, unique=True).map(tuple),
    family=st.tuples(st.sampled_from(EUROPEAN_FAMILY)),
    particle=st.sampled_from(PARTICLES),
)
chinese = st.builds(
    Person,
    given=st.tuples(st.sampled_from(CHINESE_GIVEN)),
    family=st.tuples(st.sampled_from(CHINESE_FAMILY)),
    is_family_first=st.just(True),
)
people = st.one_of(europeans, chinese)


def may_be_one(one: Person, other: Person) -> bool:
    """Return True if some form of *one* may name *other*: same family, compatible given names."""
    if one.family != other.family or one.is_family_first is not other.is_family_first:
        return False
    if one.particle and other.particle and one.particle.lower() != other.particle.lower():
        return False
    few, many = sorted((one.given, other.given), key=len)
    return few[0][0] == many[0][0] and all(any(f[0] == m[0] for m in many[1:]) for f in few[1:])
