"""`python -m loan_api`: the command line of the service. What is heavy is imported by the commands that need it."""

import click

from loan_api.entrypoints.commands.decisions import decisions
from loan_api.entrypoints.commands.keys import keys
from loan_api.entrypoints.commands.openapi import openapi
from loan_api.entrypoints.commands.outcomes import outcomes
from loan_api.entrypoints.commands.passwords import passwords
from loan_api.entrypoints.commands.serve import init, serve
from loan_api.entrypoints.commands.simulate import simulate
from loan_api.entrypoints.commands.web_access import web_access


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Serve loan decisions, say who may ask for what, and answer for what was decided."""


cli.add_command(init)
cli.add_command(serve)
cli.add_command(keys)
cli.add_command(decisions)
cli.add_command(outcomes)
cli.add_command(openapi)
cli.add_command(simulate)
cli.add_command(passwords)
cli.add_command(web_access)
