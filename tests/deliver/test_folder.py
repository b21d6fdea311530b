import asyncio
from pathlib import Path

import pytest

from digestbot.deliver.folder import FolderSender, file_stem
from digestbot.errors import PermanentFailure, TransientFailure
from digestbot.model import DestinationKind, Form
from tests.servers.outgoing import Notes, make_delivery, make_outgoing

NAMES = [f"systems-0012-2026-11-23.{end}" for end in ("eml", "html", "json", "txt")]

MESSAGE = b"From: a@example.org\r\n\r\nHello\r\n"


def send(folder: Path, bodies: dict[Form, str]) -> Notes:
    notes = Notes()
    outgoing = make_outgoing(DestinationKind.FOLDER, str(folder), bodies, message=MESSAGE)
    asyncio.run(FolderSender().send(outgoing, notes))
    return notes


def bodies(mark: str = "") -> dict[Form, str]:
    return {
        Form.HTML: f"<p>Café{mark}</p>",
        Form.TEXT: f"Café{mark}\n",
        Form.JSON: "{}",
    }


def test_writes_four_files_named_by_digest_number_and_date(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    notes = send(folder, bodies())
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert notes.log == ["data_done"]


def test_writes_exports_that_the_message_has(tmp_path: Path) -> None:
    send(tmp_path, {**bodies(), Form.BIBTEX: "@misc{x}\n", Form.ATOM: "<feed/>\n"})
    written = {path.suffix for path in tmp_path.iterdir()}
    assert written == {".eml", ".html", ".txt", ".json", ".bib", ".atom"}
    assert (tmp_path / NAMES[0]).with_suffix(".bib").read_text(encoding="utf-8") == "@misc{x}\n"


def test_keeps_line_ends_and_characters(tmp_path: Path) -> None:
    send(tmp_path, bodies())
    assert (tmp_path / NAMES[0]).read_bytes() == MESSAGE
    assert (tmp_path / NAMES[1]).read_bytes() == "<p>Café</p>".encode()


def test_repeat_writes_the_same_files(tmp_path: Path) -> None:
    send(tmp_path, bodies())
    send(tmp_path, bodies("!"))
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert (tmp_path / NAMES[3]).read_text(encoding="utf-8") == "Café!\n"


def test_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    send(tmp_path, bodies("\ud800"))
    assert (tmp_path / NAMES[3]).read_text(encoding="utf-8") == "Café?\n"


def test_unwritable_folder_is_named_and_retried(tmp_path: Path) -> None:
    in_the_way = tmp_path / "out"
    in_the_way.write_text("a file", encoding="utf-8")
    with pytest.raises(TransientFailure, match=f'cannot write to the folder "{in_the_way}"'):
        send(in_the_way, bodies())
    assert in_the_way.read_text(encoding="utf-8") == "a file"


def test_failed_write_leaves_no_partial_file(tmp_path: Path) -> None:
    (tmp_path / NAMES[1]).mkdir()
    with pytest.raises(TransientFailure):
        send(tmp_path, bodies())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("edition", "stem"),
    [
        ("systems/12", "systems-0012-2026-11-23"),
        ("systems/12345", "systems-12345-2026-11-23"),
        ("../evil/7", "__evil-0007-2026-11-23"),  # stays inside the folder
        ("a b:c/7", "a_b_c-0007-2026-11-23"),
        (".hidden/7", "_hidden-0007-2026-11-23"),
    ],
)
def test_file_names_are_portable(edition: str, stem: str) -> None:
    made = file_stem(make_delivery(DestinationKind.FOLDER, "out", edition_name=edition))
    assert made == stem


@pytest.mark.parametrize("edition", ["systems", "/12", "systems/", "systems/twelve", "systems/-1"])
def test_edition_without_a_number_is_refused(edition: str) -> None:
    with pytest.raises(PermanentFailure, match="cannot make a file name"):
        file_stem(make_delivery(DestinationKind.FOLDER, "out", edition_name=edition))


def test_check_writes_to_each_folder_and_cleans_up(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert asyncio.run(FolderSender().check((str(folder),))) == "1 folder: writable"
    assert list(folder.iterdir()) == []


def test_check_names_the_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(TransientFailure, match="out"):
        asyncio.run(FolderSender().check((str(tmp_path / "out"),)))
