"""Memories and answers as tests write them."""

from typing import Any

import httpx


def vector(*first: float) -> list[float]:
    """Eight numbers: these, and zeros."""
    return [*first, *[0.0] * (8 - len(first))]


def memory(**changed: Any) -> dict[str, Any]:
    return {"session_id": "s1", "content": "likes tea", "embedding": vector(1), **changed}


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code; the answer has the one form."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id", "details"}
    return response.status_code, body["error"]["code"]
