"""Pages that Mercurial's web interface makes with its own templates: its manual in nine languages.

The one place where a carrier's code runs: in a process of its own with nothing of our environment, pure Python modules
only, on an empty repository. Much of the manual is untranslated, so that languages share pages: duplicates as they
come. (Python lays out some docstrings otherwise from version to version: a few of these pages differ between
them.)
"""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.sample.unpack import read_members
from tasks.sample.warcs import TEMPLATED, Page

LANGUAGES = {
    "en": "paper",
    "de": "gitweb",
    "pt_BR": "monoblue",
    "ru": "paper",
    "ja": "gitweb",
    "sv": "monoblue",
    "ro": "paper",
    "da": "gitweb",
    "it": "monoblue",
}
"""Languages in which at least a twelfth of the manual is translated, each with one of the program's three styles."""

ASK_SECONDS = 300.0
"""What one language may take; it takes about two seconds."""

_PACKAGES = ("mercurial/", "hgext/", "hgdemandimport/")
_COMPILED = (".so", ".pyd", ".dll", ".pyi")


class NoAnswer(RuntimeError):
    """Mercurial could not make its pages; the message holds the end of what it said."""


def pages_of_manual(archive: Path, languages: Sequence[str], scratch: Path) -> dict[str, list[Page]]:
    """The answers of Mercurial's web interface by language: pages, what decorates them, one page that is not there.

    The wheel's Python modules and templates lie in a temporary folder under `scratch` meanwhile.
    Raises: NoAnswer.
    """
    with tempfile.TemporaryDirectory(prefix="mercurial-", dir=scratch) as name:
        folder = Path(name)
        for member in read_members(archive, lambda path: path.startswith(_PACKAGES) and not path.endswith(_COMPILED)):
            place = folder / member.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(member.data)
        return {language: list(_ask(folder, language)) for language in languages}


def _ask(folder: Path, language: str) -> Iterable[Page]:
    environment = {
        "HGMODULEPOLICY": "py",
        "HGRCPATH": "",
        "HGENCODING": "utf-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANGUAGE": language,
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
    }
    child = Path(__file__).with_name("hgweb_child.py")
    try:
        said = subprocess.run(
            [sys.executable, "-P", str(child), str(folder), LANGUAGES[language]],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise NoAnswer(
            f"Mercurial's web interface ended with {error.returncode} ({language}); it said {last[0]!r}."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"Mercurial's web interface took longer than {ASK_SECONDS:.0f} s ({language}).") from error
    for line in said.stdout.splitlines():
        answer = json.loads(line)
        yield Page(
            path=f"{language}/{answer['path']}",
            body=base64.b64decode(answer["body"]),
            origin=TEMPLATED,
            content_type=answer["content_type"],
            status=answer["status"],
        )
