"""What the lake says otherwise than the truth, for people to read."""

from collections import defaultdict

_EXAMPLES = 4


class Differences:
    """Kept by collection and kind, with some examples of each."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, collection: str, kind: str, text: str) -> None:
        self._texts[collection, kind].append(text)

    def __len__(self) -> int:
        return sum(len(texts) for texts in self._texts.values())

    @property
    def kinds(self) -> dict[tuple[str, str], int]:
        """How many of each kind there are in each collection."""
        return {kind: len(texts) for kind, texts in self._texts.items()}

    def __str__(self) -> str:
        lines = []
        for (collection, kind), texts in sorted(self._texts.items()):
            lines.append(f"{collection}: {kind}: {len(texts)}")
            lines += [f"    {text}" for text in texts[:_EXAMPLES]]
            if len(texts) > _EXAMPLES:
                lines.append(f"    … and {len(texts) - _EXAMPLES} more")
        return "\n".join(lines)
