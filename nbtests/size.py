"""Lines of code in helpers/, without blank lines, comments and docstrings; exit status 1 above the limit."""

import ast
import sys
import tokenize
from pathlib import Path

LIMIT = 3_070
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}

total = 0
for path in sorted((Path(__file__).parent.parent / "helpers").glob("*.py")):
    with tokenize.open(path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    lines = {n for t in tokens if t.type not in SKIPPED for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    total += len(lines)
    print(f"{path.name:<16}{len(lines):>5}")
print(f"helpers/ has {total} lines of code, {LIMIT} allowed")
sys.exit(total > LIMIT)
