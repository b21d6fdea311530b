"""Files of the operator: paths in the config, and reads that cannot hang."""

import os
from pathlib import Path

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources import local_files
from digestbot.sources.local_files import check_path, read_file, reason


@pytest.mark.parametrize("text", ["feeds.opml", "../shared/feeds.opml", "/srv/feeds", "a b"])
def test_paths_are_accepted(text: str) -> None:
    check_path(text)


@pytest.mark.parametrize("text", ["", "  ", "a\0b", "~/feeds.opml"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        check_path(text)


def test_a_file_is_read_with_its_state(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_bytes(b"<rss/>")
    body, state = read_file(path)
    assert (body, state.st_size) == (b"<rss/>", 6)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadAnswer, match="not a regular file"):
        read_file(tmp_path / "pipe")


def test_a_link_is_followed_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to("file")
    assert read_file(link)[0] == b"x"
    with pytest.raises(OSError, match="link"):
        read_file(link, follow=False)


def test_a_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files, "MAX_BYTES", 1024**2)
    path = tmp_path / "large"
    path.write_bytes(b"x" * (1024**2 + 1))
    with pytest.raises(BadAnswer, match="more than 1 MB"):
        read_file(path)


def test_a_missing_file_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        read_file(tmp_path / "none")
    assert reason(raised.value) == "no such file or directory"
