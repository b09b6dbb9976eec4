"""A test authority, since clients refuse plain http."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """A test authority and a key with its certificate for localhost: (authority, server)."""
    now = datetime.now(UTC)

    def build(name: str, key, issuer: str, signer, *, authority: bool):
        subject, by = (
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
            for text in (name, issuer)
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(signer, hashes.SHA256())
        )

    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    authority = folder / "authority.pem"
    authority.write_bytes(build("test", root, "test", root, authority=True).public_bytes(pem))
    server = folder / "server.pem"
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server.write_bytes(
        key + build("localhost", own, "test", root, authority=False).public_bytes(pem)
    )
    return authority, server
