# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training a Siamese network
#
# Two towers, one for ground views and one for aerial images, learn embeddings in which a ground view lies near the
# aerial image of its place. Every parameter below can be set with `papermill -p NAME VALUE`; zero or an empty
# string means "as the recipe or the architecture has it".

# %% tags=["parameters"]
arch = "resnet50"  # vgg16, resnet50, cvm-net-i, or any torchvision classification model
recipe = "modern"  # described: the paper's text; as-coded: its public code; modern: InfoNCE; sample4geo, congeo: the field's
switches = {}  # of the recipe: {detached-negatives: false} turns one off
data = "world"  # world needs no files; flat and the others lie below root
root = ""
options = {}  # further options of the data set: {views: four} cuts panoramas into four 90° views
view = "90"  # of the world: 90 (unknown heading) or panorama (north-aligned)
out = ""  # folder of the run; out/DATA-ARCH-RECIPE-SEED-IDENTITY when empty
size = 64  # pixels a side
weights = "none"  # none, imagenet, or the path of a state dict
start = ""  # folder of a finished run, whose trunks this one starts from
embedding = 0  # width of the embedding
train_count = 2048  # pairs an epoch (world)
val_count = 512  # validation views (world)
fresh = True  # new views every epoch (world)
epochs = 4
half_size_epochs = 0  # of these, the first, at half the size: faster; CVM-Net-I alone can
batch = 0  # as the recipe has it, or all pairs where they are fewer
micro_batch = 0  # hold the activations of so many pairs at a time, so that larger batches fit; 0: of all
learning_rate = 0.0
seed = 0
threads = 2
workers = 0
cache = ""  # folder that keeps images of a data set of files decoded; filled on first use
device = "auto"
devices = 1  # processes that train together, each with a device of its own; the batch is that of all
precision = "auto"  # of the towers: bf16, 32, or auto: bf16 where the device computes in it
tensorboard = ""  # folder for TensorBoard's files; none when empty
overwrite = False  # make anew what lies finished in the folder, and replace it at the end

# %%
from study.settings import TrainSettings

settings = TrainSettings.from_notebook(globals())
settings.to_dict()

# %% [markdown]
# ## The data
#
# Training and validation places lie in disjoint regions; the test region is not opened here.

# %%
from study import figures
from study.sessions.training import open_training

session = open_training(settings)
session.facts

# %%
figures.show(
    figures.pairs(*session.samples(6)),
    caption=f"Pairs of {session.train.name}: ground view above, aerial image of the same place below.",
)

# %% [markdown]
# ## The network

# %%
session.network.describe()

# %% [markdown]
# ## Training
#
# After every epoch the validation views are ranked exactly. `R@1%` and `PSSR` are pessimistic: a tie counts against the
# network. The spread is the root mean square distance of a tower's embeddings from their mean, over their root mean
# square norm: near zero, the tower maps everything to one point.

# %%
log = session.fit()
log.round(4)

# %%
figures.show(
    figures.training_curve(log),
    caption=f"Training of {settings.arch} with the '{settings.recipe}' recipe on {session.train.name}; "
    f"validation on {session.val.ground_count} views of {session.val.name}.",
)

# %% [markdown]
# ## What was written
#
# The run's folder now holds the log, the checkpoint and, written last, the provenance that marks it as finished.

# %%
provenance = session.finish()
assert provenance["epochs"] == settings.epochs
provenance
