"""The customer's model at home: vectors of hashed words, in OpenAI's protocol.

A stand-in, and no more: texts that share words lie near each other, and what they mean is lost on
it. The same text has the same vector for ever, on every machine.
"""

import base64
import hashlib
import math
import re
import struct
from collections import Counter
from collections.abc import Sequence

from local.cloud.door.messages import Answer, Body, Refused, Request
from local.cloud.world import World

PATH = re.compile(r"(/openai)?(/v1|/deployments/(?P<deployment>[^/]+))?/embeddings")
DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""https://platform.openai.com/docs/guides/embeddings"""
OTHERS = 1536
"""Of a deployment whose name does not tell its model."""
SHORTENED = "text-embedding-3-"
MOST_INPUTS = 2048
LETTERS = 3
PART_WEIGHT = 0.3
"""Of the parts of a word beside the word: forms of one word are near each other, too."""


def handle(world: World, request: Request) -> Answer:
    """Answer for the endpoint of a model."""
    del world
    match = PATH.fullmatch(request.path)
    if match is None or request.method != "POST":
        raise Refused(404, "404", "Resource not found")
    if not (request.headers.get("api-key") or request.bearer):
        raise Refused(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to"
            " provide a valid key for an active subscription and use a correct regional API"
            " endpoint for your resource.",
        )
    asked = request.json()
    model = str(asked.get("model") or match["deployment"] or "")
    texts = _texts(asked.get("input"))
    size = _dimensions(model, asked.get("dimensions"))
    plain = asked.get("encoding_format", "float") != "base64"
    tokens = sum(len(words(text)) for text in texts)
    vectors = [vector(text, size) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": one if plain else packed(one)}
        for index, one in enumerate(vectors)
    ]
    usage: Body = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(body={"object": "list", "data": data, "model": model, "usage": usage})


def vector(text: str, dimensions: int) -> list[float]:
    """Return the unit vector of a text: each word, and each part of it, at its hash's place."""
    values = [0.0] * dimensions
    for feature, weight in _features(text).items():
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        place = int.from_bytes(digest[:7], "big") % dimensions
        values[place] += weight if digest[7] & 1 else -weight
    length = math.sqrt(sum(value * value for value in values))
    if length == 0:  # no words: somewhere, but not nowhere, where no angle is
        return [1.0, *values[1:]]
    return [value / length for value in values]


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in words(text):
        found[word] += 1
        marked = f"<{word}>"
        for start in range(len(marked) - LETTERS + 1):
            found[f"#{marked[start : start + LETTERS]}"] += PART_WEIGHT  # type: ignore[assignment]
    return found


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"\w+", text.lower())


def packed(values: Sequence[float]) -> str:
    """Return a vector as OpenAI packs it: little-endian floats in Base64."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _texts(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if (
        not isinstance(texts, list)
        or not 0 < len(texts) <= MOST_INPUTS
        or not all(isinstance(text, str) and text for text in texts)
    ):
        raise Refused(
            400, "invalid_request_error", f"'input' must be 1 to {MOST_INPUTS} texts, none empty."
        )
    return texts


def _dimensions(model: str, asked: object) -> int:
    largest = DIMENSIONS.get(model, OTHERS)
    if asked is None:
        return largest
    if not model.startswith(SHORTENED) or not isinstance(asked, int) or not 0 < asked <= largest:
        raise Refused(
            400, "invalid_request_error", f"{model}: 'dimensions' may not be {asked!r} here."
        )
    return asked
