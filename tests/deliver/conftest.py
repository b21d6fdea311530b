"""Certificates and logs for tests of destinations."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.smtp import (
    Certificates,
    make_certificates,
)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture
def ca_file(certificates: Certificates, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def only_our_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Silence aiosmtpd, and capture the client's logs at DEBUG."""
    logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
    with caplog.at_level(logging.DEBUG):
        yield
    logging.getLogger("mail").setLevel(logging.NOTSET)
