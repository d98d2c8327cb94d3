"""Certificates and keys for the tests, made by the cryptography package: its OpenSSL is not the daemon's."""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def make_key(kind="ec"):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind))


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_cert(key, names=("localhost", "127.0.0.1"), begin=-DAY, end=DAY, issuer=None, common_name="tandem test",
              digest=hashes.SHA256()):
    """Signed by issuer (certificate, key), else by itself."""
    now = datetime.datetime.now(datetime.timezone.utc)
    signer, signer_key = issuer if issuer else (None, key)
    alternatives = []
    for n in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(n)))
        except ValueError:
            alternatives.append(x509.DNSName(n))
    return (x509.CertificateBuilder()
            .subject_name(name_of(common_name))
            .issuer_name(signer.subject if signer else name_of(common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin).not_valid_after(now + end)
            .add_extension(x509.SubjectAlternativeName(alternatives), False)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
            .sign(signer_key, digest))


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def key_pem(key, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def write(path, data, mode=0o600):
    path.write_bytes(data)
    path.chmod(mode)
    return path


class Pair:
    """A certificate of an authority of its own and its key, as files."""

    def __init__(self, folder, **more):
        authority_key = make_key()
        self.authority = make_cert(authority_key, (), common_name="tandem test authority")
        self.key = make_key()
        self.chain = make_cert(self.key, issuer=(self.authority, authority_key), **more)
        self.cert_path = write(folder / "cert.pem", pem(self.chain), 0o644)
        self.key_path = write(folder / "key.pem", key_pem(self.key))
        self.authority_path = write(folder / "authority.pem", pem(self.authority), 0o644)

    def settings(self):
        return [f"tls_cert={self.cert_path}", f"tls_key={self.key_path}"]

    def client(self):
        return ssl.create_default_context(cafile=str(self.authority_path))
