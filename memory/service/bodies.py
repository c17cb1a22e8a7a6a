"""What requests and answers look like: checked at the door, and the OpenAPI's source."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
)

from memory.service.documents import checked_document

MOST_RESULTS = 200
BATCH = 100
CONTENT_CHARACTERS = 32_768
LARGEST_NUMBER = 65_504.0
"""Of a halfvec."""

Key = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Of a session or a user: no control characters, which no log could show."""
Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Text = Annotated[str, Field(min_length=1, max_length=CONTENT_CHARACTERS, pattern=r"^[^\x00]+$")]
Component = Annotated[float, Strict(), Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Embedding = Annotated[list[Component], Field(min_length=1, max_length=4000)]
Document = Annotated[dict[str, Any], AfterValidator(checked_document)]
MemoryType = Literal["episodic", "semantic"]
IterativeScan = Literal["off", "relaxed_order", "strict_order"]


class Body(BaseModel):
    """An unknown field is a spelling mistake, hence an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


class NewMemory(Body):
    """What is to be remembered."""

    id: UUID | None = None
    """A caller that gives one may repeat the request: it is remembered once."""
    session_id: Key
    user_id: Key | None = None
    content: Text
    embedding: Embedding | None = None
    """Of the table's dimensions; without one, the model's endpoint is asked."""
    metadata: Document | None = None
    memory_type: MemoryType = "episodic"
    sensitivity: Annotated[list[Label], Field(max_length=16)] = []
    """Tags: pii, phi, secret, or your own."""


class NewMemories(Body):
    """Several at once, in one transaction."""

    memories: Annotated[list[NewMemory], Field(min_length=1, max_length=BATCH)]


class Search(Body):
    """What the nearest are looked for among, and how thoroughly."""

    k: Annotated[int, Strict(), Field(ge=1, le=MOST_RESULTS)] = 10
    session_id: Key | None = None
    user_id: Key | None = None
    memory_type: MemoryType | None = None
    metadata: Document | None = None
    """What a memory's metadata must contain; equality at every path that is given."""
    created_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    ef_search: Annotated[int, Strict(), Field(ge=1, le=1000)] | None = None
    """Candidates that an HNSW index looks at; the more, the surer and the slower."""
    probes: Annotated[int, Strict(), Field(ge=1, le=32_768)] | None = None
    """Lists that an IVFFlat index looks through."""
    iterative_scan: IterativeScan | None = None
    """Whether the index goes on until enough rows pass the filters; where there are any, it does
    (``relaxed_order``) unless this says otherwise."""


class SearchByVector(Search):
    """Near a vector."""

    embedding: Embedding


class SearchByText(Search):
    """Near a text, of which the model's endpoint makes a vector."""

    text: Text


def _kind(value: object) -> str:
    by_text = isinstance(value, dict) and "text" in value and "embedding" not in value
    return "text" if by_text or isinstance(value, SearchByText) else "vector"


AnySearch = Annotated[
    Annotated[SearchByVector, Tag("vector")] | Annotated[SearchByText, Tag("text")],
    Discriminator(_kind),
]


class Memory(BaseModel):
    """What is remembered."""

    id: UUID
    session_id: str
    user_id: str | None
    content: str
    metadata: dict[str, Any] | None
    memory_type: MemoryType
    sensitivity: list[str]
    created_at: datetime


class Neighbour(Memory):
    """What was found."""

    distance: float
    """Cosine distance: 0 is the same direction, 2 the opposite one."""


class Neighbours(BaseModel):
    """The nearest first."""

    memories: list[Neighbour]
    unreadable: list[UUID] = []
    """Found, and not shown: their keys do not open them.  Tell the operator."""


class Added(BaseModel):
    """What became of one memory of a request."""

    id: UUID
    created: bool
    """False where it had been remembered before, by the same id and with the same content."""


class AddedAll(BaseModel):
    """In the order of the request."""

    memories: list[Added]


class Deleted(BaseModel):
    """How many are gone."""

    deleted: int


class Problem(BaseModel):
    """One of several mistakes."""

    where: str
    problem: str


class Refusal(BaseModel):
    """Why not."""

    code: str
    message: str
    request_id: str
    details: list[Problem] = []


class ErrorBody(BaseModel):
    """What comes instead of an answer; it repeats nothing of the request or of the memories."""

    error: Refusal


class FieldKeys(BaseModel):
    """The keys that this process knows: who rotates them waits until every pod knows the new."""

    primary: str | None
    """Id of the one that it writes with."""
    known: list[str]
    problem: bool
    """Whether the newest file could not be read."""


class Health(BaseModel):
    """Whether, and what stands in the way."""

    ok: bool
    checks: dict[str, str] = {}
    field_keys: FieldKeys | None = None
    """None where nothing is encrypted."""
