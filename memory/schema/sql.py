"""How the planner's values read as SQL.  Every name is qualified, as search_path is no one's."""

from collections.abc import Mapping
from itertools import zip_longest

from memory.schema.catalog import PUBLIC, Column, Index

# PostgreSQL's reserved words: pg_get_keywords(), catcode R and T
# fmt: off
RESERVED = frozenset(
    {
        "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric",
        "authorization", "binary", "both", "case", "cast", "check", "collate", "collation",
        "column", "concurrently", "constraint", "create", "cross", "current_catalog",
        "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
        "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end",
        "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant",
        "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is",
        "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
        "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or",
        "order", "outer", "overlaps", "placing", "primary", "references", "returning", "right",
        "select", "session_user", "similar", "some", "symmetric", "system_user", "table",
        "tablesample", "then", "to", "trailing", "true", "union", "unique", "user", "using",
        "variadic", "verbose", "when", "where", "window", "with",
    }
)
# fmt: on
OPERATORS = {"cosine": "<=>", "l2": "<->", "ip": "<#>"}


def name(identifier: str) -> str:
    """Quote only what needs it: a reviewer reads this SQL."""
    plain = identifier.isascii() and identifier.replace("_", "a").isalnum()
    if plain and identifier.islower() and not identifier[0].isdigit():
        return f'"{identifier}"' if identifier in RESERVED else identifier
    return '"' + identifier.replace('"', '""') + '"'


def names(identifiers: tuple[str, ...]) -> str:
    """A list of names."""
    return ", ".join(name(identifier) for identifier in identifiers)


def grantee(role: str) -> str:
    """A role, or everybody."""
    return PUBLIC if role == PUBLIC else name(role)


def qualified(schema: str, relation: str) -> str:
    """A name with its schema."""
    return f"{name(schema)}.{name(relation)}"


def column(label: str, value: Column, vectors_in: str) -> str:
    """A column's definition."""
    words = [name(label), type_name(value.type, vectors_in)]
    if value.default is not None:
        words += ["DEFAULT", value.default]
    if value.not_null:
        words.append("NOT NULL")
    return " ".join(words)


def options(values: Mapping[str, str]) -> str:
    """Storage parameters between parentheses."""
    return "(" + ", ".join(f"{key} = {value}" for key, value in values.items()) + ")"


def create_index(label: str, relation: str, index: Index, vectors_in: str, verb: str) -> str:
    """CREATE INDEX; ``verb`` adds UNIQUE or CONCURRENTLY."""
    keys = ", ".join(
        name(key) + (f" {type_name(opclass, vectors_in)}" if opclass else "")
        for key, opclass in zip_longest(index.columns, index.opclasses)
    )
    using = "" if index.method == "btree" else f" USING {index.method}"
    tail = f" WITH {options(index.options)}" if index.options else ""
    return f"CREATE {verb} {name(label)} ON {relation}{using} ({keys}){tail}"


def type_name(text: str, vectors_in: str) -> str:
    """A type or its operators; pgvector's with their schema."""
    return f"{name(vectors_in)}.{text}" if text.startswith(("vector", "halfvec")) else text
