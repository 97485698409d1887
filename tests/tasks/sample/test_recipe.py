"""The recipe that ships is right for the sample, whatever happens to either."""

from flows.recipe import check_recipe, load_recipe


def test_the_shipped_recipe_fits_the_sample(sample, monkeypatch):
    monkeypatch.setenv("GRISTMILL_SAMPLE", str(sample))
    recipe = check_recipe(load_recipe("sample"))
    assert {source.holds for source in recipe.sources} == {"documents", "conversations", "questions"}
    assert recipe.evaluation.tasks
