"""The deployments: which flows a person can start from Prefect's UI, and which of them have a schedule.

`python -m deployments.deploy` registers them with the server that the environment names (`PREFECT_API_URL`);
`gristmill up` does so at every start.
"""

import argparse
import inspect
import os
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from flows.change import EVENT, RESOURCE


@dataclass(frozen=True)
class Deployment:
    """A flow by its entry point (`module.function`), the name it gets in the UI, and its schedule if it has one.

    A schedule is registered switched off: a person switches it on in the UI, once the recipe's sources are theirs.
    `at_once`: how many of its runs go on at the same time; others wait their turn.
    """

    entry_point: str
    name: str
    tags: tuple[str, ...] = ()
    cron: str | None = None
    at_once: int | None = None


DEPLOYMENTS = (
    Deployment("flows.data_to_model.data_to_model", "data-to-model", ("everything",)),
    Deployment("flows.crawl.crawl", "crawl", ("data",), cron="0 1 * * *"),
    Deployment("flows.learn.learn", "learn", ("data",)),
    Deployment("flows.refresh.refresh", "refresh", ("data",), cron="0 3 * * *", at_once=1),
    Deployment("flows.redecide.redecide", "redecide", ("data",)),
    Deployment("flows.pretrain.pretrain", "pretrain", ("model",)),
    Deployment("flows.finetune.finetune", "finetune", ("model",)),
    Deployment("flows.evaluate.evaluate", "evaluate", ("model",)),
)


TRAIN_ON_CHANGE = "train when a corpus has changed"
"""Name of the automation."""


def register(deployments: Sequence[Deployment], pool: str) -> list[str]:
    """Register deployments with the server; returns their full names (`flow/deployment`).

    What a person changed in the UI stays: the schedules, whether they are on, and the default parameters.
    Raises ImportError or prefect.exceptions.MissingFlowError for an entry point that is no flow.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.exceptions import ObjectNotFound

    names = []
    with get_client(sync_client=True) as client:
        for declared in deployments:
            wanted = build(declared)
            try:
                existing = client.read_deployment_by_name(wanted.full_name)
            except ObjectNotFound:
                wanted.apply(work_pool_name=pool)
            else:
                client.update_deployment(
                    existing.id,
                    DeploymentUpdate(
                        description=wanted.description,
                        tags=wanted.tags,
                        entrypoint=wanted.entrypoint,
                        parameter_openapi_schema=wanted._parameter_openapi_schema.model_dump(exclude_unset=True),
                        work_pool_name=pool,
                        concurrency_limit=wanted.concurrency_limit,
                        concurrency_options=wanted.concurrency_options,
                    ),
                )
            names.append(wanted.full_name)
    return names


def register_training() -> str:
    """Register the automation that starts pretraining when a corpus has changed (`flows.change`); returns its name.

    It is switched off, as schedules are. One that is there already stays as a person left it in the UI.
    """
    from prefect.automations import EventTrigger, Posture
    from prefect.client.orchestration import get_client
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore

    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(TRAIN_ON_CHANGE):
            return TRAIN_ON_CHANGE
        given = {name: _of_event(name) for name in ("recipe", "settings", "corpus", "lake")}
        training = client.read_deployment_by_name("pretrain/pretrain")
        client.create_automation(
            AutomationCore(
                name=TRAIN_ON_CHANGE,
                description="Pretrain on a corpus that a refresh has changed by more than refresh.train_share of its "
                "recipe since training was last asked for.",
                enabled=False,
                trigger=EventTrigger(
                    expect={EVENT},
                    match={"prefect.resource.id": f"{RESOURCE}.*"},  # type: ignore[arg-type]
                    posture=Posture.Reactive,
                    threshold=1,
                ),
                actions=[
                    RunDeployment(source="selected", deployment_id=training.id, parameters=given, job_variables=None)
                ],
            )
        )
    return TRAIN_ON_CHANGE


def _of_event(name: str) -> dict[str, Any]:
    """A value of the event's payload as a parameter of the run, of the type that it has there."""
    template = f"{{{{ event.payload.{name} | tojson }}}}"
    return {"__prefect_kind": "json", "value": {"__prefect_kind": "jinja", "template": template}}


def build(declared: Deployment) -> Any:
    """Prefect's own object for a deployment (`prefect.deployments.runner.RunnerDeployment`), nothing registered yet."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.deployments.runner import RunnerDeployment
    from prefect.flows import load_flow_from_entrypoint

    flow = load_flow_from_entrypoint(declared.entry_point, use_placeholder_flow=False)
    wait = ConcurrencyLimitConfig(limit=declared.at_once) if declared.at_once else None  # the others are enqueued
    made = RunnerDeployment.from_flow(flow, name=declared.name, tags=list(declared.tags), concurrency_limit=wait)
    describe(made._parameter_openapi_schema.properties, flow.fn)
    # By module: a file's path would be right on one machine alone, and load the file a second time.
    made.entrypoint, made._path = declared.entry_point, None
    if declared.cron:
        cron = CronSchedule(cron=declared.cron, timezone=local_timezone())
        made.schedules = [DeploymentScheduleCreate(schedule=cron, active=False, slug="nightly")]
    return made


def describe(properties: dict[str, dict[str, Any]], function: Callable[..., Any]) -> None:
    """Add to a form's fields the titles and descriptions of a function's parameters: `Annotated[…, Field(…)]`.

    Prefect reads the limits there (`ge=1`), but puts the parameter's name and its line in the docstring over the rest.
    """
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        for note in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(note, FieldInfo):
                told = {"title": note.title, "description": note.description}
                properties[name] |= {key: value for key, value in told.items() if value}


def local_timezone() -> str:
    """This machine's time zone by its IANA name, for schedules; "UTC" where it has none."""
    place = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath("/etc/localtime")
    name = place.split("zoneinfo/")[-1]
    try:
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):  # no such zone; a path
        return "UTC"


def main() -> None:
    """Register all deployments with the pool of `--pool`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", default="gristmill", help="the work pool whose workers run them")
    for name in register(DEPLOYMENTS, parser.parse_args().pool):
        print(f"registered {name}")
    print(f"registered the automation {register_training()}, switched off until a person switches it on")


if __name__ == "__main__":
    main()
