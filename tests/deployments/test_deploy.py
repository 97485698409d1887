"""What the deployments promise a person at the form: a line on every parameter, a schedule that is switched off."""

import pytest

from deployments.deploy import DEPLOYMENTS, Deployment, build, local_timezone


@pytest.mark.parametrize("declared", DEPLOYMENTS, ids=lambda declared: declared.name)
def test_every_parameter_of_a_deployment_has_a_title_a_description_and_a_default(declared: Deployment):
    made = build(declared)
    fields = made._parameter_openapi_schema.properties
    assert "recipe" in fields
    for name, one in fields.items():
        assert one["title"] != name, f"{name} shows its bare name"
        assert one["description"].endswith("."), name
    assert made._parameter_openapi_schema.required == []
    assert made.description
    assert made.entrypoint == declared.entry_point


def test_every_flow_is_deployed_and_crawl_and_refresh_have_schedules_that_are_off():
    made = {declared.name: build(declared) for declared in DEPLOYMENTS}
    assert set(made) == {"data-to-model", "crawl", "learn", "refresh", "redecide", "pretrain", "finetune", "evaluate"}
    assert [name for name, one in made.items() if one.schedules] == ["crawl", "refresh"]
    (schedule,) = made["refresh"].schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone, schedule.active) == (
        "0 3 * * *",
        local_timezone(),
        False,
    )


@pytest.mark.parametrize(
    ("named", "is_called"), [("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo"), ("No/Where", "UTC")]
)
def test_schedules_are_in_the_time_zone_of_the_machine(named: str, is_called: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", named)
    assert local_timezone() == is_called
