"""Entry point of `python -m loan_api`."""

from loan_api.entrypoints.commands import cli

if __name__ == "__main__":
    cli(prog_name="python -m loan_api")
