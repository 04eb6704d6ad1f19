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
# # Filtering photographs that show no place
#
# A network that knows scenes describes each photograph by a vector; a random forest, trained on photographs that somebody
# labelled viable or not viable, judges the rest. `cvig label FOLDER` makes the labels; the procedural world knows its
# own. The paper's network is `-p trunk vgg16 -p size 224 -p weights PATH` with Places365 weights
# (`cvig.filtering.scenes.scene_network` says in which form).

# %% tags=["parameters"]
data = "world"  # world needs no files; folder, or the name of a data set, lies below root
root = ""
split = "train"  # of the data set
options = {}  # further options of the data set; the world's useless is the share of views that face a wall
labels = ""  # CSV file with columns name and viable
count = 2400  # views (world)
labelled = 1200  # how many of them have a label (world)
trunk = "resnet18"  # vgg16, or any torchvision classification model that ends in a linear layer
weights = "none"  # none, imagenet, the path of a state dict, or caffe:PATH
layer = "penultimate"  # penultimate, or scores: the class probabilities
size = 48  # pixels a side
trees = 300
held_out = 0.25  # share of the labelled photographs that judge the forest
threshold = 0.5  # smallest score that is kept
seed = 0
out = ""  # folder of the run; out/DATA-filter-TRUNK-LAYER-SEED-IDENTITY when empty
features = ""  # folder of the features, which an interrupted run goes on from; out/features when empty
chunk = 1024  # photographs a file of features, and in memory
batch = 64
workers = 0
threads = 2
device = "auto"
overwrite = False  # make anew what lies finished in the folder, and replace it at the end

# %%
from study.settings import FilterSettings

settings = FilterSettings.from_notebook(globals())
settings.to_dict()

# %% [markdown]
# ## The photographs and their labels

# %%
from study import figures
from study.chapters.data import figures as data_figures
from study.sessions.filtering import open_filter

session = open_filter(settings)
session.facts

# %%
figures.show(
    data_figures.gallery({"viable": session.samples(True), "not viable": session.samples(False)}),
    caption=f"The first photographs of {session.photographs.title} labelled viable, and not viable.",
)

# %% [markdown]
# ## The forest, judged on photographs it never saw
#
# The held-out photographs are a stratified share, and no place is on both sides.

# %%
report = session.train()
print(report.sentence)
report.confusion

# %%
figures.show(
    data_figures.precision_recall(report),
    caption=f"Precision and recall of the viable label against the threshold, on {len(report.label)} held-out photographs.",
)

# %% [markdown]
# ## Every photograph
#
# A label overrules the forest; an image that cannot be read is dropped, and named in the provenance.

# %%
session.apply()

# %%
galleries = session.galleries
figures.show(
    data_figures.filter_gallery(galleries, "mistakes"),
    caption="The held-out photographs that the forest judged wrong with most confidence, and their scores.",
)

# %%
figures.show(
    data_figures.filter_gallery(galleries, "dropped"),
    caption="The first photographs without a label that were dropped, and their scores.",
)

# %% [markdown]
# ## What was written
#
# `kept.txt` lists what is kept, a name a line; `kept.json`, written last, says why.

# %%
provenance = session.finish()
assert provenance["of"] == len(session.photographs.names)
provenance
