"""The random provider: values drawn once, kept in Pulumi's state and nowhere else.

Inputs, outputs, defaults and the rule that every change draws anew are those of
pulumi-random; the values come from the operating system's generator. One output
is left out: ``bcryptHash``, which would need a package that nothing else does.
"""

import base64
import secrets
import string
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.cloud.arm import ArmError, Body, Refusal
from local.cloud.provider import Checked, Declared, Initialised, Standing
from local.cloud.validate import preview, validate
from local.cloud.wire import Path

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
STRING_DEFAULTS: Body = {
    "lower": True,
    "upper": True,
    "numeric": True,
    "special": True,
    "minLower": 0,
    "minUpper": 0,
    "minNumeric": 0,
    "minSpecial": 0,
}
"""Of RandomString and RandomPassword; part of their outputs, not of their inputs."""


def _classes(body: Body) -> dict[str, str]:
    """Return the character classes that are switched on, by the suffix of their minimum."""
    special = body.get("overrideSpecial") or SPECIAL
    every = {
        "Lower": string.ascii_lowercase,
        "Upper": string.ascii_uppercase,
        "Numeric": string.digits,
        "Special": special,
    }
    return {name: chars for name, chars in every.items() if body[name.lower()]}


def _filled(inputs: Body) -> Body:
    body = {**STRING_DEFAULTS, **inputs}
    if "number" in inputs and "numeric" not in inputs:
        body["numeric"] = inputs["number"]
    return {**body, "number": body["numeric"]}


def _text(inputs: Body) -> Body:
    body = _filled(inputs)
    classes = _classes(body)
    drawn = [
        secrets.choice(chars) for name, chars in classes.items() for _ in range(body[f"min{name}"])
    ]
    pool = "".join(classes.values())
    drawn += [secrets.choice(pool) for _ in range(body["length"] - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return {**body, "result": "".join(drawn)}


def _id(inputs: Body) -> Body:
    data = secrets.token_bytes(inputs["byteLength"])
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return {
        **inputs,
        "b64Url": prefix + url,
        "b64Std": prefix + base64.b64encode(data).decode(),
        "hex": prefix + data.hex(),
        "dec": prefix + str(int.from_bytes(data)),
    }


def _uuid(inputs: Body) -> Body:
    return {**inputs, "result": str(uuid.uuid4())}


DRAWS: dict[str, tuple[Callable[[Body], Body], str | None]] = {
    "random:index/randomString:RandomString": (_text, "result"),
    "random:index/randomPassword:RandomPassword": (_text, None),
    "random:index/randomId:RandomId": (_id, "b64Url"),
    "random:index/randomUuid:RandomUuid": (_uuid, "result"),
}
"""Token -> how to draw, and the output that is the id (a password's is ``none``)."""


def _refusals(inputs: Body) -> Iterator[Refusal]:
    """Yield what pulumi-random refuses beyond the types."""
    if "byteLength" in inputs and _number(inputs, "byteLength") < 1:
        yield Refusal("byteLength", "InvalidLength", "must be at least 1")
    if "length" not in inputs:
        return
    wanted = sum(_number(inputs, f"min{name}") for name in ("Lower", "Upper", "Numeric", "Special"))
    if isinstance(inputs["length"], int) and inputs["length"] < max(1, wanted):
        yield Refusal(
            "length", "InvalidLength", f"is {inputs['length']}; at least {max(1, wanted)} is needed"
        )
    if not _classes(_filled(inputs)):
        yield Refusal(
            "lower", "NoCharacters", "one of lower, upper, numeric and special must be true"
        )


def _number(inputs: Body, key: str) -> int:
    value = inputs.get(key, 0)
    return value if isinstance(value, int) else 1


class RandomProvider:
    """Serves ``random``; nothing stands anywhere, so a read answers what it was told."""

    package = "random"

    def configure(self, values: Mapping[str, Any]) -> None:
        """Take nothing: this provider has no configuration."""

    def check(self, declared: Declared, olds: Body, news: Body) -> Checked:
        """Refuse what the types or the character classes make impossible."""
        del olds
        self._draw(declared.token)
        failures = validate(declared.token, news)
        return Checked(news, failures or list(_refusals(news)))

    def replacing(self, token: str) -> frozenset[str]:
        """Return every input: a change draws anew."""
        self._draw(token)
        return frozenset(
            {*STRING_DEFAULTS, "length", "number", "overrideSpecial", "keepers"}
            | {"byteLength", "prefix"}
        )

    def delete_first(self, inputs: Body) -> bool:
        """Return ``False``: two values can stand side by side."""
        del inputs
        return False

    def preview(self, token: str, inputs: Body, olds: Body | None) -> Body:
        """Return the inputs; what will be drawn is unknown."""
        return {**preview(token, inputs), **(olds or {})}

    def create(self, declared: Declared, inputs: Body, marked: frozenset[Path]) -> Initialised:
        """Draw."""
        del marked
        draw, id_output = self._draw(declared.token)
        outputs = draw(inputs)
        return Initialised(str(outputs[id_output]) if id_output else "none", outputs)

    def read(self, token: str, id_: str, olds: Body, old_inputs: Body) -> Standing | None:
        """Return what the state already holds."""
        self._draw(token)
        if not olds:
            raise ArmError(501, "NotImplemented", f"'{id_}': random values cannot be imported.")
        return Standing(old_inputs, olds)

    def update(self, token: str, id_: str, inputs: Body, marked: frozenset[Path]) -> Initialised:
        """Refuse: every change replaces, so that the engine never asks for this."""
        del inputs, marked
        raise ArmError(501, "NotImplemented", f"'{id_}' of {token} cannot change in place.")

    def delete(self, token: str, id_: str) -> None:
        """Do nothing: the value is gone with the state."""

    def invoke(self, token: str, inputs: Body) -> Body:
        """Refuse: the package has no functions."""
        del inputs
        raise ArmError(501, "NotImplemented", f"The local cloud has no function '{token}'.")

    def secret_outputs(self, token: str) -> frozenset[Path]:
        """Return what is secret whatever the inputs were: passwords."""
        if token.endswith(":RandomPassword"):
            return frozenset({("result",)})
        return frozenset()

    def _draw(self, token: str) -> tuple[Callable[[Body], Body], str | None]:
        if token not in DRAWS:
            raise ArmError(
                501,
                "NotImplemented",
                f"The local cloud has no '{token}'. It knows {', '.join(DRAWS)}.",
            )
        return DRAWS[token]
