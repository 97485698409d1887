"""Tiny packages of our own for the tests of the sample: wheels, sdists, and an index in a folder that has them."""

import dataclasses
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tasks.sample.carriers import Carrier, Holds, Kind


def make_carrier(
    folder: Path, name: str, kind: Kind, members: Mapping[str, str | bytes], holds: tuple[Holds, ...] = ("pages",)
) -> Carrier:
    """A package with these members, written into the folder, and the carrier that pins it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = f"{name}-1.0-py3-none-any.whl" if kind == "wheel" else f"{name}-1.0.tar.gz"
    path = folder / file
    data = {member: text.encode() if isinstance(text, str) else text for member, text in members.items()}
    (write_wheel if kind == "wheel" else write_sdist)(path, name, data)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Carrier(name, "1.0", kind, file, sha256, path.stat().st_size, "2020-02-02", "CC0-1.0", holds)


def write_wheel(path: Path, name: str, members: Mapping[str, bytes]) -> None:
    """A wheel: a zip with metadata that pip accepts."""
    about = {
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as package:
        for member, data in {**members, **about}.items():
            package.writestr(zipfile.ZipInfo(member), data)


def write_sdist(path: Path, name: str, members: Mapping[str, bytes]) -> None:
    """An sdist: everything below one folder, with a build script that must never run."""
    with tarfile.open(path, "w:gz") as package:
        for member, data in {**members, "setup.py": b"open('built', 'w').write('built')\n"}.items():
            info = tarfile.TarInfo(f"{name}-1.0/{member}")
            info.size = len(data)
            package.addfile(info, io.BytesIO(data))


def write_index(folder: Path, *carriers: Carrier, files: Path) -> str:
    """A package index in a folder, as a file address: one page a package, the packages beside it."""
    for carrier in carriers:
        page = folder / "simple" / carrier.name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        data = (files / carrier.file).read_bytes()
        (page.parent / carrier.file).write_bytes(data)
        page.write_text(f'<!DOCTYPE html><html><body><a href="{carrier.file}">{carrier.file}</a></body></html>')
    return (folder / "simple").as_uri() + "/"


def with_hash(carrier: Carrier, sha256: str) -> Carrier:
    """The same carrier, pinned to another hash."""
    return dataclasses.replace(carrier, sha256=sha256)
