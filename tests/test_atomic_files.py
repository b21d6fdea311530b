"""Files are replaced in one step, whatever lies in their folder."""

import os
import stat
from pathlib import Path

import pytest

from digestbot.atomic_files import replacing, write_atomically


def test_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "digest.html"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["digest.html"]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "digest.html"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half of the new", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["digest.html"]


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o022])
def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "digest.html", b"new")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "digest.html").stat().st_mode)
    assert mode == 0o666 & ~umask


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "shared" / "digest.html"
    victim.write_bytes(b"mine")
    path.parent.mkdir()
    path.symlink_to(victim)
    write_atomically(path, b"new")
    assert (victim.read_bytes(), path.read_bytes()) == (b"mine", b"new")
    assert not path.is_symlink()


def test_a_guessed_name_of_the_part_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link where the unfinished file would be is an error: it is not written through."""
    victim, path = tmp_path / "victim", tmp_path / "digest.html"
    victim.write_bytes(b"mine")
    monkeypatch.setattr("secrets.token_hex", lambda size: "guessed")
    (tmp_path / ".digest.html.guessed.part").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomically(path, b"new")
    assert victim.read_bytes() == b"mine"


def test_a_pipe_is_written_to_in_place(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_long_names_leave_room_for_the_part(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
