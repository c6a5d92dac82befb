"""Valid bodies in the formats that a JSON schema cannot describe; Schemathesis loads this module by its name."""

from typing import Any

import schemathesis
from hypothesis import strategies as st

from loan_api.formats.codecs import JSON, MEDIA_TYPES
from tests.support.batch_bodies import WRITERS
from tests.support.valid_applications import valid_applications

_BATCHES = st.lists(valid_applications(), min_size=1, max_size=3)
_FORMATS = [media_type for media_type in MEDIA_TYPES if media_type != JSON]

for media_type in _FORMATS:
    schemathesis.openapi.media_type(media_type, _BATCHES.map(WRITERS[media_type]))


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, document: dict[str, Any]) -> None:
    """Remove the document's examples in these formats, as Schemathesis would send them instead of our bodies."""
    content = document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]
    for media_type in _FORMATS:
        content[media_type]["schema"].pop("example", None)
