"""Table of answers: complete, with sources, and without a row that no answer reaches."""

import pytest

from digestbot.deliver.smtp_answers import Answer, Meaning, Phase, answer_of, answers

PROVIDERS = {
    *("Gmail", "Office 365", "Exchange Server", "Postfix", "Exim", "Amazon SES", "iCloud"),
    "Yahoo and AOL",
}


def test_table_covers_the_large_providers_with_a_source_each() -> None:
    assert len(answers()) >= 80
    assert {answer.source.split(":")[0] for answer in answers()} >= PROVIDERS
    assert all("https://" in answer.source for answer in answers())


def test_every_meaning_occurs() -> None:
    assert {answer.meaning for answer in answers()} == set(Meaning)


@pytest.mark.parametrize("row", answers(), ids=lambda row: f"{row.code} {row.enhanced} {row.words}")
def test_no_row_is_hidden_by_the_ones_above(row: Answer) -> None:
    code = int(row.code.replace("xxx", "5xx").replace("x", "9"))
    enhanced = None if row.enhanced == "*" else row.enhanced.replace("x", "9").replace("*", "99")
    for words in row.words or ("unheard of",):
        found = {answer_of(p, code, enhanced, f"Well, {words.upper()}: no") for p in row.phases}
        assert row in found


@pytest.mark.parametrize("phase", list(Phase))
def test_every_code_has_a_meaning(phase: Phase) -> None:
    for code in range(400, 600):
        assert answer_of(phase, code, None, "").meaning in Meaning
