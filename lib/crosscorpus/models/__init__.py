"""Extractors: which pre-trained models there are, and how each makes one vector of an utterance.

Modules, in the order in which data flows through them:

- `own_models`: entries of the registry for embeddings that were made elsewhere, and added
- `model_registry`: which models there are: the facts of `data/models.yaml` and of `data/models_of_benchmarks.yaml`
- `weights`: a model's files
- `extractor_types`: what an extractor is: from a batch of waveforms to one embedding per utterance
- `loaders`: one loader for each family of models
- `loading`: load the extractor of a model by the loader that the registry names for it
- `hidden_states`: layers of a model: what they are called, how many there are, and one vector of each
- `model_sizes`: what a model takes in memory, said before it is loaded
- `extractor_checks`: sanity checks of extractors: padding, and the network that is run
"""
