"""Generated tables inside pages that people write."""

import re


def insert(text: str, **tables: str) -> str:
    """The text with each table between the comments `<!-- NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, table=table: m[1] + table + "\n" + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"there is no place for the table {name}")
    return text
