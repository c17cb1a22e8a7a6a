"""The strategy paper's shape: a field and its type."""

import base64

import pytest
from cryptography.fernet import Fernet

from memory.encryption.cipher import FieldCipher
from memory.encryption.errors import Undecryptable
from memory.encryption.mission import MemoryFieldEncryption
from memory.encryption.ring import Ring
from tests.memory.encryption.test_cipher import NEW, OLD, OTHER_ROW, ROW

FIELDS = MemoryFieldEncryption(FieldCipher(Ring([OLD, NEW])))


@pytest.mark.parametrize("field_type", ["pii", "phi", "secret"])
def test_encrypts_sensitive_types(field_type: str) -> None:
    text = FIELDS.encrypt_field("Ada", field_type)
    assert "Ada" not in text
    assert FIELDS.decrypt_field(text, field_type) == "Ada"


@pytest.mark.parametrize("field_type", ["topic", "", "PII"])
def test_passes_other_types_through(field_type: str) -> None:
    assert FIELDS.encrypt_field("Ada", field_type) == "Ada"
    assert FIELDS.decrypt_field("Ada", field_type) == "Ada"


def test_a_value_is_bound_to_its_type_and_row() -> None:
    here = MemoryFieldEncryption(FIELDS.cipher, ROW)
    text = here.encrypt_field("Ada", "pii")
    assert here.decrypt_field(text, "pii") == "Ada"
    for other, kind in (
        (here, "phi"),
        (FIELDS, "pii"),
        (MemoryFieldEncryption(FIELDS.cipher, OTHER_ROW), "pii"),
    ):
        with pytest.raises(Undecryptable, match="another place"):
            other.decrypt_field(text, kind)


@pytest.mark.parametrize("key", [OLD, NEW])
def test_reads_the_papers_own_tokens_with_any_key(key: object) -> None:
    assert key in {OLD, NEW}
    material = OLD.material if key is OLD else NEW.material
    token = Fernet(base64.urlsafe_b64encode(material)).encrypt(b"Ada").decode()
    assert FIELDS.decrypt_field(token, "pii") == "Ada"


STRANGERS = Fernet(Fernet.generate_key()).encrypt(b"x").decode()


@pytest.mark.parametrize("text", ["", "Ada", STRANGERS], ids=["nothing", "clear", "another key"])
def test_refuses_what_no_key_made(text: str) -> None:
    with pytest.raises(Undecryptable, match="none of the ring's keys made it"):
        FIELDS.decrypt_field(text, "pii")
