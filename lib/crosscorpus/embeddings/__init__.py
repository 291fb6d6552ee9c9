"""What models say of utterances: made, stored, checked, looked up.

Modules, in the order in which data flows through them:

- `downloads`: fetch corpora and models by name
- `store_folders`: where tables and embeddings are, and how a file of the pack is known for the right one
- `corpus_scans`: tables of a corpus's utterances: from the pack or from audio, read, written and checked
- `embedding_files`: files of embeddings: written, read, and checked against what was written
- `block_files`: files of blocks: so many rows for each utterance, read by slice from disk and never loaded whole
- `store`: embeddings by model and corpus
- `vector_rows`: rows of a file of embeddings that was made elsewhere, before anything is known of their corpus
- `vector_arrays`: such files that hold arrays
- `vector_tables`: such files that hold a table
- `name_matching`: which utterance a name means that somebody else gave it
- `import_checks`: checks of embeddings that were made elsewhere, before they are stored
- `imports`: add embeddings that were made elsewhere to the store, and take them away again
- `exports`: write stored embeddings to files that others read
- `__main__`: commands: add, remove, export, frames, layers, portion, join, list
- `availability`: which embeddings there are, which there are not, and what those would take
- `sharding`: read, encode and write utterances shard by shard
- `disk_space`: what hidden states take on disk, said before a run that makes them, and whether that is free
- `state_extraction`: hidden states of a corpus from audio into the store: what layers and frames have in common
- `layers`: one vector a layer for every utterance of a corpus: made from audio, stored once, and read by layer
- `frames`: all hidden states of one layer for every utterance of a corpus, read by slice from disk
- `extraction`: embed the utterances of a corpus: from audio files, through an extractor, into the store
- `extraction_jobs`: which jobs make the embeddings of a run: large corpora in portions, and short work together
- `portions`: embed a corpus in portions, as many as jobs share it, and join them by reference
- `loose_embeddings`: embeddings of recordings that belong to no corpus
- `disturbed`: embeddings of utterances in noise or in a telephone's band, stored apart
- `pack`: the pack: the embeddings that the repository carries
- `embedding_checks`: sanity checks of embeddings: whether they hold what they should, and nothing odd
- `projection`: embeddings in the plane, by t-SNE
"""
