"""Content credentials (C2PA): a signed record, inside the file, that a picture is synthetic and who made it.

Signed last: encoding the picture again drops it, changing a byte breaks it. Where the package c2pa is not installed,
pictures carry text alone (see provenance.py).
"""

import importlib
import importlib.util
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from head3d import __version__
from head3d.errors import ConfigError
from head3d.export.certificate import Identity, own_anchor, own_identity, user_identity

MIME = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
}
"""Kinds of files that hold a manifest; WebM and other Matroska files have no place for one."""
State = Literal["trusted", "valid", "broken", "unsigned", "unreadable"]


@dataclass(frozen=True)
class SigningConfig:
    """Whether and as whom pictures are signed."""

    sign: Literal["auto", "off", "require"] = "auto"
    """auto: if c2pa-python and cryptography are installed; require: an error if they are not."""
    certificate: str = ""
    """Your certificate chain (PEM) instead of this machine's own authority."""
    key: str = ""
    """Its private key (PEM)."""


@dataclass(frozen=True)
class Verdict:
    """What a file's manifest says.

    Attributes:
        state: ``trusted``: unchanged, and its signer's authority is this machine's or one that was given; ``valid``:
            unchanged, by a signer nobody here knows; ``broken``: changed since, or its signature is wrong;
            ``unsigned``: no manifest; ``unreadable``: no such file, or none that can hold one.
        signer: Common name or organisation in the certificate.
        source_type: IPTC digital source type of how it was created.
        generator: The program, and its version.
        problems: C2PA's codes of what is wrong.
    """

    state: State
    signer: str = ""
    source_type: str = ""
    generator: str = ""
    problems: tuple[str, ...] = ()


def available() -> bool:
    """Whether pictures can be signed here."""
    return all(importlib.util.find_spec(name) is not None for name in ("c2pa", "cryptography"))


def identity_of(config: SigningConfig) -> Identity | None:
    """Who signs, None if nobody does."""
    if config.sign == "off":
        return None
    if bool(config.certificate) != bool(config.key):
        raise ConfigError("A certificate needs its key.", hint="Give certificate and key, or neither.")
    if not available():
        if config.sign == "auto" and not config.certificate:
            return None
        raise ConfigError("Pictures cannot be signed here.", hint="pip install c2pa-python cryptography")
    return user_identity(Path(config.certificate), Path(config.key)) if config.certificate else own_identity()


def signed(
    content: bytes, suffix: str, identity: Identity, *, source_type: str, facts: Mapping[str, str], title: str
) -> bytes:
    """A file's bytes with a manifest in them.

    Args:
        content: A whole file.
        suffix: Its kind (see ``MIME``).
        identity: Who signs.
        source_type: IPTC digital source type.
        facts: About the picture; nothing personal (see provenance.py).
        title: Of the manifest.
    """
    c2pa = importlib.import_module("c2pa")
    agent = {"name": "head3d", "version": __version__}
    created = {"action": "c2pa.created", "digitalSourceType": source_type, "softwareAgent": agent}
    manifest = {
        "claim_generator_info": [agent],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": "org.head3d.picture", "data": dict(facts)},
        ],
    }
    # the own authority's certificates are checked before signing; which is not on any public list
    settings = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_trust": False, **_OFFLINE}}
    algorithm = getattr(c2pa.C2paSigningAlg, identity.algorithm.upper())
    info = c2pa.C2paSignerInfo(alg=algorithm, sign_cert=identity.chain, private_key=identity.key, ta_url=None)
    target = io.BytesIO()
    try:
        with c2pa.Context(c2pa.Settings.from_dict(settings)) as context, c2pa.Signer.from_info(info) as signer:
            with c2pa.Builder(manifest, context) as builder:
                builder.sign(signer, MIME[suffix.lower()], io.BytesIO(content), target)
    except c2pa.C2paError as error:
        raise ConfigError(
            f"{title} cannot be signed with this certificate: {error}.",
            hint="It needs its chain, the usage digitalSignature, and the extended usage emailProtection.",
        ) from error
    return target.getvalue()


_OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}


def verify(path: Path, *, anchors: bytes = b"") -> Verdict:
    """Check a file's manifest, without any connection.

    Args:
        path: A picture or video.
        anchors: Certificates (PEM) of authorities to trust beside this machine's own.
    """
    if not available():
        raise ConfigError("Signatures cannot be checked here.", hint="pip install c2pa-python cryptography")
    c2pa = importlib.import_module("c2pa")
    mime = MIME.get(path.suffix.lower())
    if mime is None or not path.is_file():
        return Verdict("unreadable")
    trusted = b"\n".join(one for one in (own_anchor(), anchors) if one)
    settings: dict[str, Any] = {"verify": {"verify_trust": True, **_OFFLINE}}
    if trusted:
        settings["trust"] = {"user_anchors": trusted.decode("ascii", "replace")}
    try:
        with c2pa.Context(c2pa.Settings.from_dict(settings)) as context, path.open("rb") as stream:
            reader = c2pa.Reader.try_create(mime, stream, context=context)
            if reader is None:
                return Verdict("unsigned")
            with reader:
                return _verdict(json.loads(reader.json()))
    except (c2pa.C2paError, OSError, ValueError) as error:
        return Verdict("broken", problems=(str(error).splitlines()[0],))


def _verdict(found: Mapping[str, Any]) -> Verdict:
    manifest = found["manifests"][found["active_manifest"]]
    states: dict[str, State] = {"Trusted": "trusted", "Valid": "valid"}
    state = states.get(str(found.get("validation_state")), "broken")
    actions = [
        action
        for one in manifest.get("assertions", ())
        if str(one.get("label", "")).startswith("c2pa.actions")
        for action in one["data"].get("actions", ())
    ]
    source = next((str(one["digitalSourceType"]) for one in actions if "digitalSourceType" in one), "")
    info = (manifest.get("claim_generator_info") or [{}])[0]
    signature = manifest.get("signature_info") or {}
    failures = [one["code"] for one in found.get("validation_status", ()) if "code" in one]
    return Verdict(
        state,
        signer=str(signature.get("common_name") or signature.get("issuer") or ""),
        source_type=source,
        generator=f"{info.get('name', '')} {info.get('version', '')}".strip(),
        problems=tuple(failures) if state != "trusted" else (),
    )
