"""Counts and what follows from them: scores, intervals, tests, bounds, guards. No file is read here.

Modules, in the order in which data flows through them:

- `calibration`: whether a head is as often right as it is sure
- `count_tables`: tables of counts: how many test utterances, instead of which
- `counted_cells`: what scores need of every cell of a table, by numbers
- `label_sets`: which emotions a cell is scored on, and which cells may be averaged, ranked or coloured together
- `metrics`: scores from the table of predictions, or of their counts (`count_tables`), alone
- `confusions`: which emotion is taken for which, from predictions or their counts
- `comparison`: which models differ: paired tests on the same test utterances
- `model_ranks`: mean ranks of models over blocks
- `granularity`: which printed values a score can have: exact arithmetic on counts, folds and decimals
- `f1bounds`: between which bounds macro-F1 is, when accuracy and the sizes of the classes are known
- `guard_parts`: what all guards share: keys of tables, what is needed of them, and the form of a finding
- `hard_guards`: hard guards: what stops a run with `GuardError`
- `guards_of_predictions`: soft guards on tables of predictions: utterances, probabilities, classes, copies
- `guards_of_units`: soft guards that must see every row of predictions, one unit of work after the other
- `guards_of_scores`: soft guards on scores and learning curves
- `guards`: guards: what must not be true of an honest run, looked for in its tables
"""
