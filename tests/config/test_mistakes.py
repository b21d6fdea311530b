"""
Every mistake is reported with its place and helpful advice, without secrets.

Each file in ``bad/`` begins with its purpose; its ``.txt`` contains all expected messages, as
``line:column: message``.
"""

from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.errors import ConfigError

BAD = Path(__file__).parent / "bad"
PLANTED = "hunter2-pl4nted"
ENVIRON = {"PLANTED": PLANTED, "EMPTY": "", "HOOK": f"ftp://{PLANTED}"}
MINIMAL = """\
sources:
  a: {kind: arxiv, categories: [cs.DC]}
digests:
  d: {schedule: daily 09:00}
"""


def mistakes(path: Path, environ: dict[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mistake_is_reported(path: Path) -> None:
    expected = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert mistakes(path) == expected


def test_every_bad_config_has_a_reason_and_messages() -> None:
    assert {path.suffix for path in BAD.iterdir()} == {".yaml", ".txt"}
    configs = {path.stem for path in BAD.glob("*.yaml")}
    assert configs == {path.stem for path in BAD.glob("*.txt")}
    assert len(configs) >= 60
    for path in BAD.glob("*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("# ")


def test_no_message_contains_a_planted_secret() -> None:
    for path in BAD.glob("*.yaml"):
        assert "hunter2" not in " ".join(mistakes(path)).lower()


def test_a_message_begins_with_the_file_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text("limit: 3\n" + MINIMAL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("config.yaml"), {})
    assert str(caught.value).startswith('config.yaml:1:1: unknown key "limit" at the top level')


def test_a_missing_file_suggests_init(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml", {})
    message = "no such file; create one with 'digestbot init', or name another with --config FILE"
    assert str(caught.value) == f"{tmp_path / 'config.yaml'}: {message}"


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (b"", ["0:1: is empty; 'digestbot init --force' writes a first config"]),
        (b" \n\n", ["0:1: is empty; 'digestbot init --force' writes a first config"]),
        (b"a: 1\nb: \xff\n", ["2:1: not UTF-8 text; save it as UTF-8"]),
        ("a: ü".encode("utf-16"), ["1:1: not UTF-8 text; save it as UTF-8"]),
        (b"a: 1\nb: \x07\n", ["2:4: control characters are not allowed in YAML"]),
        (b"#" * (4 * 1024 * 1024 + 1), ["0:1: longer than 4,194,304 bytes"]),
    ],
)
def test_unreadable_files(tmp_path: Path, content: bytes, messages: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    assert mistakes(path) == messages


def test_a_folder_is_not_a_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_config(tmp_path, {})


def test_byte_order_mark_and_crlf_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert list(load_config(path, {}).digests) == ["d"]


def test_a_secret_beginning_with_a_star_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("smtp: {password: *hunter2}\n")
    assert mistakes(path) == ['1:18: undefined alias; text that begins with "*" needs quotes']


def test_a_secret_file_given_as_config_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    assert mistakes(path)[0] == "1:1: the top level must be a mapping"


@pytest.mark.parametrize("secret", ["cs.XX", "60 9 * * *", "unknown", "x" * 300, "Ünïcode", '"'])
def test_values_from_outside_are_not_shown(tmp_path: Path, secret: str) -> None:
    """Every validator's message is replaced by the same text."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "contact: ${S}\nsources:\n  a: {kind: arxiv, categories: [cs.DC, '${S}']}\n"
        "digests:\n  d: {schedule: '${S}', filter: {id: 'no ${S}'}}\n"
    )
    generic = "invalid value, not shown because all or part of it is secret"
    told = mistakes(path, {"S": secret})
    expected = [
        f"1:10: contact: {generic}",
        f"3:40: sources.a.categories[1]: {generic}",
        f"5:17: digests.d.schedule: {generic}",
        f"5:38: digests.d.filter.id: {generic}",
    ]
    assert told == expected


def test_mistakes_next_to_a_hidden_value_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "sources:\n  a: {kind: arxiv, categories: [cs.DX], url: '${URL}'}\n"
        "digests: {d: {schedule: daily 09:00}}\n"
    )
    told = mistakes(path, {"URL": "http://127.0.0.1:8000/api"})
    near = '"cs.DS" (Data Structures and Algorithms)'
    assert told == [f'2:33: sources.a: arXiv has no category "cs.DX"; did you mean {near}?']
