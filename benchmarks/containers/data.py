"""The documents of the benchmarks of containers, the same in every process; no third-party module."""

import random

FULL = {"a": 500, "b": 200_000, "sorted": 200_000, "shuffled": 200_000, "d": 50 << 20, "e": 1000}
TEXT = "e" * (256 << 10)


def size(name, percent):
    """Return the size of a document at so many percent of the full one."""
    return max(1, FULL[name] * percent // 100)


def document(name, percent):
    """Return a document: lists of floats, records, a map of texts (in order or not), an irregular tree."""
    count, chance = size(name, percent), random.Random(7)
    if name == "a":
        return [[chance.random() for _ in range(5000)] for _ in range(count)]
    if name == "b":
        return [
            {"id": n, "x": n * 0.5, "name": f"name-{n}", "ok": n % 2 == 0, "tag": ("a", "b", "c")[n % 3]}
            for n in range(count)
        ]
    if name in {"sorted", "shuffled"}:
        keys = [f"key-{n:06}" for n in range(count)]
        if name == "shuffled":
            chance.shuffle(keys)
        return {key: f"{key:*>40}" for key in keys}
    room = [count]
    parts = []
    while room[0] > 0:
        parts.append(tree(chance, room, chance.randint(2, 12)))
    return {f"part-{n}": part for n, part in enumerate(parts)}


def tree(chance, room, depth):
    """Return a tree with leaves of 20 to 2,000 characters, and take their size from the room."""
    if depth == 0 or room[0] <= 0:
        text = "x" * chance.choice((20, 200, 200, 2000))
        room[0] -= len(text)
        return text
    inner = [tree(chance, room, max(0, depth - chance.randint(1, 3))) for _ in range(chance.randint(2, 5))]
    return inner if chance.random() < 0.5 else {f"k{n}": value for n, value in enumerate(inner)}


def paths(name, value, count):
    """Return paths of random leaves."""
    chance, found = random.Random(11), []
    for _ in range(count):
        path, here = [], value
        while isinstance(here, (list, dict)):
            path.append(chance.choice(list(here)) if isinstance(here, dict) and name == "d" else pick(chance, here))
            here = here[path[-1]]
        found.append(path)
    return found


def pick(chance, value):
    """Return a random index, or a random key: of large maps without a list of all of them each time."""
    if isinstance(value, list):
        return chance.randrange(len(value))
    return chance.choice(tuple(value)) if len(value) < 100 else f"key-{chance.randrange(len(value)):06}"


def at(value, path):
    """Return what lies at a path."""
    for step in path:
        value = value[step]
    return value
