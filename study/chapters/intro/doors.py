"""Ways through the book: what to read in which order, and how long it takes."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

WORDS_A_MINUTE = 200  # of a text with numbers in it, read with care

DOORS: dict[str, Sequence[tuple[str, str]]] = {
    "I am learning": (
        ("metrics", "How the scores work, from two counts a query."),
        ("ties", "A laboratory: drag embeddings, and watch fourteen published rules disagree."),
        ("pssr", "What PSSR measures, fact by fact."),
        ("models", "The three networks, and how they are taught."),
        ("data", "What they are taught from, and what leaks."),
        ("glossary", "Every word that is used in a sense of its own."),
    ),
    "I doubt a number": (
        ("examined", "What arithmetic alone says of the paper's tables."),
        ("results", "The same tables made again, with intervals and chance, and each run."),
        ("towers", "Which tower dies, and why: an experiment planned before its runs."),
        ("losses", "Six losses at an equal budget."),
        ("causes", "One departure of the public code from the text, switched on and off."),
        ("promises", "How recall, reciprocal rank and PSSR order the same runs."),
        ("score", "Your own embeddings by exact ranks and by every published rule."),
    ),
    "I hold a photograph": (
        ("photograph", "One photograph followed to a region of a map, and how far the region can be trusted."),
        ("own-data", "Your photographs and aerial images in the form that the package reads."),
        ("metrics", "What a rank says, and what it does not."),
    ),
}


def title(page: Path) -> str:
    """The first heading of a page."""
    return re.search(r"^# (.+)$", page.read_text(), re.MULTILINE).group(1)


def minutes(pages: Sequence[Path]) -> int:
    """How long their prose takes to read, code left out; at least a minute."""
    prose = (re.sub(r"```.*?```|^---$.*?^---$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE) for page in pages)
    return max(1, round(sum(len(text.split()) for text in prose) / WORDS_A_MINUTE))


def in_markdown(book: Path | str, doors: Mapping[str, Sequence[tuple[str, str]]] = DOORS) -> str:
    """Each door with its pages in order, linked, and the time they take."""
    parts = []
    for door, pages in doors.items():
        files = [Path(book) / f"{name}.md" for name, _ in pages]
        lines = [
            f"{i}. [{title(file)}]({file.stem}.html). {said}"
            for i, (file, (_, said)) in enumerate(zip(files, pages, strict=True), 1)
        ]
        parts += [f"**{door}** (about {minutes(files)} minutes)", "\n".join(lines)]
    return "\n\n".join(parts)
