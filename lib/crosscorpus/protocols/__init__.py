"""The question that is asked: settings, labels, and who is tested on what.

Modules, in the order in which data flows through them:

- `protocol_settings`: the protocol: settings with values, origins and reasons, from `data/protocol.yaml`
- `official_splits`: the split of a corpus that was published, as it is
- `dealing`: how utterances are dealt into folds
- `folds`: folds of a corpus for cross-validation, in three regimes
- `text_disjoint`: training without the speakers and without the texts of what is tested
- `cells`: which cells of a grid can be run, and why others cannot
"""
