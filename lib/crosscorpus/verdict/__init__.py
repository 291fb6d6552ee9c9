"""What is published against what is found here.

Modules, in the order in which data flows through them:

- `published_tables`: published results, and ours beside them
- `published_ranks`: what Table I says of one model as a whole: its means, and its rank
- `audit_cells`: whether each printed accuracy of a table can come from a test set of a given size
- `audit_readings`: readings of what a printed score may be, beside the mean over folds, and how many values
  each explains
- `audit_spread`: totals, evenness and repeats of the values of a table, beside what chance gives
- `audit_f1`: whether printed macro-F1 can stand beside printed accuracy
- `audit`: arithmetic checks on published tables
- `audit_command`: audit a table of this project's references, or any CSV file
- `derived_values`: recompute what other papers derive from their scores
- `balanced_folds`: what class counts of published test folds say of printed scores
- `constant_answers`: cells of a published matrix in which one class takes all answers
- `interval_coverage`: how often intervals over speakers hold the truth
- `reruns`: train the paper's cells again and again, with other seeds and with other folds
- `reproduction`: what the same procedure prints when it is run again: single folds, and means over folds
- `score_verdicts`: the paper's scores beside ours, cell by cell: which of them our procedure prints
- `first_findings`: what the first page says of the paper's claim: means across corpora, and four findings
- `leakage`: what folds share between training and test, and what it is worth
- `study_files`: committed tables of studies, with what made them
- `open_choices`: what the paper leaves open
- `sensitivity`: measure how far each open choice moves our results
- `choice_effects`: how far each open choice moves our results
- `layer_study`: measure what each layer of a transformer is worth
- `layer_choice`: which layer to take, chosen on other corpora than the tested one
- `protocol_study`: run three protocols on the same utterances
- `protocol_results`: three protocols on the same utterances, and what follows
- `live_protocol`: a protocol that is trained while a page is made
- `every_cell`: every cell of a run in one table, with the published value beside it, and the means of a grid
- `all_scores`: all scores in one tidy table: every published cell, rivals', the study's, and a run's own
- `scaling_effects`: how much of what does not carry over between corpora is a shift of mean and variance
- `text_leak`: what it is worth that test speakers, and test sentences, are heard in training
- `noise_study`: what noise and a telephone's band cost heads that were trained on clean speech
- `data_amounts`: how scores grow with what is trained on, within and across corpora
- `temperatures`: whether sureness carries over: temperatures fitted on validation parts
- `cost_model`: what extraction and training cost, fitted from the records of a run and predicted
- `chance_leads`: by how much the best model of each column of Table I leads, beside what chance would give
- `confounds`: what else sets the paper's models apart, beside their class
- `claim_findings`: what a check of a claim gets and gives
- `claims_on_data`: checks of the paper's claims on corpora and models
- `claims_on_training`: checks of the paper's claims on heads, training and the clusters of embeddings
- `claims_on_scores`: checks of the paper's claims on its table of scores
- `claims`: the ledger of the paper's claims
"""

from typing import Any

from crosscorpus.base import old_names


def __getattr__(name: str) -> Any:  # of the module that had the room's name, for one release
    return old_names.attribute("verdict", name)
