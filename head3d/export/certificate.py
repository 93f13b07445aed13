"""Who signs: a certificate authority of this machine's own, made at its first use, or the user's certificate.

The own authority proves that a picture was made by this head3d and not changed since; nobody else trusts it by itself.
It names no person and no machine. Keys never leave ``HEAD3D_HOME/provenance``, which only its owner may read.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from head3d import store, weights
from head3d.errors import ConfigError, optional_package

Algorithm = Literal["es256", "es384", "es512", "ps256", "ed25519"]
YEARS = 20
"""Pictures carry no time stamp of an authority (none is asked, nothing leaves the machine), so a signature is good as
long as its certificate."""
LEAF_LEFT = timedelta(days=3650)
"""A new certificate is made when the old one has less left."""


@dataclass(frozen=True)
class Identity:
    """What a signature is made with.

    Attributes:
        chain: Certificates in PEM: the signer's first, then its authority's.
        key: Private key in PEM (PKCS 8).
        algorithm: That fits the key.
    """

    chain: bytes
    key: bytes
    algorithm: Algorithm


def folder() -> Path:
    """Where the machine's own authority lies."""
    return weights.home() / "provenance"


def own_anchor() -> bytes | None:
    """The certificate of the machine's own authority (PEM), None before its first use."""
    path = folder() / "ca.pem"
    return path.read_bytes() if path.is_file() else None


def own_identity() -> Identity:
    """The machine's own, made if it is not there."""
    place = store.make_folder(folder())
    with store.disk_errors(place):
        place.chmod(0o700)
    with store.waiting_lock(place):
        names = ("ca.pem", "ca.key", "chain.pem", "leaf.key")
        if not all((place / name).is_file() for name in names):
            _make_authority(place)
        elif _left(place / "chain.pem") < LEAF_LEFT:
            _make_leaf(place)
        return Identity((place / "chain.pem").read_bytes(), (place / "leaf.key").read_bytes(), "es256")


def user_identity(certificate: Path, key: Path) -> Identity:
    """The user's own certificate chain and key, both PEM."""
    serialization = _part("hazmat.primitives.serialization")
    asymmetric = "hazmat.primitives.asymmetric"
    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        _part("x509").load_pem_x509_certificates(chain)
        loaded = serialization.load_pem_private_key(secret, password=None)
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}.", hint="Check the paths of certificate and key."
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{certificate} and {key} are no certificate and key: {error}.",
            hint="Both must be PEM, the key without a password.",
        ) from error
    match loaded:
        case _ if isinstance(loaded, _part(f"{asymmetric}.ec").EllipticCurvePrivateKey):
            algorithm: Algorithm | None = {256: "es256", 384: "es384", 521: "es512"}.get(loaded.curve.key_size)  # type: ignore[assignment]
        case _ if isinstance(loaded, _part(f"{asymmetric}.rsa").RSAPrivateKey):
            algorithm = "ps256"
        case _ if isinstance(loaded, _part(f"{asymmetric}.ed25519").Ed25519PrivateKey):
            algorithm = "ed25519"
        case _:
            algorithm = None
    if algorithm is None:
        raise ConfigError(f"{key}: this kind of key cannot sign pictures.", hint="Use P-256, RSA or Ed25519.")
    pkcs8 = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(chain, pkcs8, algorithm)


def _make_authority(place: Path) -> None:
    """A root certificate, and the one that signs."""
    key = _new_key()
    name = _name("head3d local authority")
    made = _certificate(name, name, key.public_key(), key, authority=True)
    _write(place / "ca.key", _key_pem(key))
    _write(place / "ca.pem", _pem(made))
    _make_leaf(place)


def _make_leaf(place: Path) -> None:
    x509, serialization = _part("x509"), _part("hazmat.primitives.serialization")
    root = x509.load_pem_x509_certificate((place / "ca.pem").read_bytes())
    root_key = serialization.load_pem_private_key((place / "ca.key").read_bytes(), password=None)
    key = _new_key()
    made = _certificate(_name("head3d pictures"), root.subject, key.public_key(), root_key, authority=False)
    _write(place / "leaf.key", _key_pem(key))
    _write(place / "chain.pem", _pem(made) + _pem(root))


def _certificate(subject: Any, issuer: Any, public: Any, signer: Any, *, authority: bool) -> Any:
    """X.509 v3 as C2PA's profile asks: key usage, extended key usage, key identifiers."""
    x509, hashes = _part("x509"), _part("hazmat.primitives.hashes")
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        kinds = [x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION]
        builder = builder.add_extension(x509.ExtendedKeyUsage(kinds), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(common: str) -> Any:
    x509 = _part("x509")
    parts = ((x509.oid.NameOID.ORGANIZATION_NAME, "head3d"), (x509.oid.NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _new_key() -> Any:
    ec = _part("hazmat.primitives.asymmetric.ec")
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: Any) -> bytes:
    serialization = _part("hazmat.primitives.serialization")
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: Any) -> bytes:
    return certificate.public_bytes(_part("hazmat.primitives.serialization").Encoding.PEM)


def _left(path: Path) -> timedelta:
    try:
        return _part("x509").load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - datetime.now(UTC)
    except ValueError:
        return timedelta(0)


def _write(path: Path, content: bytes) -> None:
    """A file only its owner may read, from its first byte on."""
    draft = path.with_suffix(".tmp")
    with store.disk_errors(path):
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        draft.replace(path)


def _part(name: str) -> Any:
    needs = "To sign pictures two more packages are needed."
    return optional_package(f"cryptography.{name}", needs, hint="pip install c2pa-python cryptography")
