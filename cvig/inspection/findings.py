"""What a check of a data set looks for, and its report."""

from dataclasses import dataclass

import pandas as pd

# name: severity, title
CHECKS = {
    "split": ("error", "split that cannot be opened"),
    "missing": ("error", "missing half of a pair"),
    "unreadable": ("error", "unreadable image"),
    "shared": ("error", "one aerial image answers in two splits"),
    "place": ("error", "views of one place in two splits"),
    "size": ("warning", "image of another size than its kind"),
    "peculiar": ("warning", "image read right here, and turned or too bright elsewhere"),
    "duplicate": ("warning", "duplicate aerial image in a gallery"),
    "near": ("warning", "places within {distance:g} m in two splits"),
    "panorama": ("warning", "panorama of less than a full turn"),
}
COLUMNS = ["severity", "check", "split", "file", "other", "detail"]


class Findings:
    """Findings as they come; `table` has one row each."""

    def __init__(self):
        self._rows = []

    def add(
        self, check: str, split: str, detail: str, file: str = "", other: str = "", *, severity: str | None = None
    ) -> None:
        """Note a finding of `check`, about a file and maybe another one, in the split or splits that are named."""
        self._rows.append((severity or CHECKS[check][0], check, split, file, other, detail))

    def table(self) -> pd.DataFrame:
        """All findings, errors first, then in the order of the checks."""
        # object: pyarrow, where pandas keeps text in it, refuses names that are not UTF-8
        table = pd.DataFrame(self._rows, columns=COLUMNS, dtype=object)
        order = {name: i for i, name in enumerate(CHECKS)}
        key = (table["severity"] != "error").astype(int) * len(order) + table["check"].map(order).astype(int)
        return table.iloc[key.argsort(kind="stable")].reset_index(drop=True)


@dataclass
class Inspection:
    """What `check` found.

    Attributes
    ----------
    data, root : str
    options : dict
        Those of the data set's loader.
    distance : float
        Metres within which places were held to be near.
    splits : dict
        For each split that could be opened its number of ground views and of gallery rows.
    images : dict
        For each kind the number of files, the most frequent width and height, and the share that has it.
    findings : data frame
        One row a finding: severity, check, split, file, other (the file it is compared with) and detail.
    skipped : dict
        Checks that could not be made, and why.
    """

    data: str
    root: str
    options: dict
    distance: float
    splits: dict
    images: dict
    findings: pd.DataFrame
    skipped: dict[str, str]

    @property
    def errors(self) -> int:
        """Number of findings that are errors."""
        return int((self.findings["severity"] == "error").sum())

    @property
    def summary(self) -> pd.DataFrame:
        """One row a check: result ("ok", "error", "warning" or "not checked"), count, title, and an example or a reason."""
        rows = []
        for check, (_, title) in CHECKS.items():
            its = self.findings[self.findings["check"] == check]
            result, example = ("not checked", self.skipped[check]) if check in self.skipped else ("ok", "")
            if len(its):
                first = its.iloc[0]
                result, example = first["severity"], ": ".join(filter(None, (first["file"], first["detail"])))
            rows.append((result, len(its), title.format(distance=self.distance), example))
        return pd.DataFrame(rows, columns=["result", "count", "title", "first"], index=list(CHECKS), dtype=object)

    @property
    def text(self) -> str:
        """The report for a reader: what was looked at, one line a check, the verdict."""
        lines = [f"{self.data} in {self.root}"]
        for split, count in self.splits.items():
            lines.append(
                f"  {split:11s} {count['ground']:>9,}  ground views, {count['gallery']:,} aerial images in the gallery"
            )
        for kind, its in self.images.items():
            size = f", {its['share']:.0%} of {its['size'][0]}×{its['size'][1]}" if its["size"] else ""
            lines.append(f"  {'files':11s} {its['files']:>9,}  {kind} images{size}")
        lines.append("")
        width = max(map(len, self.summary["title"]))
        for row in self.summary.itertuples():
            count = f"{row.count:,}" if row.count else ""
            lines.append(f"  {row.result:11s} {count:>9s}  {row.title:{width}s}  {row.first}".rstrip())
        warnings = len(self.findings) - self.errors
        numbers = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in ((self.errors, "error"), (warnings, "warning"))]
        return "\n".join([*lines, "", " and ".join(numbers)])

    def to_dict(self) -> dict:
        """Everything, as plain data."""
        counts = {
            row.Index: {"result": row.result, "count": int(row.count)} for row in self.summary.itertuples(name="Check")
        }
        names = ("data", "root", "options", "distance", "splits", "images", "skipped")
        return {name: getattr(self, name) for name in names} | {
            "checks": counts,
            "findings": self.findings.to_dict("records"),
        }
