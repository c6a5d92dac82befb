"""The domain of credit decisions.

- `form` is the application form and `features` its parts; `toml_tables` reads form and policy with every error by key.
- `derivation` computes the derived features, and `frame` represents applications as a table.
- `expressions` is the language of formulas and conditions.
- `decision` turns a probability into a prediction; `policy` decides on applications, given their probabilities.
  `conditions` finds rules that can never apply.
- `reasons` selects the principal reasons against an application.
- `bins`, `reference` and `drift` describe distributions: bins, the training data's histograms, and their distance.

This package ships inside every registered model and is hashed into the model's identity. It imports nothing else of
the project, and any change to it makes the next training register a new version.
"""
