"""The stand-in for the customer's model, asked by OpenAI's own client."""

import math
from typing import Any

import httpx
import openai
import pytest

from local.cloud.door import models

ENDPOINT = "https://engram-dev.openai.azure.com/openai/v1"
pytestmark = pytest.mark.usefixtures("door")


def embedded(model: str, *texts: str, **more: Any) -> list[list[float]]:
    with openai.OpenAI(base_url=ENDPOINT, api_key="customers", max_retries=0) as api:
        answer = api.embeddings.create(model=model, input=list(texts), **more)
    return [item.embedding for item in answer.data]


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("model", "more", "length"),
    [
        ("text-embedding-3-small", {}, 1536),
        ("text-embedding-3-large", {}, 3072),
        ("text-embedding-3-large", {"dimensions": 256}, 256),
        ("text-embedding-ada-002", {"encoding_format": "float"}, 1536),
        ("a-deployment-of-the-customer", {}, 1536),
    ],
)
def test_a_vector_is_as_long_as_the_models_and_of_length_one(
    model: str, more: dict[str, Any], length: int
) -> None:
    (vector,) = embedded(model, "Ada likes tea", **more)
    assert len(vector) == length
    assert math.isclose(cosine(vector, vector), 1, rel_tol=1e-5)


def test_the_same_text_has_the_same_vector_in_both_encodings() -> None:
    packed = embedded("text-embedding-3-small", "Ada likes tea")
    plain = embedded("text-embedding-3-small", "Ada likes tea", encoding_format="float")
    assert packed[0] == pytest.approx(plain[0], abs=1e-7)


def test_texts_that_share_words_are_nearer_than_others() -> None:
    asked, near, far = (models.vector(text, 1536) for text in TEXTS)
    assert cosine(asked, near) > 0.4 > cosine(asked, far)


TEXTS = ("what tea does Ada drink", "Ada drinks green tea", "the build failed on Monday")


def test_a_text_without_words_is_somewhere() -> None:
    assert embedded("text-embedding-3-small", "!?")[0][0] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m", "input": []}, "1 to 2048 texts"),
        ({"model": "m", "input": ["a", ""]}, "none empty"),
        ({"model": "m", "input": [[1, 2]]}, "texts"),
        ({"model": "text-embedding-ada-002", "input": "a", "dimensions": 3}, "may not be 3"),
        ({"model": "text-embedding-3-small", "input": "a", "dimensions": 4096}, "may not be 4096"),
    ],
)
def test_what_the_protocol_forbids_is_refused(body: dict[str, Any], words: str) -> None:
    answer = httpx.post(f"{ENDPOINT}/embeddings", json=body, headers={"api-key": "k"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_nobody_is_served_without_a_key() -> None:
    answer = httpx.post(f"{ENDPOINT}/embeddings", json={"model": "m", "input": "a"})
    assert answer.status_code == 401
