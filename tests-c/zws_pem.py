"""Certificates for peers in Python, and the options that take them."""

import os
import re

# Numbers of the draft API.
WSS_KEY_PEM, WSS_CERT_PEM, WSS_TRUST_PEM, WSS_HOSTNAME = 103, 104, 105, 106


def pem(name):
    """A text of certificates.h."""
    with open(os.path.join(os.path.dirname(__file__), "certificates.h"), encoding="ascii") as header:
        found = re.search(r"char %s\[\] =(.*?);" % name, header.read(), re.S)
    return "".join(re.findall(r'"(.*?)"', found.group(1))).replace("\\n", "\n")
