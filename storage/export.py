"""Artifacts out of the lake."""

import shutil
from pathlib import Path

from storage.artifact import Artifact


def copy_artifact(artifact: Artifact, folder: Path) -> list[Path]:
    """Copy the parts of an artifact that are no tables into a folder, whole or not at all; returns the paths written.

    The folder must not exist, or be empty.
    """
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{target.name}")
    if temporary.exists():
        shutil.rmtree(temporary)
    names = [part.name for part in artifact.manifest.parts if part.table is None]
    for name in names:
        (temporary / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.folder / name, temporary / name)
    if target.exists():
        target.rmdir()
    temporary.rename(target)
    return [target / name for name in names]
