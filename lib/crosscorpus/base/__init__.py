"""What all rooms share: names, places, versions, files and the web; no corpus, model or protocol is known here.

Modules, in the order in which data flows through them:

- `paths`: where things are: the repository's data, what is generated, and the user's local copies
- `known_names`: names that a person types: corpora, models, heads, regimes, settings
- `shown_names`: names of heads and scores as readers know them
- `sound`: a recording as samples: the form that every extractor expects, mono, 16 kHz, float32
- `other_sounds`: sounds that are no speech, made anew from a seed
- `disturbances`: what speech goes through outside a studio: steady noise and the band of a telephone, from a seed
- `devices`: on which device, and in which numbers, a model runs
- `versions`: what made a result: the version of our own code, of the libraries, and the commit
- `stamp`: what all that a checkout makes is stamped with, so that nothing made up is ever taken for a result
- `whole_files`: write files so that what stands under a final name is whole
- `remote_store`: a store elsewhere, as in a bucket: what is made is sent there, what is not here is fetched
- `added_files`: files of embeddings that were made elsewhere: where they are, and what their headers say
- `safe_yaml`: long files of YAML, read quickly and without what could execute
- `table_files`: tables on disk
- `text_columns`: columns of texts asked for many names at once, which pandas does one name at a time
- `web`: fetch a file from the web: checked, and gone on with where it was cut short; or ask an API
- `archives`: unpack archives from the web that are not to be trusted
- `listed_files`: files that a home gives one by one: its list of them, and all that are on a list
- `ranges`: what settings and parameters may be
- `progress`: say how far something long has come, in whole lines
- `processes`: worker processes of one thread each, side by side, that end with the process that started them
- `old_names`: modules of the version before are found under their old names for one release
"""
