"""Tokens and lines of code in helpers/, the course's own module; exit status 1 above the limit.

Comments, docstrings and blank lines do not count. The application in helpers/app/ has no limit.
"""

import ast
import sys
import tokenize
from pathlib import Path

LIMIT = 18_600  # tokens
SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def docstrings(path: Path) -> set[int]:
    """The numbers of the lines that belong to a string which stands alone."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def measure(path: Path) -> tuple[int, int]:
    """Tokens and lines of code of one file."""
    with tokenize.open(path) as file:
        tokens = [
            token for token in tokenize.generate_tokens(file.readline) if token.type not in SKIPPED
        ]
    strings = docstrings(path)
    tokens = [token for token in tokens if token.start[0] not in strings]
    lines = {n for token in tokens for n in range(token.start[0], token.end[0] + 1)}
    return len(tokens), len(lines)


def main() -> int:
    total_tokens, total_lines = 0, 0
    for path in sorted((Path(__file__).parent.parent / "helpers").glob("*.py")):
        tokens, lines = measure(path)
        print(f"{path.name:<16}{tokens:>7} tokens{lines:>6} lines")
        total_tokens += tokens
        total_lines += lines
    each = total_tokens / total_lines
    print(
        f"helpers/ has {total_tokens} tokens, {LIMIT} allowed; "
        f"{total_lines} lines, {each:.1f} tokens a line"
    )
    return int(total_tokens > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
