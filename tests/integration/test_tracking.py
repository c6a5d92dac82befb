"""The end of runs in MLflow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from tests.support.homes import TrainedHome, copy_of
from training.tracking import store


@contextmanager
def interrupted_after_the_next_query() -> Iterator[None]:
    """Interrupt MLflow while it still has rows to read."""

    def interrupt(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            raise KeyboardInterrupt

    event.listen(Engine, "after_cursor_execute", interrupt)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", interrupt)


def test_a_run_that_is_interrupted_in_a_query_ends_as_killed(trained_home: TrainedHome, tmp_path: Path) -> None:
    settings = copy_of(trained_home, tmp_path / "home").settings
    client = store.connect(settings)
    store.open_experiment(client, settings)
    with (
        pytest.raises(KeyboardInterrupt),
        store.tracked_run(run_name="interrupted") as run,
        interrupted_after_the_next_query(),
    ):
        mlflow.set_tags({"of": "no importance"})
    assert MlflowClient().get_run(run.info.run_id).info.status == "KILLED"
