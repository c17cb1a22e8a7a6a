"""How an API server, and the plugin in front of it, say no."""

from local.cloud.arm import Body


class KubernetesError(Exception):
    """Whatever the plugin tells the engine instead of an answer."""


class UnsupportedError(KubernetesError):
    """The stand-in does not do this; the real plugin might."""


class UnreachableError(KubernetesError):
    """No API server answers, or the kubeconfig names none."""


class UnknownKindError(KubernetesError):
    """The API server does not serve this kind (yet: its definition may come in a moment)."""


class ApiError(KubernetesError):
    """The API server's own refusal."""

    def __init__(self, status: int, reason: str, message: str, missing: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        """Kubernetes' word for it, e.g. ``NotFound``, ``Conflict``, ``Invalid``."""
        self.missing = missing
        """The resource that was not found, e.g. ``namespaces``."""

    @property
    def gone(self) -> bool:
        """Whether the object, or what it lies in, does not exist."""
        return self.reason == "NotFound"


class NotReadyError(KubernetesError):
    """The object stands, but is not what was asked for."""

    def __init__(self, message: str, live: Body, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.live = live
        self.reasons = reasons
