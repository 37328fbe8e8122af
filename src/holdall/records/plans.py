"""Which ids a query can touch, so that no more is asked of the storage. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from holdall.records.query import And, Condition, Filter

__all__ = ["EVERYTHING", "Scope", "scope_of"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A superset of the ids that a condition can hold for.

    Attributes:
        ids: These alone, sorted; ``None`` for no such bound.
        prefix: Ids that start with this.
    """

    ids: tuple[str, ...] | None = None
    prefix: str = ""

    def holds(self, id: str) -> bool:
        """Tell whether an id is in the scope."""
        return id.startswith(self.prefix) and (self.ids is None or id in self.ids)


EVERYTHING = Scope()


def scope_of(condition: Condition) -> Scope:
    """Return the scope of a condition.

    Example:
        >>> scope_of(And(Filter("id", "in", ["b", "a"]), Filter("n", ">", 1)))
        Scope(ids=('a', 'b'), prefix='')
        >>> scope_of(Filter("id", "startswith", "user-"))
        Scope(ids=None, prefix='user-')
    """
    if isinstance(condition, And):
        scope = EVERYTHING
        for part in condition.conditions:
            scope = _both(scope, scope_of(part))
        return scope
    if isinstance(condition, Filter) and condition.field == "id":
        if condition.op in {"=", "in"}:
            values = condition.value if condition.op == "in" else (condition.value,)
            return Scope(tuple(sorted({str(value) for value in values if value is not None and str(value)})))
        if condition.op == "startswith":
            return Scope(None, condition.value)
    return EVERYTHING


def _both(one: Scope, two: Scope) -> Scope:
    ids = one.ids if two.ids is None else two.ids if one.ids is None else tuple(sorted(set(one.ids) & set(two.ids)))
    longer, shorter = sorted((one.prefix, two.prefix), key=len, reverse=True)
    if not longer.startswith(shorter):
        return Scope((), "")
    return Scope(ids, longer)
