"""Copies of a SQLite store: which are refused, and which moves go on without a word."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.errors import StoreCopied
from digestbot.store import Store, open_store
from digestbot.store.processes import RECENT, Process, current_process
from tests.store.samples import MINUTE, NOW, ingest

ALPHA = Process("alpha", 7)
BETA = Process("beta", 7)
NEW_CONTAINER = Process("c0ffee", 1)
LATER = NOW + 2 * MINUTE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "digestbot.db"


@pytest.fixture
def alpha(path: Path) -> Iterator[Store]:
    """Open a file store that ALPHA is using, with a change after the last checkpoint."""
    path.parent.mkdir()
    with open_store(f"sqlite:///{path}") as opened:
        opened.processes.begin(ALPHA, NOW)
        ingest(opened, 1)
        yield opened


def copy(path: Path, *, without_wal: bool = False) -> Path:
    """Copy the files of a store as they are."""
    target = path.parent.parent / "b" / path.name
    target.parent.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        if file == path or (file.name.endswith("-wal") and not without_wal):
            shutil.copy(file, target.parent)
    return target


def begin(path: Path, process: Process, *, at: timedelta = 2 * MINUTE) -> None:
    with open_store(f"sqlite:///{path}") as store, store.processes.using(process, lambda: NOW + at):
        assert store.papers.head() in {0, 1}


def test_a_copy_from_under_a_running_process_is_refused(alpha: Store, path: Path) -> None:
    copied = copy(path)
    expected = r"copied while digestbot ran on alpha \(process 7, last seen 2026-11-23 08:00 UTC\)"
    for _ in range(2):  # closing it removes its -wal file
        with pytest.raises(StoreCopied, match=expected):
            begin(copied, BETA)
    with open_store(f"sqlite:///{copied}") as store:
        assert store.processes.objection(BETA, LATER)
        assert store.processes.adopt() == 1
        assert store.processes.adopt() == 0
    begin(copied, BETA)
    alpha.processes.beat(ALPHA, LATER)


def test_a_complete_copy_may_be_looked_at_first(alpha: Store, path: Path) -> None:
    copied = copy(path)
    with open_store(f"sqlite:///{copied}", read_only=True) as store:
        assert store.papers.head() == 1
    begin(copied, BETA, at=RECENT + MINUTE)


@pytest.mark.parametrize("at", [RECENT + MINUTE, timedelta(days=90)])
def test_an_old_backup_is_restored_on_another_machine(
    alpha: Store, path: Path, at: timedelta
) -> None:
    begin(copy(path), BETA, at=at)


def test_a_backup_is_restored_on_the_same_machine(alpha: Store, path: Path) -> None:
    begin(copy(path), Process(ALPHA.host, 8))


def test_stop_copy_start_needs_nothing(path: Path) -> None:
    path.parent.mkdir()
    begin(path, ALPHA)
    begin(copy(path), BETA)
    assert not path.with_name(f"{path.name}-wal").exists()


@pytest.mark.parametrize("process", [ALPHA, BETA, NEW_CONTAINER])
def test_restart_after_a_crash_needs_nothing(alpha: Store, path: Path, process: Process) -> None:
    """The same file, under any host name: the record of the killed process is left."""
    begin(path, process)


def test_two_processes_may_share_a_file(alpha: Store, path: Path) -> None:
    with open_store(f"sqlite:///{path}") as other:
        other.processes.begin(BETA, LATER)
        alpha.processes.beat(ALPHA, LATER)
        assert not other.processes.objection(BETA, LATER)
        assert not alpha.processes.objection(ALPHA, LATER)


@pytest.mark.parametrize("process", [Process(ALPHA.host, 8), BETA])
@pytest.mark.parametrize("at", [2 * MINUTE, timedelta(days=90)])
def test_a_copy_without_its_wal_file_is_refused(
    alpha: Store, path: Path, process: Process, at: timedelta
) -> None:
    """It lacks what was sent since the last checkpoint."""
    copied = copy(path, without_wal=True)
    for _ in range(2):  # opening it makes an empty -wal file, and closing it removes that
        with pytest.raises(StoreCopied, match="copied without its -wal file while alpha used it"):
            begin(copied, process, at=at)
    with open_store(f"sqlite:///{copied}") as store:
        assert store.papers.head() == 0
        store.processes.adopt()
    begin(copied, process, at=at)


def test_vacuum_into_is_no_copy_without_wal(alpha: Store, path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
    connection.close()
    begin(backup, BETA, at=RECENT + MINUTE)
    begin(backup, ALPHA)


def test_dead_processes_are_forgotten(alpha: Store, path: Path) -> None:
    begin(path, BETA, at=RECENT + MINUTE)
    begin(copy(path), BETA)


def test_stores_without_a_file_need_no_record(store: Store) -> None:
    with store.processes.using(ALPHA, lambda: NOW):
        store.processes.beat(ALPHA, NOW)
        assert not store.processes.objection(BETA, NOW)
    if store._database.file_number is None:
        assert store.processes.adopt() == 0


def test_current_process_has_a_host() -> None:
    assert current_process().host
    assert current_process().pid > 0
