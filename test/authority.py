"""A certificate authority of the test's own: what a vendor's certificate is in the world, for names that a stand-in answers for."""
import ssl
import subprocess

DAYS = "2"


class Authority:
    """authority.file is what a client has to trust (PEM); authority.context(names) what a server of those names shows."""

    def __init__(self, directory):
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file = directory / "authority.pem"
        self.key = directory / "authority.key"
        self._issued = 0
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS, "-subj", "/CN=test authority",
                      "-keyout", self.key, "-out", self.file)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def issue(self, names):
        """(certificate file, key file) for DNS names and 127.0.0.1."""
        self._issued += 1
        stem = self.directory / f"server{self._issued}"
        certificate, key, request, extensions = (stem.with_suffix(end) for end in (".pem", ".key", ".csr", ".ext"))
        extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0][:64]}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", DAYS,
                      "-extfile", extensions, "-out", certificate)
        return certificate, key

    def context(self, names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(names))
        return context
