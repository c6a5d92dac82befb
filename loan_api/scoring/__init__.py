"""Inference: from applications to approval probabilities.

- `columns` represents many applications as one array per feature, the input of every batch.
- `scorer` declares the protocol `Scorer`. `compiled` implements it with an ONNX graph, `pipeline` with the registered
  scikit-learn pipeline, which is slow and serves as the reference.
- `package` defines the contents of a registered version: facts, golden rows, reference distribution and profiles.
  It declares `ModelVersion`, the identity of a version.
- `loading` selects the scorer of an artifact: compiled if `parity` with the pipeline is proven, otherwise the pipeline.
- `attribution` explains a probability by the contributions of groups, compared with the reference `profiles`; `what_if`
  finds changes that would lead to approval.
- `watched` counts decisions in the bins of the reference distribution, for drift and expected outcomes.
"""

import os

# Disable telemetry, because a lender's models are confidential. onnxruntime reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
