"""Cross-corpus speech emotion recognition with frozen representations of pre-trained models.

Nine rooms, in the order in which data flows through them; a room imports only from rooms before it:
`base` (what all share), `corpora` (utterances), `models` (extractors), `embeddings` (what models say of
utterances), `protocols` (the question that is asked), `scores` (counts and what follows), `training` (heads),
`verdict` (published against ours), `book` (what readers see). Each says in its own docstring which modules it has.
"""

import os

from crosscorpus.base import old_names

# Keras reads its backend once, when it is first imported; training relies on torch's threads and seeds.
os.environ["KERAS_BACKEND"] = "torch"

old_names.install()

__version__ = "0.1.0"
