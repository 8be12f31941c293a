"""`lull-trial`: the scenario in a deployed product with simulators, on compose or Kubernetes."""

import time
from typing import Annotated

import httpx
import typer
from common.config import KafkaConfig, QuietPeriodConfig, SecretList, ServiceConfig, sent
from pydantic import Field, SecretStr

from demo import show
from demo.install import InstallFailed
from demo.run import Demo
from demo.scenario import load
from demo.system import System

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


class TrialConfig(ServiceConfig, KafkaConfig, QuietPeriodConfig):
    """Where the product is, and two of its secrets."""

    trial_ingest_url: str = Field(..., description="ingest, as we and the simulators reach it.")
    trial_settings_url: str = Field(..., description="settings' public listener.")
    trial_simulators_url: str = Field(..., description="The simulators, as everybody reaches them.")
    settings_public_url: str = Field(..., description="The console, as people reach it.")
    settings_operator_token: SecretStr = Field(..., description="Credential of the operator API.")
    ingest_action_tokens: SecretList = Field(..., min_length=1, description="The first is used.")

    @property
    def system(self) -> System:
        return System(
            ingest=self.trial_ingest_url,
            settings=self.trial_settings_url,
            simulators=self.trial_simulators_url,
            kafka=",".join(self.kafka_bootstrap_servers),
            operator_token=sent(self.settings_operator_token),
            action_token=self.ingest_action_tokens[0].get_secret_value().partition(":")[2],
            quiet_period_s=self.quiet_period_s,
        )


@app.command()
def world() -> None:
    """Fill the simulators and install our apps there, unless that was done before."""
    config = TrialConfig.load()
    system = config.system
    try:
        there = httpx.get(f"{system.simulators}/_control/intercom/workspaces", timeout=20).json()
        if not there["workspaces"]:
            Demo(system, load(), show.console.print).install()
    except (InstallFailed, httpx.HTTPError) as error:
        show.console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    show.quiet_period(system.quiet_period_s)
    show.console.print(f"The console, to sign in and switch sync: {config.settings_public_url}/")
    show.console.print(f"Write as a customer, and see what is in the CRMs: {system.simulators}/")


@app.command()
def play(
    patience: Annotated[
        float, typer.Option(help="Seconds that notes may take after the last message.")
    ] = 180.0,
    interrupted: Annotated[
        bool,
        typer.Option(help="Something is restarted meanwhile: judge by the CRMs' stores alone."),
    ] = False,
) -> None:
    """Play the scenario in workspaces of its own, and judge what became of each conversation."""
    config = TrialConfig.load()
    progress = show.Progress()
    scenario = load().once_more(f"{int(time.time()) % 1_000_000:06}")
    show.quiet_period(config.quiet_period_s)
    try:
        with progress.shown():
            report = Demo(config.system, scenario, progress.say).run(
                by_outcomes=not interrupted, deadline_s=patience
            )
    except (InstallFailed, httpx.HTTPError) as error:
        show.console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    show.report(report)
    raise typer.Exit(0 if report.right else 1)


if __name__ == "__main__":
    app()
