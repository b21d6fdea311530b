"""Output in any encoding of stdout, in an ASCII locale too: valid JSON, UTF-8 files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.conftest import Bot, a_paper, configure
from tests.servers.arxiv import ArxivServer

TITLE = "Serverless naïve β-decay – “paper” 😀"
ENVIRONMENTS = {
    "ASCII locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
}
in_every_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


def call(name: str, *args: str, stdin: str = "") -> bytes:
    """Call the program in a new process; return what it printed."""
    unset = ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8", "PYTHONIOENCODING")
    environ = {key: value for key, value in os.environ.items() if key not in unset}
    done = subprocess.run(
        [sys.executable, "-m", "digestbot", *args],
        env=environ | ENVIRONMENTS[name],
        input=stdin.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def filled(bot: Bot) -> None:
    """Make a store with one edition; its title has letters of several code pages."""
    with ArxivServer([a_paper(1, TITLE)]) as arxiv:
        configure(arxiv.url)
        path = Path("config.yaml")
        text = path.read_text().replace("systems:\n", "systems:\n    title: Größe – Ω\n")
        path.write_text(text, encoding="utf-8")
        assert bot("run").code == 0


@pytest.mark.usefixtures("filled")
@in_every_environment
def test_json_is_valid_in_every_encoding(name: str) -> None:
    encoding = name if name in {"utf-8", "cp1252", "latin-1"} else "ascii"
    preview = call(name, "preview", "systems", "--since", "7d", "--format", "json")
    assert json.loads(preview.decode(encoding))["papers"][0]["title"] == TITLE
    shown = call(name, "editions", "show", "systems/1", "--format", "slack").decode(encoding)
    assert "Größe" in json.dumps(json.loads(shown), ensure_ascii=False)
    editions = json.loads(call(name, "--json", "editions", "list").decode(encoding))
    assert editions[0]["title"] == "Größe – Ω"
    rows = call(name, "deliveries", "export", "-").decode(encoding).splitlines()
    assert all(map(json.loads, rows))


@pytest.mark.usefixtures("filled")
@in_every_environment
def test_documents_are_utf8_in_every_encoding(name: str) -> None:
    def document(form: str) -> str:
        return call(name, "preview", "systems", "--since", "7d", "--format", form).decode("utf-8")

    assert all("😀" in document(form) for form in ("markdown", "html"))
    feed = etree.fromstring(document("atom").encode())
    assert TITLE in "".join(feed.itertext())


@pytest.mark.usefixtures("filled")
@in_every_environment
def test_text_is_printed_and_files_are_utf8(name: str) -> None:
    assert b"Serverless" in call(name, "preview", "systems", "--since", "7d")
    call(name, "check")
    call(name, "run", "--now", "--no-fetch")
    call(name, "preview", "systems", "--since", "7d", "--format", "html", "--out", "a.html")
    assert "😀" in Path("a.html").read_text(encoding="utf-8")
    text = "email,name\nz@example.org,Zoë\n"
    call(name, "subscribers", "import", "-", "--digest", "systems", stdin=text)
    assert "Zoë" in call(name, "subscribers", "export").decode("utf-8")


@in_every_environment
def test_demo_writes_the_same_files_everywhere(name: str, bot: Bot) -> None:
    call(name, "demo", "--out", "here")
    slack = json.loads(next(Path("here").glob("*.slack.json")).read_text(encoding="utf-8"))
    assert "•" in json.dumps(slack, ensure_ascii=False)
    texts = [path for path in Path("here").iterdir() if path.suffix in {".html", ".txt", ".json"}]
    assert len(texts) >= 3
    assert all(path.read_text(encoding="utf-8") for path in texts)
