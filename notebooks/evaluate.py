# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Evaluating a Siamese network
#
# Each ground view of the test region is a query; the gallery holds the aerial images of all test places. The test is
# made twice, as in the paper: on the aerial images as they are, and on a random crop of at least 70% of each side that
# was drawn once, saved, and is reused for every network.

# %% tags=["parameters"]
run = ""  # folder of a finished training run
test_count = 6194  # test places (world); the size of the paper's test set
crops = ""  # file of the test crop; beside the run when empty
crop_min = 0.7
threads = 2
device = "auto"
overwrite = False  # make anew what lies finished in the folder, and replace it at the end

# %%
from study.settings import EvaluateSettings

settings = EvaluateSettings.from_notebook(globals())
settings.to_dict()

# %%
from study import figures, tables
from study.sessions.evaluation import open_evaluation

session = open_evaluation(settings)
session.facts

# %% [markdown]
# ## Recall and PSSR
#
# Ranks are exact, and ties count against the network (*pessimistic*). The interval beside each value is the 95%
# interval over places; the last row is what a network that ranks at random scores on average.

# %%
session.score()
tables.recall_table({name: scored.summary for name, scored in session.scored.items()})

# %%
session.verdicts

# %% [markdown]
# ## How much of the search space each query rules out

# %%
figures.show(
    figures.pssr_histogram({name: scored.per_query_pssr for name, scored in session.scored.items()}),
    caption=f"Share of the gallery ruled out, query by query. {session.caption}.",
)

# %% [markdown]
# ## The embeddings of both towers

# %%
projection = session.projection
figures.show(
    figures.projection(projection["ground"], projection["aerial"], tuple(projection["explained"])),
    caption=f"First two principal axes of both towers' embeddings, uncropped test set. {session.caption}.",
)

# %% [markdown]
# ## Retrievals

# %%
figures.show(
    figures.retrieval_gallery(**session.retrievals),
    caption="Three queries, at the tenth, fiftieth and ninetieth percentile of rank, and the five aerial images "
    f"nearest to each; the right one framed where it is among them. Uncropped test set. {session.caption}.",
)

# %% [markdown]
# ## What was written

# %%
provenance = session.finish()
assert set(session.scored) == {"uncropped", "cropped"}
provenance
