"""Errors say what, where and what to do in their text, and carry attributes for programs."""

import pickle
from datetime import UTC, datetime

from digestbot.errors import (
    ConfigError,
    InvalidFilter,
    MissingExtra,
    Problem,
    SourceLate,
    TransientFailure,
)


def test_problems_are_listed_with_their_places() -> None:
    problems = [
        Problem(file="config.yaml", line=14, column=7, message='unknown key "catgory"'),
        Problem(file="config.yaml", line=0, column=0, message="not found"),
    ]
    assert str(ConfigError(problems)) == (
        'config.yaml:14:7: unknown key "catgory"\nconfig.yaml: not found'
    )


def test_a_missing_extra_names_the_command() -> None:
    error = MissingExtra("PostgreSQL", "postgres")
    assert str(error) == "PostgreSQL needs an extra: pip install 'digestbot[postgres]'"


def test_attributes_are_kept() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    assert SourceLate("x", retry_at=at).retry_at == at
    assert InvalidFilter("x", ["any", 0]).path == ("any", 0)
    assert TransientFailure("x", code="4.7.0").code == "4.7.0"


def test_errors_pass_between_processes() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    again = pickle.loads(pickle.dumps(SourceLate("x", retry_at=at)))  # noqa: S301 - our own bytes
    assert (str(again), again.retry_at) == ("x", at)
