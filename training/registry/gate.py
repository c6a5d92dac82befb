"""The promotion gate: the requirements that a challenger must meet before it may decide applications."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import repeat
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame
from loan_api.credit.reference import edges_of, feature_histograms
from loan_api.scoring.columns import Columns, row_count, rows_of
from loan_api.scoring.compiled import CompiledScorer, read_why_not
from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, TAG_THRESHOLD, ReferencePackage, artifact_digest
from loan_api.scoring.parity import disagreement, proven_scorer
from loan_api.scoring.pipeline import PipelineScorer, frame_columns
from loan_api.scoring.scorer import Scorer
from training.data.split import Split
from training.registry import clean_process
from training.selection.metrics import Outcomes, Probabilities, paired_difference
from training.selection.monotonicity import violations

# Tolerated deficits, so that chance does not decide a tie.
MARGINS = {"f1": 0.01, "brier": 0.005}
LATENCY_BUDGET_SECONDS = {"seconds_1_row": 0.05, "seconds_1000_rows": 0.25}
GOLDEN_TOLERANCE = 1e-6
_DEADLINE_SECONDS = 600
_SEED = 0


@dataclass(frozen=True)
class Check:
    """One requirement, the result, and its numbers in a sentence."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Verdict:
    """All checks and the figures behind them. The verdict is positive if every check passes."""

    checks: tuple[Check, ...]
    figures: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Return whether the challenger may go to Production."""
        return all(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        """Return the failed checks, or all if none failed, in one line."""
        refusing = [check for check in self.checks if not check.passed]
        shown = refusing or self.checks
        return "; ".join(f"{check.name}: {check.says}" for check in shown)

    def to_tags(self) -> dict[str, str]:
        """Return the version's tags: the verdict as one word, its checks, and its figures."""
        return {
            "gate": "passed" if self.passed else "refused",
            "gate_checks": self.summary,
            "gate_figures": json.dumps({name: float(f"{value:.6g}") for name, value in self.figures.items()}),
        }


_LOADS = Check("loads in a clean process", passed=True, says="yes")


class LoadError(Exception):
    """The artifact cannot be loaded and run in a clean process. The text names the kind of error."""


@dataclass(frozen=True)
class Contestant:
    """A model's artifact on disk, its threshold, and any problem known before it runs."""

    artifact: Path
    threshold: float
    problem: str | None = None


@dataclass(frozen=True)
class _Performance:
    """The results of a contestant in a clean process."""

    golden_deviation: float
    holdout: Probabilities
    labels: Outcomes
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class _CompiledForm:
    """The check of the challenger's compiled form, the scorer that would serve, and its times if it is compiled."""

    check: Check
    scorer: Scorer
    seconds: Mapping[str, float] | None = None


def fetch_artifact(uri: str, folder: Path) -> Path:
    """Download the artifact at `uri` into a new `folder` and return its path."""
    folder.mkdir(parents=True)
    return Path(download_artifacts(uri, dst_path=str(folder)))


def fetch_contestant(version: ModelVersion, folder: Path) -> Contestant:
    """Download a registered version for judgement. Damaged or missing files become its `problem`."""
    threshold = float(version.tags[TAG_THRESHOLD])
    try:
        artifact = fetch_artifact(f"models:/{version.name}/{version.version}", folder)
    except Exception as error:  # noqa: BLE001  # every artifact store has its own errors
        return Contestant(folder, threshold, f"its files cannot be fetched ({type(error).__name__})")
    if artifact_digest(artifact) != version.tags[TAG_ARTIFACT_DIGEST]:
        return Contestant(artifact, threshold, "its files have changed since registration")
    return Contestant(artifact, threshold)


def judge(
    challenger: Contestant, champion: Contestant | None, split: Split, *, despite_broken_champion: bool = False
) -> Verdict:
    """Run challenger and champion, if there is one, in clean processes on the same holdout.

    The challenger passes if it loads, reproduces its golden rows, decides at its threshold, has a compiled form equal
    to its pipeline or says why not, follows the effects of the form, meets the latency budget, and is not worse than
    the champion: the 95% paired bootstrap interval of the difference must stay within the margin. If the champion
    fails, no challenger passes, except with `despite_broken_champion`.
    """
    try:
        performance = _perform(split.form, challenger, split.holdout_applications)
    except LoadError as error:
        return _unloadable(error)
    compiled = _compiled(challenger, performance, split)
    seconds = compiled.seconds or performance.seconds
    checks = [_LOADS, *_check_alone(performance, challenger), compiled.check, *_check_effects(compiled.scorer, split)]
    checks += _check_latency(seconds)
    figures = {"golden_deviation": performance.golden_deviation, **seconds}
    if champion is None:
        checks.append(Check("not worse than the champion", passed=True, says="there is no champion"))
        return Verdict(tuple(checks), figures)
    try:
        rival = _perform(split.form, champion, split.holdout_applications)
    except LoadError as error:
        says = f"the champion fails, so there is no comparison: {error}"
        check = Check("not worse than the champion", passed=despite_broken_champion, says=says)
        return Verdict((*checks, check), figures)
    outcomes = split.holdout_outcomes.to_numpy()
    for check, compared in _compare(
        outcomes, (performance.holdout, challenger.threshold), (rival.holdout, champion.threshold)
    ):
        checks.append(check)
        figures |= compared
    return Verdict(tuple(checks), figures)


def inspect(form: Form, contestant: Contestant) -> Verdict:
    """Check that a version still loads and decides as it did at registration: the quick test for a rollback."""
    try:
        performance = _perform(form, contestant, None)
    except LoadError as error:
        return _unloadable(error)
    return Verdict((_LOADS, *_check_alone(performance, contestant)), {"golden_deviation": performance.golden_deviation})


def _unloadable(error: LoadError) -> Verdict:
    return Verdict((Check(_LOADS.name, passed=False, says=str(error)),), {})


def _check_alone(performance: _Performance, contestant: Contestant) -> Iterator[Check]:
    deviation = performance.golden_deviation
    yield Check("golden rows", deviation <= GOLDEN_TOLERANCE, f"off by {deviation:.2g}, tolerance {GOLDEN_TOLERANCE:g}")
    decided = (performance.holdout >= contestant.threshold).astype("int64")
    differing = int((decided != performance.labels).sum())
    yield Check("decides at its threshold", differing == 0, f"{differing} of {len(decided)} labels differ")


def _compiled(challenger: Contestant, performance: _Performance, split: Split) -> _CompiledForm:
    """Check the compiled form on its proof and on the holdout, against the pipeline in the clean process."""
    name = "compiled form"
    package = ReferencePackage.read(challenger.artifact)
    form = package.model_form(split.form)
    holdout = split.holdout_applications
    scorer = proven_scorer(form, challenger.artifact, package.golden_rows, challenger.threshold)
    if isinstance(scorer, str):
        is_missing = read_why_not(challenger.artifact) is not None
        check = Check(name, passed=is_missing, says=f"{scorer}; the pipeline would serve")
        return _CompiledForm(check, PipelineScorer(form, mlflow.sklearn.load_model(str(challenger.artifact))))
    columns = frame_columns(form, holdout)
    found = disagreement(performance.holdout, scorer.probabilities(columns), challenger.threshold)
    says = found or f"equal to the pipeline on its proof and on {len(holdout)} rows"
    seconds = _seconds_of(scorer, columns)
    return _CompiledForm(Check(name, passed=found is None, says=says), scorer, seconds)


def _check_effects(scorer: Scorer, split: Split) -> Iterator[Check]:
    """Check that the probability follows the declared effects, on applications of the holdout."""
    form = split.form
    effects = [number.name for number in form.numbers if number.effect is not None]
    if not effects:
        return
    edges = edges_of(feature_histograms(form, split.train_applications))
    found = violations(form, scorer.probabilities, frame_columns(form, split.holdout_applications), edges)
    worst = ", ".join(f"{name} by up to {violation:.2g}" for name, violation in found.items())
    says = f"violated by {worst}" if found else f"as declared for {', '.join(effects)}"
    yield Check("effects", passed=not found, says=says)


def _seconds_of(scorer: CompiledScorer, applications: Columns) -> dict[str, float]:
    """Return the seconds for one application and for a thousand, repeated from the n given."""
    places = np.resize(np.arange(row_count(applications)), clean_process.TIMED_BATCH)
    batch = {name: values[places] for name, values in applications.items()}
    one = rows_of(batch, 0, 1)
    return {
        "seconds_1_row": min(repeat(lambda: scorer.probabilities(one), number=1, repeat=clean_process.REPEATS_SINGLE)),
        "seconds_1000_rows": min(
            repeat(lambda: scorer.probabilities(batch), number=1, repeat=clean_process.REPEATS_BATCH)
        ),
    }


def _check_latency(seconds: Mapping[str, float]) -> Iterator[Check]:
    """Check the scorer that would serve: the compiled form if it exists, otherwise the pipeline."""
    for name, budget in LATENCY_BUDGET_SECONDS.items():
        yield Check(
            f"latency, {name.removeprefix('seconds_').replace('_', ' ')}",
            seconds[name] <= budget,
            f"{1000 * seconds[name]:.3g} ms of {1000 * budget:.0f} ms",
        )


def _compare(
    outcomes: Outcomes, challenger: tuple[Probabilities, float], champion: tuple[Probabilities, float]
) -> Iterator[tuple[Check, dict[str, float]]]:
    for metric, margin in MARGINS.items():
        difference, low, high = paired_difference(metric, outcomes, challenger, champion, _SEED)
        # The Brier score is an error: larger is worse.
        passed = high <= margin if metric == "brier" else low >= -margin
        says = f"{difference:+.4f} ({low:+.4f} to {high:+.4f}) on {len(outcomes)} rows, margin {margin:g}"
        figures = {
            f"{metric}_difference": difference,
            f"{metric}_difference_low": low,
            f"{metric}_difference_high": high,
        }
        yield Check(f"{metric} against the champion", passed, says), figures


def _perform(form: Form, contestant: Contestant, holdout: pd.DataFrame | None) -> _Performance:
    """Run a contestant in a clean process. Without a holdout, its golden rows are used instead."""
    if contestant.problem is not None:
        raise LoadError(contestant.problem)
    try:
        package = ReferencePackage.read(contestant.artifact)
        model_form = package.model_form(form)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(f"its reference package cannot be read ({type(error).__name__})") from error
    if model_form.digest != form.digest:
        raise LoadError(f"it was trained on another application form, {model_form.name}")
    golden = package.golden_rows
    golden_frame = applications_frame(form, golden.applications)
    found = _run_clean(contestant.artifact, golden_frame, golden_frame if holdout is None else holdout)
    return _Performance(
        golden_deviation=golden.largest_deviation(found["golden"]),
        holdout=np.array(found["holdout"]),
        labels=np.array(found["labels"]),
        seconds={name: found[name] for name in LATENCY_BUDGET_SECONDS},
    )


def _run_clean(artifact: Path, golden: pd.DataFrame, holdout: pd.DataFrame) -> dict[str, Any]:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        golden.to_pickle(folder / "golden")
        holdout.to_pickle(folder / "holdout")
        answers = folder / "answers.json"
        script = Path(clean_process.__file__)
        files = [str(path) for path in (artifact, folder / "golden", folder / "holdout", answers)]
        try:
            finished = subprocess.run(
                [sys.executable, "-I", "-B", str(script), *files],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": temporary, "MLFLOW_DISABLE_TELEMETRY": "true"},
                capture_output=True,
                text=True,
                check=False,
                timeout=_DEADLINE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise LoadError(f"it took more than {_DEADLINE_SECONDS} s") from None
        if finished.returncode != 0 or not answers.exists():
            # The last line of a traceback names the error's type; its message may quote anything.
            last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise LoadError(f"exit code {finished.returncode}, {last.partition(':')[0]}")
        found: dict[str, Any] = json.loads(answers.read_text(encoding="utf-8"))
        return found
