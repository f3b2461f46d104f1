"""Text to train on: two disjoint halves, for teachers and for students, and a validation slice shared by all.

`load` reads a corpus: `stdlib`, or a folder that `distillaw corpus prepare` made. A `Corpus` has three arrays of
tokens. A batch is a pure function of (seed, step): nothing about the order of batches has to be saved to resume a
run.
"""

from sweeps.corpora.batches import batch, held_out
from sweeps.corpora.corpus import Corpus, Half
from sweeps.corpora.documents import Document
from sweeps.corpora.opening import CORPORA, load
from sweeps.corpora.splitting import Split, split

__all__ = ["CORPORA", "Corpus", "Document", "Half", "Split", "batch", "held_out", "load", "split"]
