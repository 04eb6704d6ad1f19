"""What the pages of the book show: one module or folder a page, under the page's name."""

import pandas as pd

pd.set_option("display.max_colwidth", None)  # a page shows its cells whole
