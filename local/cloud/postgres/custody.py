"""Who holds a server's data key: the customer's vault, or the service itself.

The data key encrypts the private key of the server's certificate, and so decides
whether the server can start. With a customer-managed key only its wrapped form is
kept, and each use asks the vault again, as the server's identity.
"""

import secrets
from dataclasses import asdict, dataclass

from local.cloud.arm import Body, lookup
from local.cloud.keyring import KeyUnavailable, Wrapped
from local.cloud.world import World

CUSTOMER_MANAGED = "AzureKeyVault"


@dataclass(frozen=True)
class Custody:
    """The data key of one server."""

    world: World
    server_id: str

    def create(self, inputs: Body) -> str:
        """Make a data key, keep it as the server's encryption demands, and return it."""
        data_key = secrets.token_hex(32)
        self._keep(data_key, inputs)
        return data_key

    def open(self) -> str:
        """Return the data key; raises ``KeyUnavailable`` when the vault refuses."""
        private = self.world.private(self.server_id)
        if "wrapped" not in private:
            return str(private["data_key"])
        if self._principal(private["identity"]) != private["principal"]:
            raise KeyUnavailable(
                403,
                "ForbiddenByRbac",
                f"The identity '{private['identity']}' is another one of the same name: the server"
                " keeps the principal that was assigned to it. Assign the identity anew.",
            )
        return self._unwrap(private["identity"])

    def follow(self, inputs: Body) -> None:
        """Wrap anew when the key was rotated, or when another key or identity is asked for."""
        private = self.world.private(self.server_id)
        if "wrapped" not in private:
            return
        identity, uri = _key_of(inputs)
        newest = self.world.wrap(identity, uri, b"")
        asked = (newest.key_uri, identity, self._principal(identity))
        if asked == (private["wrapped"]["key_uri"], private["identity"], private["principal"]):
            return
        try:
            data_key = self.open()
        except KeyUnavailable:
            # The former identity is gone: the one that is assigned now has to be able to.
            data_key = self._unwrap(identity)
        self._keep(data_key, inputs)

    def _unwrap(self, identity: str) -> str:
        wrapped = Wrapped(**self.world.private(self.server_id)["wrapped"])
        return self.world.unwrap(identity, wrapped).decode()

    def _principal(self, identity: str) -> str | None:
        found = self.world.get(identity)
        return None if found is None else str(found.outputs["principalId"])

    @property
    def key_uri(self) -> str | None:
        """The exact key version that holds the data key, ``None`` for the service's own."""
        wrapped = self.world.private(self.server_id).get("wrapped")
        return wrapped and str(wrapped["key_uri"])

    def _keep(self, data_key: str, inputs: Body) -> None:
        if lookup(inputs, "dataEncryption.type") != CUSTOMER_MANAGED:
            self._put({"data_key": data_key})
            return
        identity, uri = _key_of(inputs)
        wrapped = self.world.wrap(identity, uri, data_key.encode())
        principal = self._principal(identity)
        self._put({"wrapped": asdict(wrapped), "identity": identity, "principal": principal})

    def _put(self, body: Body) -> None:
        # Within one transaction, so that no other process writes in between.
        with self.world.transaction():
            self.world.set_private(self.server_id, {**self.world.private(self.server_id), **body})


def _key_of(inputs: Body) -> tuple[str, str]:
    encryption = inputs["dataEncryption"]
    return str(encryption["primaryUserAssignedIdentityId"]), str(encryption["primaryKeyURI"])
