"""What an exercise notebook says of a solution while it is being written."""

import dis
from collections.abc import Callable

EMPTY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}  # steps of `return None`


def check(written: object, *claims: tuple[str, Callable[[], object], str]) -> None:
    """Print for each claim about your solution whether it holds, and the first hint you need.

    Nothing is raised: an error in a test is printed. The points come from other tests, with other
    data.

    Parameters
    ----------
    written : object
        What you were to write: a function, a value, or a tuple of these. As long as one is empty,
        that is all that is said.
    *claims : (text, test, hint)
        The test is called without arguments; the claim holds where it gives what is true. All
        exercises.
    """
    parts = written if isinstance(written, tuple) else (written,)
    if any(_is_empty(part) for part in parts):
        print("not yet written")
        return
    hinted = False
    for text, test, hint in claims:
        error = ""
        try:
            holds = bool(test())
        except Exception as raised:
            holds = False
            error = f" ({type(raised).__name__}: {raised})"
        print(f"✓ {text}" if holds else f"✗ {text}{error}")
        if not holds and not hinted:
            print(f"  hint: {hint}")
            hinted = True


def _is_empty(written: object) -> bool:
    """Whether this is None, or a function that does nothing but return None."""
    if not hasattr(written, "__code__"):
        return written is None
    steps = {step.opname for step in dis.get_instructions(written.__code__)}
    constants = set(written.__code__.co_consts)
    return steps <= EMPTY and constants <= {None, written.__doc__}
