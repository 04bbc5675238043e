"""Plain HTTP for tests."""

import ssl
from typing import Final

# An httpx client reads all certificates that the machine trusts, 20 to 50 ms of work, whether or
# not it will ever meet one. Ours ask loopback, without TLS: they are given this, and trust nobody.
TRUSTS_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
