"""A paper is known by all its names: one work is announced once."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.model import FetchedPaper
from digestbot.store import Store, open_store

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def paper(paper_id: str, *aliases: str, doi: str | None = None, title: str = "T") -> FetchedPaper:
    return FetchedPaper(
        id=paper_id, title=title, abstract="", url="https://x.example", doi=doi, aliases=aliases
    )


def new(store: Store, *papers: FetchedPaper, source: str = "s") -> int:
    return store.papers.ingest(source, papers, {}, NOW).new


def test_a_doi_that_comes_later_changes_nothing(store: Store) -> None:
    assert new(store, paper("feed:a", "guid:1")) == 1
    assert new(store, paper("doi:10.1/x", "doi:10.1/x", "guid:1", doi="10.1/x")) == 0
    assert new(store, paper("doi:10.1/x", "doi:10.1/x", "guid:2", doi="10.1/x")) == 0
    found = store.papers.get("feed:a")
    assert found is not None
    assert found.doi == "10.1/x"


def test_a_changed_guid_is_found_by_its_link(store: Store) -> None:
    assert new(store, paper("feed:a", "guid:1", "link:/p")) == 1
    assert new(store, paper("feed:b", "guid:2", "link:/p")) == 0
    assert new(store, paper("feed:c", "guid:2", "link:/q")) == 0


def test_without_stable_names_the_work_decides(store: Store) -> None:
    assert new(store, paper("feed:a", "link:/p?s=1", "work:w")) == 1
    assert new(store, paper("feed:b", "link:/p?s=2", "work:w")) == 0


def test_local_names_hold_in_one_source(store: Store) -> None:
    assert new(store, paper("feed:a", "guid:1"), source="one") == 1
    assert new(store, paper("feed:b", "guid:1"), source="two") == 1
    assert store.papers.count() == 2


def test_global_names_hold_in_every_source(store: Store) -> None:
    assert new(store, paper("feed:a", "url://x.example/1"), source="one") == 1
    new(store, paper("feed:b", "url://x.example/1"), source="two")
    assert store.papers.count() == 1


def test_a_journal_adds_to_the_arxiv_paper(store: Store) -> None:
    arxiv = paper("arxiv:2603.20941", doi="10.1/x", title="On $x$")
    new(store, arxiv, source="arxiv")
    published = paper("doi:10.1/x", "doi:10.1/x", "guid:9", doi="10.1/x", title="On x")
    new(store, published, source="journal")
    assert store.papers.count() == 1
    found = store.papers.get("arxiv:2603.20941")
    assert found is not None
    assert found.title_raw == "On $x$"


def test_an_arxiv_id_is_never_replaced(store: Store) -> None:
    new(store, paper("doi:10.1/x", "doi:10.1/x", doi="10.1/x"), source="journal")
    new(store, paper("arxiv:2603.20941", doi="10.1/x"), source="arxiv")
    assert store.papers.get("arxiv:2603.20941") is not None


CHANGES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("guid link doi day".split())))  # noqa: SIM905


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_each_work_is_announced_once(changes: list[tuple[int, str]]) -> None:
    """Whatever an item changes, one name at a time, it stays the same paper."""
    works = [{"guid": f"g{n}", "link": f"l{n}", "doi": "", "day": "1"} for n in range(5)]

    def state() -> list[FetchedPaper]:
        return [
            paper(
                f"doi:{w['doi']}" if w["doi"] else f"feed:{w['guid']}",
                *([f"doi:{w['doi']}"] if w["doi"] else []),
                f"guid:{w['guid']}",
                f"link:{w['link']}",
                f"work:{n}-{w['day']}",
            )
            for n, w in enumerate(works)
        ]

    with open_store("sqlite://") as store:
        total = new(store, *state())
        for step, (number, name) in enumerate(changes):
            value = f"10.1/{number}-{step}" if name == "doi" else f"{name}-{number}-{step}"
            works[number][name] = value
            total += store.papers.ingest("s", state(), {}, NOW + timedelta(step)).new
        assert total == 5
