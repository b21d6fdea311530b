"""A folder of saved responses as a source: every file once, and none lost."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.errors import SourceRefused
from digestbot.sources import folder, local_files, saved_files, saved_responses
from digestbot.sources.folder import FolderOptions
from digestbot.sources.parser_pool import ParserStopped
from tests.sources.passes import NOW, Pass, run_pass
from tests.sources.test_feed import item, reported, rss

OLD = (NOW - timedelta(hours=1)).timestamp()


def save(path: Path, body: bytes, *, at: float = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (at, at))


def fetched(path: Path, memory: Mapping[str, str] | None = None, **settings: object) -> Pass:
    return run_pass(FolderOptions(path=str(path), **settings), memory)  # type: ignore[arg-type]


def titles(found: Pass) -> list[str]:
    return [paper.title for paper in found.papers]


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are parsed."""
    names: list[str] = []
    parse_saved = saved_responses.parse_saved

    def counted(body: bytes, name: str, now: object) -> object:
        names.append(name.removeprefix("source/"))
        return parse_saved(body, name, now)  # type: ignore[arg-type]

    monkeypatch.setattr(saved_responses, "parse_saved", counted)
    return names


def test_every_file_is_read_once(tmp_path: Path, parses: list[str]) -> None:
    for name in ("a.xml", "sub/b.xml"):
        save(tmp_path / name, rss(item(name, f"Paper {name}")))
    first = fetched(tmp_path)
    again = fetched(tmp_path, first.memory)
    assert sorted(titles(first)) == ["Paper a.xml", "Paper sub/b.xml"]
    assert first.pages[-1].complete
    assert (titles(again), again.memory, again.pages[-1].note) == ([], first.memory, None)
    assert sorted(parses) == ["a.xml", "sub/b.xml"]


def test_new_and_changed_files_are_read(tmp_path: Path, parses: list[str]) -> None:
    save(tmp_path / "a.xml", rss(item("1", "One")))
    memory = fetched(tmp_path).memory
    save(tmp_path / "a.xml", rss(item("1", "One"), item("2", "Two")))
    save(tmp_path / "b.xml", rss(item("3", "Three")))
    assert set(titles(fetched(tmp_path, memory))) == {"One", "Two", "Three"}
    assert parses == ["a.xml", "a.xml", "b.xml"]


def test_a_touched_file_is_not_parsed_again(tmp_path: Path, parses: list[str]) -> None:
    save(tmp_path / "a.xml", rss(item("1", "One")))
    memory = fetched(tmp_path).memory
    save(tmp_path / "a.xml", rss(item("1", "One")), at=OLD + 60)
    again = fetched(tmp_path, memory)
    assert (titles(again), parses) == ([], ["a.xml"])
    assert again.memory != memory


def test_a_change_within_one_tick_is_seen(tmp_path: Path) -> None:
    just_now = NOW.timestamp()
    save(tmp_path / "a.xml", rss(item("1", "One")), at=just_now)
    memory = fetched(tmp_path).memory
    save(tmp_path / "a.xml", rss(item("2", "Two")), at=just_now)
    assert titles(fetched(tmp_path, memory)) == ["Two"]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_file_that_is_being_written_loses_nothing(tmp_path: Path, share: float) -> None:
    whole = rss(
        *(item(str(n), f"Paper {n}", more="<description>Text.</description>") for n in "ab")
    )
    save(tmp_path / "a.xml", whole[: int(len(whole) * share)], at=OLD)
    save(tmp_path / "b.xml", rss(item("c", "Other")))
    begun = fetched(tmp_path)
    assert "Other" in titles(begun)
    assert not begun.pages[-1].complete
    assert '"a.xml": ' in str(begun.pages[-1].note)
    still = fetched(tmp_path, begun.memory)
    assert not still.pages[-1].complete
    save(tmp_path / "a.xml", whole, at=OLD + 1)
    ended = fetched(tmp_path, still.memory)
    assert titles(ended) == ["Paper a", "Paper b"]
    assert ended.pages[-1].complete


def test_an_unreadable_file_costs_itself_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads everything, so the refusal is simulated."""
    read = local_files.read_file

    def refused(path: Path, **settings: bool) -> object:
        if path.name == "a.xml":
            raise PermissionError(13, "Permission denied")
        return read(path, **settings)

    save(tmp_path / "a.xml", rss(item("1", "One")))
    save(tmp_path / "b.xml", rss(item("2", "Two")))
    monkeypatch.setattr(folder, "read_file", refused)
    found = fetched(tmp_path)
    assert titles(found) == ["Two"]
    assert found.pages[-1].note == '"a.xml": permission denied'
    assert not found.pages[-1].complete
    monkeypatch.setattr(folder, "read_file", read)
    assert titles(fetched(tmp_path, found.memory)) == ["One"]


@pytest.mark.parametrize("error", [ParserStopped("parsing took longer than 10 s"), KeyError("x")])
def test_a_stopped_parser_reads_the_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object) -> object:
        raise error

    save(tmp_path / "a.xml", rss(item("1", "One")))
    with monkeypatch.context() as patch:
        patch.setattr(saved_responses, "parse_saved", failing)
        found = fetched(tmp_path)
    assert not found.pages[-1].complete
    assert titles(fetched(tmp_path, found.memory)) == ["One"]


def test_an_unreadable_response_is_reported_until_it_changes(
    tmp_path: Path, parses: list[str]
) -> None:
    save(tmp_path / "a.txt", b"just text")
    first = fetched(tmp_path)
    again = fetched(tmp_path, first.memory)
    assert first.pages[-1].note == again.pages[-1].note
    assert first.pages[-1].note == '"a.txt": text that begins "just text", not a feed'
    assert not again.pages[-1].complete
    assert parses == ["a.txt"]


def test_a_new_version_tries_unreadable_files_again(
    tmp_path: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.txt", b"just text")
    save(tmp_path / "b.xml", rss(item("1", "One")))
    memory = fetched(tmp_path).memory
    monkeypatch.setattr(folder, "__version__", "99.0")
    fetched(tmp_path, memory)
    assert parses == ["a.txt", "b.xml", "a.txt"]


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_an_interrupted_pass_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(folder, "PAGE_FILES", 2)
    for number in range(7):
        save(tmp_path / f"{number}.xml", rss(item(str(number), f"Paper {number}")))
    begun = run_pass(FolderOptions(path=str(tmp_path)), pages=pages)
    rest = fetched(tmp_path, begun.memory)
    assert len(begun.papers) == 2 * pages
    assert titles(begun) + titles(rest) == [f"Paper {number}" for number in range(7)]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "outside" / "a.xml", rss(item("1", "Secret")))
    save(tmp_path / "in" / "b.xml", rss(item("2", "Two")))
    (tmp_path / "in" / "a.xml").symlink_to(tmp_path / "outside" / "a.xml")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "outside")
    found = fetched(tmp_path / "in")
    assert titles(found) == ["Two"]
    assert (found.pages[-1].complete, found.pages[-1].note) == (
        True,
        "symbolic links not followed: 2",
    )


@pytest.mark.parametrize("swap", ["file", "parent"])
def test_a_link_that_replaces_a_listed_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    save(tmp_path / "outside" / "a.xml", rss(item("1", "Secret")))
    save(tmp_path / "in" / "sub" / "a.xml", rss(item("2", "Two")))
    list_files = saved_files.list_files

    def listed(path: str, pattern: str) -> object:
        found = list_files(path, pattern)
        (tmp_path / "in" / "sub").rename(tmp_path / "moved")
        if swap == "file":
            (tmp_path / "in" / "sub").mkdir()
            (tmp_path / "in" / "sub" / "a.xml").symlink_to(tmp_path / "outside" / "a.xml")
        else:
            (tmp_path / "in" / "sub").symlink_to(tmp_path / "outside")
        return found

    monkeypatch.setattr(folder, "list_files", listed)
    found = fetched(tmp_path / "in")
    assert titles(found) == []
    assert found.pages[-1].note == '"sub/a.xml": a symbolic link, which is not followed'


def test_a_file_removed_meanwhile_is_no_failure_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.xml", rss(item("1", "One")))
    save(tmp_path / "b.xml", rss(item("2", "Two")))
    read = local_files.read_file

    def removing(path: Path, **settings: bool) -> object:
        (tmp_path / "b.xml").unlink(missing_ok=True)
        return read(path, **settings)

    monkeypatch.setattr(folder, "read_file", removing)
    found = fetched(tmp_path)
    assert titles(found) == ["One"]
    assert found.pages[-1].note == '"b.xml": no such file or directory'


def test_a_missing_folder_is_refused_and_forgets_nothing(tmp_path: Path) -> None:
    found = fetched(tmp_path / "none")
    assert isinstance(found.error, SourceRefused)
    words = f'source: cannot read the folder "{tmp_path}/none": no such file or directory'
    assert str(found.error) == f"{words}; check the path"
    assert found.error.retry_at == NOW + timedelta(minutes=30)


def test_an_emptied_folder_forgets_nothing(tmp_path: Path) -> None:
    """A disk that is not mounted looks like an empty folder."""
    save(tmp_path / "a.xml", rss(item("1", "One")))
    memory = fetched(tmp_path).memory
    (tmp_path / "a.xml").unlink()
    (page,) = fetched(tmp_path, memory).pages
    assert (page.complete, page.memory) == (False, memory)
    assert page.note == "the folder is empty, although it had files before"


def test_removed_files_are_forgotten(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.xml", rss(item(name, f"Paper {name}")))
    both = fetched(tmp_path)
    (tmp_path / "a.xml").unlink()
    assert len(fetched(tmp_path, both.memory).memory) == len(both.memory) - 1


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    (page,) = fetched(tmp_path).pages
    assert (page.complete, page.note) == (True, "the folder has no files")


def test_all_papers_of_the_first_pass_are_news_by_default(tmp_path: Path) -> None:
    papers = (item("1", "Old", age_days=400), item("2", "New", age_days=1), item("3", "Undated"))
    save(tmp_path / "a.xml", rss(*papers))
    assert reported(fetched(tmp_path).papers) == ["Old", "New", "Undated"]
    recent = fetched(tmp_path, backfill=timedelta(days=7))
    assert reported(recent.papers) == ["New", "Undated"]
    save(tmp_path / "b.xml", rss(item("4", "Older", age_days=500)))
    later = fetched(tmp_path, recent.memory, backfill=timedelta(days=7))
    assert reported(later.papers) == ["Older"]


def test_categories_are_added(tmp_path: Path) -> None:
    save(tmp_path / "a.xml", rss(item("1", "One", more="<category>bio</category>")))
    (paper,) = fetched(tmp_path, categories=("mine", "bio")).papers
    assert paper.categories == ("bio", "mine")


@pytest.mark.parametrize(
    "make",
    [
        lambda: FolderOptions(path=""),
        lambda: FolderOptions(path="x", pattern=" "),
        lambda: FolderOptions(path="x", backfill=timedelta(days=-1)),
    ],
)
def test_options_are_checked(make: Callable[[], FolderOptions]) -> None:
    with pytest.raises(ValueError, match=r"path|pattern|backfill"):
        make()


def test_the_path_is_relative_to_the_config(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources: {saved: {kind: folder, path: saved}}\ndigests: {d: {schedule: daily 09:00}}\n",
        encoding="utf-8",
    )
    found: object = load_config(config, {}).sources["saved"]
    assert found == FolderOptions(path=str(tmp_path / "saved"))
