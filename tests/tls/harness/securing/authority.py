"""A certificate authority of the test's own."""

from datetime import UTC, timedelta
from pathlib import Path

from common.clock import SystemClock
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from devstack.security import HOST


class Authority:
    """A CA that lives as long as the test, and what it signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test CA")
        self.ca = folder / "ca.crt"
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        signed = self._sign(
            self._name,
            self._key,
            [(x509.BasicConstraints(True, 0), True), (usage, True)],
        )
        self.ca.write_bytes(signed)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key, good for the host that everything runs on."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate.write_bytes(
            self._sign(
                _name(name),
                key,
                [
                    (x509.SubjectAlternativeName([x509.DNSName(HOST)]), False),
                    (x509.ExtendedKeyUsage(both), False),
                    (x509.BasicConstraints(False, None), True),
                ],
            )
        )
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> bytes:
        now = SystemClock().now().astimezone(UTC)
        authority = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
