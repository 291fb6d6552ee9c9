"""The question that is asked: settings, labels, and who is tested on what.

Modules, in the order in which data flows through them:

- `protocol_settings`: settings of a protocol with values, origins and reasons: the paper's, or another's file
- `official_splits`: the split of a corpus that was published, as it is
- `dealing`: how utterances are dealt into folds
- `text_disjoint`: folds without the speakers and without the texts of what is tested, and their control
- `remembered_folds`: folds that were asked for before
- `folds`: folds of a corpus for cross-validation, in five regimes
- `fold_overviews`: what the folds of corpora are, as a table
- `protocol_parts`: the parts that every protocol has, and what each of them is
- `balanced_tests`: EmoBox's four balanced test sets
- `known`: protocols, one module each: the paper's, EmoBox's, SER Evals'
- `known_protocols`: which protocols there are, with their settings
- `cells`: which cells of a grid can be run, and why others cannot
"""
