"""The data version as a web page and as a picture."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from training.data.profile import DataProfile

_TEMPLATES = Path(__file__).parent / "templates"
_APPROVED_COLOUR, _REJECTED_COLOUR = "#2a7f62", "#d98c3f"
_COLUMNS = 3


def profile_page(profile: DataProfile) -> str:
    """Render a self-contained HTML page."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    return templates.get_template("profile.html").render(profile=profile)


def profile_picture(profile: DataProfile) -> Figure:
    """Draw every feature's histogram, approved and rejected stacked."""
    rows = -(-len(profile.features) // _COLUMNS)
    figure = Figure(figsize=(5 * _COLUMNS, 2.6 * rows), layout="constrained", dpi=110)
    figure.suptitle(
        f"Data version {profile.dataset_digest[:12]}: {profile.rows_kept:,} applications,"
        f" {profile.outcomes['approved'] / profile.rows_kept:.1%} approved"
    )
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, feature in zip(grid, profile.features, strict=False):
        counts = feature.histogram["counts"]
        approved = list(feature.approved.values())
        rejected = [count - part for count, part in zip(counts.values(), approved, strict=True)]
        places = range(len(counts))
        axes.barh(places, approved, color=_APPROVED_COLOUR, label="approved")
        axes.barh(places, rejected, left=approved, color=_REJECTED_COLOUR, label="rejected")
        axes.set_yticks(places, list(counts), fontsize=7)
        axes.invert_yaxis()
        axes.set_title(f"{feature.name} ({feature.unit})" if feature.unit else feature.name, fontsize=10)
        axes.tick_params(axis="x", labelsize=8)
    for axes in grid[len(profile.features) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    grid[-1].legend(handles, labels, loc="center", frameon=False)
    return figure
