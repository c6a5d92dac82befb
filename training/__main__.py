"""Entry point of `python -m training`."""

from training.commands import cli

if __name__ == "__main__":
    cli(prog_name="python -m training")
