"""Members of packages are read in memory, and only inside the package."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tasks.sample import unpack
from tasks.sample.unpack import UnsafeArchive, read_members
from tests.tasks.sample.packages import make_carrier

MEMBERS = {"doc/b.html": "<p>b</p>", "doc/a.html": "<p>ä</p>", "src/c.py": "pass"}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_wanted_members_come_sorted_with_their_bytes(tmp_path, kind):
    carrier = make_carrier(tmp_path, "grist", kind, MEMBERS)
    found = read_members(tmp_path / carrier.file, lambda path: path.endswith(".html"))
    assert found == [("doc/a.html", "<p>ä</p>".encode()), ("doc/b.html", b"<p>b</p>")]
    assert [path.name for path in tmp_path.iterdir()] == [carrier.file], "nothing is unpacked to the disk"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("path", ["doc/../../escaped.html", "doc/..\\escaped.html", "C:/escaped.html"])
def test_a_member_that_leads_out_is_refused(tmp_path, kind, path):
    carrier = make_carrier(tmp_path, "grist", kind, {path: "out"})
    with pytest.raises(UnsafeArchive, match=r"leads out of the package"):
        read_members(tmp_path / carrier.file, lambda path: path.endswith(".html"))


def test_absolute_paths_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as package:
        package.writestr("/escaped.html", "out")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as package:
        package.addfile(tarfile.TarInfo("/escaped/escaped.html"), io.BytesIO())
        package.addfile(tarfile.TarInfo("..//escaped.html"), io.BytesIO())
    for name in ("a.whl", "a.tar.gz"):
        with pytest.raises(UnsafeArchive):
            read_members(tmp_path / name, lambda path: path.endswith(".html"))


def test_links_and_devices_are_no_members(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as package:
        for name, kind in [
            ("p/link.html", tarfile.SYMTYPE),
            ("p/hard.html", tarfile.LNKTYPE),
            ("p/pipe", tarfile.FIFOTYPE),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../secret"
            package.addfile(info)
    assert read_members(path, lambda path: True) == []


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_member_that_swells_is_refused(tmp_path, kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpack, "LARGEST_MEMBER", 1000)
    carrier = make_carrier(tmp_path, "grist", kind, {"small.txt": b" " * 1000, "bomb.txt": b" " * 1001})
    assert len(read_members(tmp_path / carrier.file, lambda path: path == "small.txt")) == 1
    with pytest.raises(UnsafeArchive, match=r"bomb\.txt has more than 1000 bytes"):
        read_members(tmp_path / carrier.file, lambda path: path.endswith(".txt"))


def test_a_damaged_package_raises(tmp_path: Path):
    carrier = make_carrier(tmp_path, "grist", "sdist", {"a.txt": bytes(range(256)) * 50})
    whole = (tmp_path / carrier.file).read_bytes()
    (tmp_path / carrier.file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises((EOFError, tarfile.TarError)):
        read_members(tmp_path / carrier.file, lambda path: True)
