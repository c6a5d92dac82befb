"""The domain of credit decisions.

- `features` declares the application form; `derivation` computes further features from it, `frame` its table form.
- `expressions` is the language of formulas and conditions.
- `policy` decides about applications and their probabilities; `conditions` finds rules that can never apply.
- `decision` turns a probability into a decision.
- `bins`, `reference` and `drift` describe distributions: bins, the training data's histograms, and their distance.

This package ships inside every registered model and is hashed into the model's identity. It imports nothing else of
the project, and any change to it makes the next training register a new version.
"""
