"""The S3 client has what uploads in parts are made of; one that has not is named when the store is opened."""

from __future__ import annotations

import inspect

import pytest
from minio import Minio

from storage.errors import ObjectClientUnsupportedError
from storage.objects.s3_multipart import require_known_client


def test_the_installed_client_has_the_requests_that_uploads_in_parts_are_made_of() -> None:
    require_known_client()


def test_a_client_without_them_is_refused_by_name_and_version() -> None:
    class Newer(Minio):
        _list_parts = None

        def _upload_part(self, bucket: str, key: str) -> str:
            raise NotImplementedError

    with pytest.raises(ObjectClientUnsupportedError) as refusal:
        require_known_client(Newer, "8.0.0")

    assert (refusal.value.client, refusal.value.methods) == ("minio 8.0.0", ("_upload_part", "_list_parts"))


def test_no_other_module_reaches_behind_the_client() -> None:
    from storage.objects import s3, s3_uploads

    for module in (s3, s3_uploads):
        assert "client._" not in inspect.getsource(module)
