"""An image's bill of materials matches its lock, with licences, in a standard format."""

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.supply.bill import IMAGES, bill_of
from tools.supply.locks import FOLDER, requirements


@pytest.mark.parametrize("image", IMAGES)
def test_a_bill_has_every_package_with_version_hashes_and_licence(image: str) -> None:
    lock = FOLDER / f"{image}.txt"
    bill = bill_of(lock)
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    assert listed == {(requirement.name, str(requirement.specifier)[2:]) for requirement in requirements(lock)}
    for component in bill["components"]:
        assert component["externalReferences"][0]["hashes"]
        assert component["licenses"][0]["expression"]


def test_a_bill_is_what_cyclonedx_says_it_should_be() -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(bill_of(FOLDER / "serve.txt"))) is None
