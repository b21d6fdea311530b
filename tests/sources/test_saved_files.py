"""Files of a folder: which are read, and when they are read again."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.sources import saved_files
from digestbot.sources.saved_files import Record, SavedFile, list_files

NOW_NS = 1_800_000_000 * 10**9
FILE = SavedFile(name="a.xml", size=3, mtime_ns=NOW_NS - 10**12)


def names(folder: Path, pattern: str = "*") -> list[str]:
    return [file.name for file in list_files(str(folder), pattern).files]


def test_files_are_listed_by_their_time_of_change(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for number, name in enumerate(["z.xml", "sub/b.json", "sub/deep/a.rss"]):
        path = tmp_path / name
        path.write_text("x")
        os.utime(path, ns=(0, 10**18 + number))
    assert names(tmp_path) == ["z.xml", "sub/b.json", "sub/deep/a.rss"]
    assert names(tmp_path, "*.xml") == ["z.xml"]
    assert names(tmp_path, "sub/*.json") == ["sub/b.json"]


@pytest.mark.parametrize("name", [".hidden", ".git/x", "a.part", "a.xml.TMP", "a.crdownload", "a~"])
def test_hidden_and_unfinished_files_are_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    assert names(tmp_path) == []


def test_links_are_counted_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "to-folder").symlink_to(outside)
    (folder / "to-file").symlink_to(outside / "secret")
    (folder / "loop").symlink_to(folder)
    (folder / "broken").symlink_to("nowhere")
    listing = list_files(str(folder), "*")
    assert (listing.files, listing.links, listing.problems) == ((), 4, ())


def test_pipes_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == []


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.xml").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["a.xml"]


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_folder_that_is_none_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"No such|Not a directory"):
        list_files(str(tmp_path / name), "*")


def test_the_newest_files_are_kept_beyond_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_files, "MAX_FILES", 2)
    for number in range(3):
        path = tmp_path / f"{number}.xml"
        path.write_text("x")
        os.utime(path, ns=(0, 10**18 + number))
    listing = list_files(str(tmp_path), "*")
    assert [file.name for file in listing.files] == ["1.xml", "2.xml"]
    assert listing.problems == ("more than 2 files; move old ones away",)


def test_names_in_any_charset_have_keys(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.xml")).write_text("x")
    (file,) = list_files(str(tmp_path), "*").files
    assert file.key.startswith("f.")
    assert file.label.isprintable()


@given(
    st.integers(0, 10**12), st.integers(0, 2 * NOW_NS), st.text("0123456789abcdef", min_size=1),
    st.text(st.characters(exclude_categories=["Z", "C"])),
)  # fmt: skip
def test_records_are_read_as_written(size: int, mtime_ns: int, digest: str, problem: str) -> None:
    record = Record(size=size, mtime_ns=mtime_ns, digest=digest, problem=problem)
    assert Record.read(record.written()) == record


@pytest.mark.parametrize("text", ["", "x", "1 2", "-1 2 a", "1 x a"])
def test_other_texts_are_no_records(text: str) -> None:
    assert Record.read(text) is None


def test_a_file_is_known_until_size_or_time_change() -> None:
    record = Record.of(FILE, "d", "", NOW_NS)
    assert record.is_of(FILE)
    assert not record.is_of(SavedFile(name="a.xml", size=4, mtime_ns=FILE.mtime_ns))
    assert not record.is_of(SavedFile(name="a.xml", size=3, mtime_ns=FILE.mtime_ns + 1))


@pytest.mark.parametrize("mtime_ns", [0, NOW_NS - 1, NOW_NS, NOW_NS + 10**15])
def test_a_file_that_just_changed_is_compared_again(mtime_ns: int) -> None:
    """Within one tick of the clock, a second change leaves size and time as they are."""
    file = SavedFile(name="a.xml", size=3, mtime_ns=mtime_ns)
    assert not Record.of(file, "d", "", NOW_NS).is_of(file)
