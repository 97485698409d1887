"""`gristmill lsh`: the curve of given bands and rows, of a recipe's, drawn and measured."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from flows.cli.app import is_expected
from flows.cli.lsh import lsh
from flows.recipe_file import RecipeError
from storage.statements import Refused


def ask(capsys: pytest.CaptureFixture[str], *args: Any, **options: Any) -> dict[str, Any]:
    lsh(*args, as_json=True, **{"pairs": 100, "seed": 0, **options})
    return json.loads(capsys.readouterr().out)


def test_the_table_has_the_formula(capsys):
    told = ask(capsys, bands=20, rows=5)
    assert [point["similarity"] for point in told["points"]] == [number / 20 for number in range(1, 21)]
    for point in told["points"]:
        assert point["probability"] == pytest.approx(1 - (1 - point["similarity"] ** 5) ** 20, abs=1e-12)
    assert 1 - (1 - told["found_by_half"] ** 5) ** 20 == pytest.approx(0.5)
    lsh(bands=20, rows=5)
    shown = capsys.readouterr().out
    assert "half of the pairs of similarity 0.509 share a bucket" in shown
    assert "0.80       0.9996" in shown


def test_a_recipe_is_asked_for_its_own_bands_and_rows(tmp_path: Path, capsys):
    recipe = tmp_path / "mill.yaml"
    recipe.write_text("name: mill\nsign: {bands: 9, rows: 13}\nsources: nothing that this command reads\n")
    assert [ask(capsys, str(recipe))[key] for key in ("bands", "rows")] == [9, 13]
    assert [ask(capsys, str(recipe), ["sign.rows=4"])[key] for key in ("bands", "rows")] == [9, 4]
    assert [ask(capsys, str(recipe), rows=3)[key] for key in ("bands", "rows")] == [9, 3]
    assert [ask(capsys)[key] for key in ("bands", "rows")] == [14, 8]


def test_what_was_measured_stands_beside_the_curve_and_in_the_picture(tmp_path: Path, capsys):
    picture = tmp_path / "curve.svg"
    told = ask(capsys, bands=20, rows=5, measured=True, pairs=60, picture=picture)
    for point in told["points"]:
        one = point["measured"]
        assert abs(one["found"] - one["expected"]) <= 4 * one["error"] + 1 / 60
    tree = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    lines = [one for one in tree.iter() if one.tag.endswith("polyline")]
    assert [len(one.attrib["points"].split()) for one in lines] == [101, 20]
    lsh(bands=20, rows=5, measured=True, pairs=60, seed=0)
    assert "errors off" in capsys.readouterr().out


def test_mistakes_are_sentences(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"sign\.bands: must be greater than or equal to 1"):
        lsh(bands=0)
    with pytest.raises(RecipeError, match="no recipe called 'sampel'"):
        lsh("sampel")
    with pytest.raises(Refused, match="only dials of sign"):
        lsh(settings=["decide.gopher.min_words=3"])
    with pytest.raises(Refused, match=r"FILE\.svg"):
        lsh(picture=tmp_path / "curve.png")
    with pytest.raises(Refused, match="can't be written") as caught:
        lsh(picture=tmp_path / "missing" / "curve.svg")
    assert is_expected(caught.value)
