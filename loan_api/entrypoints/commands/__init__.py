"""`python -m loan_api`, the command line of the service. Commands import heavy modules only when they run."""

import click

from loan_api.entrypoints.commands.decisions import decisions
from loan_api.entrypoints.commands.keys import keys
from loan_api.entrypoints.commands.openapi import openapi
from loan_api.entrypoints.commands.outcomes import outcomes
from loan_api.entrypoints.commands.passwords import passwords
from loan_api.entrypoints.commands.policy import policy
from loan_api.entrypoints.commands.serve import init, serve
from loan_api.entrypoints.commands.simulate import simulate
from loan_api.entrypoints.commands.web_access import web_access


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Serve loan decisions, manage API keys, and audit recorded decisions."""


for command in (init, serve, keys, decisions, outcomes, openapi, simulate, policy, passwords, web_access):
    cli.add_command(command)
