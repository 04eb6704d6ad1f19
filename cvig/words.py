"""How numbers are written for people."""


def say_p(value: float) -> str:
    """A p-value to two digits; one near the smallest that a float can be is below 1e-300, whatever it says.

    >>> say_p(0.0431), say_p(2.5e-12), say_p(0.0)
    ('0.043', '2.5e-12', 'below 1e-300')
    """
    return f"{value:.2g}" if value > 1e-300 else "below 1e-300"


def count(number: int, noun: str) -> str:
    """A number with its noun, which takes an s unless it is one.

    >>> count(1, "row"), count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
