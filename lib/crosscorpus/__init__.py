"""Cross-corpus speech emotion recognition with frozen representations of pre-trained models.

Modules, in the order in which data flows through them: `corpora` and `audio` (utterances), `extractors` and
`store` (embeddings), `folds`, `heads` and `train` (classifiers), `evaluate` (predictions), `metrics`,
`reference` and `figures` (results). `chapters` and `provenance` serve the notebooks.
"""

import os

# Keras reads its backend once, when it is first imported; training relies on torch's threads and seeds.
os.environ["KERAS_BACKEND"] = "torch"

__version__ = "0.1.0"
