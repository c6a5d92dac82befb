"""Entry point of `python -m training`."""

from loan_api.quick_imports import quick_imports

with quick_imports():
    from training.cli import cli

if __name__ == "__main__":
    cli(prog_name="python -m training")
