"""Generated tables inside pages that people write."""

import re


def insert(text: str, **tables: str) -> str:
    """The text with each table between the comments `<!-- NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        parts = re.split(pattern, text, flags=re.DOTALL)
        if len(parts) != 4:
            raise ValueError(f"there is no place for the table {name}")
        before, begin, end, after = parts
        text = before + begin + table + "\n" + end + after
    return text
