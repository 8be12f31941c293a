"""The command: looks, says what to mend, and ends with 1 where there is something."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from common.catalog import APPS, CRMS, apps_of
from common.clock import SystemClock
from common.config import sent
from common.http import new_client
from delivery.adapters.crm import crm_for
from delivery.adapters.crm.unconfirmed import Fact, facts_of
from delivery.adapters.settings import HttpSettings
from delivery.ports import Gone, ReconnectNeeded, RetryLater

from lull.doctor.configuration import configuration, vendors
from lull.doctor.connections import DoctorConfig, connections
from lull.doctor.findings import Finding, State
from lull.doctor.live import Live, Step


def doctor(
    live: Annotated[
        str | None,
        typer.Option(help="An app, e.g. hubspot: try its connection by writing to the account."),
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help="With --live: the workspace whose connection is tried.")
    ] = None,
) -> None:
    """Check configuration and every connection, and list what is not known for sure.

    With --live, a connected sandbox account is searched, written to and cleaned up, to prove it.
    """
    if live is None:
        findings = asyncio.run(_look())
        _facts()
        raise typer.Exit(code=any(finding.state is State.MEND for finding in findings))
    if live not in APPS or workspace is None:
        raise typer.BadParameter(f"one of {', '.join(APPS)}, with --workspace", param_hint="--live")
    steps = asyncio.run(_try(live, workspace))
    _proved(APPS[live].crm, steps)
    raise typer.Exit(code=not steps or not all(step.went_well for step in steps))


async def _look() -> list[Finding]:
    findings = []
    for title, looked in (("Configuration", configuration()), ("Vendors", vendors())):
        typer.echo(f"\n{title}")
        for finding in looked:
            findings.append(finding)
            typer.echo(finding.line())
    typer.echo("\nConnections")
    config = DoctorConfig.load()
    if config.settings_operator_token is None or config.delivery_settings_token is None:
        mend = "set LULL_SETTINGS_OPERATOR_TOKEN and LULL_DELIVERY_SETTINGS_TOKEN"
        typer.echo(Finding("connections are not looked at", State.UNKNOWN, mend).line())
        return findings
    async with _settings(config) as settings:
        headers = {"Authorization": f"Bearer {sent(config.settings_operator_token)}"}
        async with new_client(config.settings_public_url, headers=headers) as operator:
            async for finding in connections(operator, settings):
                findings.append(finding)
                typer.echo(finding.line())
    return findings


async def _try(app: str, workspace: str) -> list[Step]:
    config, steps = DoctorConfig.load(), []
    async with _settings(config) as settings:
        try:
            access = await settings.crm_access(workspace, app)
        except (Gone, ReconnectNeeded, RetryLater) as error:
            typer.echo(f"{workspace} has no connection of {app} that works: {error}")
            return []
        typer.echo(f"Trying {APPS[app].name}, account {access.account_id}\n")
        crm = crm_for(APPS[app].crm)
        try:
            async for step in Live(crm, access, SystemClock().now).steps():
                steps.append(step)
                typer.echo(f"{'ok' if step.went_well else 'FAILED':<6}  {step.name}: {step.said}")
        finally:
            await crm.aclose()
    return steps


@asynccontextmanager
async def _settings(config: DoctorConfig) -> AsyncIterator[HttpSettings]:
    token = config.delivery_settings_token
    settings = HttpSettings(
        config.delivery_settings_url, token.get_secret_value() if token else "", SystemClock()
    )
    try:
        yield settings
    finally:
        await settings.aclose()


def _facts() -> None:
    typer.echo("\nNot known for sure (docs/verified.md)")
    for crm in CRMS:
        open_facts = [fact for fact in facts_of(crm) if fact.proved is None]
        names = ", ".join(app.name for app in apps_of(crm))
        typer.echo(f"  {names}: {len(open_facts)}")
        for fact in open_facts:
            typer.echo(f"    {fact.what}")
            typer.echo(f"      meanwhile: {fact.meanwhile}{_constant(fact)}")
            typer.echo(f"      source: {fact.source}")


def _constant(fact: Fact) -> str:
    return f" ({fact.crm}.{fact.constant})" if fact.constant else ""


def _proved(crm: str, steps: list[Step]) -> None:
    went = {step.name: step.went_well for step in steps}
    typer.echo("\nWhat this says about the facts")
    for fact in facts_of(crm):
        seen = went.get(fact.step) if fact.step else None
        word = {True: "proved", False: "NOT SO", None: "untold"}[seen]
        typer.echo(f"  {word:<6}  {fact.key}: {fact.what}")
    typer.echo("\nEnter today's date as `proved` in <crm>/facts.toml, and run `make docs`.")
