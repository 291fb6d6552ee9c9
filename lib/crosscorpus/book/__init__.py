"""What readers see: chapters, figures, tables, views, provenance, the PDF.

Modules, in the order in which data flows through them:

- `dependencies`: which library modules a chapter depends on, so that the workflow runs again what a change
  touches
- `chapters`: what every chapter's notebook does first
- `figure_colours`: colours, markers and the look of every figure
- `marks`: what the marks of a figure say: values on hover, focus and tap, and as a table
- `figures`: figures of corpora, embeddings and learning curves
- `score_figures`: figures of scores: by pair, by model, by emotion, and ranks
- `verdict_figures`: figures of the verdict: what fits the paper's table, and what open choices move
- `claim_figure`: the first page's figure: the paper's claim, and what was found here
- `layer_figures`: figures of layers: scores by layer, beside the untrained twin's
- `amount_figures`: figures of scores by how much was trained on
- `noise_figures`: figures of what noise and a telephone's band cost
- `reliability_figures`: figures of how often heads are right, by how sure they are
- `protocol_figures`: figures of protocols: how models rank under each, and what one changed part moves
- `prediction_figures`: the picture of what a head says of recordings
- `synthetic_vowels`: synthetic vowels that differ in what listeners hear emotion by, for the page that explains
  cues
- `tables`: every table of the book, in one style
- `score_tables`: tables of scores, ours and the paper's
- `interactive`: views that a reader can turn
- `explorer`: all scores as one view to filter, rank, compare and draw
- `corpus_table`: all corpora of the registry: what they are, who may have them, who uses them, what was run
- `model_table`: all models of the registry: what they are and take, what they have heard, what was run
- `corpus_portraits`: a corpus that is not the paper's, in tables
- `provenance`: the line at a chapter's end that says where its numbers come from, and the command that makes
  them again
- `own_recordings`: emotions of recordings of one's own: a table, a picture and what they are worth
- `first_grid`: a first grid of two corpora or more, in seconds: baselines alone, on one model's embeddings
- `headline`: the few figures that the first page states, and the README's picture
- `source_archive`: the source of a book as one archive, without the pack's vectors
- `pdf`: the book as one PDF: all pages in the order of the contents, printed by a Chromium
- `timings`: what each step of the workflow took
- `ending`: what a run says at its end: where to look, what was left out and why
"""
