"""Heads: built, trained, tested; the grid of predictions.

Modules, in the order in which data flows through them:

- `profiles`: profiles: files of settings for a whole run, checked before anything starts
- `run_parameters`: parameters of chapters and keys of profiles that name something
- `input_guards`: the hard guards that come before training, on the folds that it would use
- `beforehand`: what can stop a run, looked for before anything long
- `heads`: the paper's two heads (its Figure 1), as Keras models; how they are trained is another module's
  matter
- `baselines`: classical classifiers beside the paper's heads: cheap, and telling where they do better
- `own_scaling`: scaling by a corpus's, or a speaker's, own mean and variance
- `training_tasks`: what one training takes, and which part of it is held out for early stopping
- `train`: train one head on one training set the plain way: a Keras model in a loop over batches
- `reused_memory`: matrices that are written again for each batch
- `fast_layers`: the layers of the paper's heads on a CPU: what comes out, and gradients
- `networks`: a Keras head as a function of its weights
- `engine`: train many heads fast, with the results of the plain way
- `adam`: Adam and AdamW in place, by torch's own fused function
- `frame_inputs`: what heads on frames read: frames of many utterances, by slice and never whole
- `frame_heads`: heads on frames: what is trained, their first weights, and what comes of it
- `frame_loop`: train a head on frames the plain way: torch modules, padded batches
- `frame_stacks`: heads on frames that go through the same batches: first layers as one product
- `frame_engine`: train heads on frames fast, with the results of the plain way
- `unit_of_work`: one unit of work: a head trained on every fold of one corpus, and tested on all corpora
- `early_stopping`: where early stopping chose an epoch by few utterances, and where none were held out at all
- `prediction_files`: what a file of predictions is named by: a hash of all that made it
- `count_files`: what scores and guards need of stored predictions, kept by unit of work
- `grid_results`: what a grid gave: counts, learning curves and findings; rows where they are asked for
- `run_records`: what is recorded of a run beside its predictions
- `evaluate`: from embeddings to the table of predictions: the grid of heads, corpora, regimes and seeds
- `protocol_grid`: run a protocol, whichever it is: models and corpora in, a table of predictions out
- `stored_units`: what a stored file of predictions was made of, put together again
- `bundles`: what one person extracted or trained, as one archive for others
- `training_sets`: utterances of several corpora together, to train one head on
- `kept_heads`: heads that are kept, named by all that made them
- `unheard`: how good a head is on a corpus that it never heard: each in turn is left out of training
- `unlikeness`: whether a recording is unlike all speech that a head was trained or tested on
- `predicting`: predict the emotion of recordings, and say what the prediction is worth
- `verification`: train a sample of stored cells again, and say how far predictions agree
"""
