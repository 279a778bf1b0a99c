"""The blob store: a directory or a bucket; what is missing or wrong is named."""

from __future__ import annotations

import builtins
import stat
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from homa_shared.model.errors import ConfigError, MissingExtra
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.blobs import Blobs, BlobsUnavailable, ObjectBlobs, blobs_at, new_path, open_blobs


def settings(home: Path, **env: str) -> Settings:
    return load_settings(env={"HOMA_HOME": str(home), **env}, cwd=home)


@pytest.fixture(params=["directory", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return blobs_at((tmp_path / "blobs").as_uri() if request.param == "directory" else "memory:///")


def test_bytes_come_back(blobs: Blobs) -> None:
    blobs.put("homa/ab/abc-1", b"\0image")
    assert blobs.get("homa/ab/abc-1") == b"\0image"
    assert blobs.get("homa/ab/none") is None


def test_blobs_are_listed_by_the_beginning_of_their_path_and_deleted(blobs: Blobs) -> None:
    for path in ("homa/ab/one-1", "homa/cd/two-2", "homa2/x"):
        blobs.put(path, b"12")
    found = {listed.path: listed.bytes for some in blobs.listing("homa") for listed in some}
    assert found == {"homa/ab/one-1": 2, "homa/cd/two-2": 2}
    blobs.delete("homa/ab/one-1")
    blobs.delete("homa/ab/one-1")
    assert [listed.path for some in blobs.listing("homa") for listed in some] == ["homa/cd/two-2"]


async def test_bytes_come_back_on_a_loop_and_go_for_good(blobs: Blobs) -> None:
    await blobs.put_async("p", b"1")
    assert await blobs.get_async("p") == b"1"
    await blobs.delete_async("p")
    await blobs.delete_async("p")
    assert await blobs.get_async("p") is None


def test_each_upload_has_a_path_of_its_own() -> None:
    first, second = new_path("homa", "ab12"), new_path("homa", "ab12")
    assert first.startswith("homa/ab/ab12-")
    assert first != second


def test_beside_an_embedded_store_blobs_live_in_its_home_for_its_owner_only(tmp_path: Path) -> None:
    found = open_blobs(settings(tmp_path))
    assert found is not None
    found.put("x", b"1")
    assert (tmp_path / "blobs" / "x").read_bytes() == b"1"
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700


def test_with_a_store_elsewhere_and_nothing_set_there_is_none(tmp_path: Path) -> None:
    assert open_blobs(settings(tmp_path, HOMA_REDIS_URL="redis://10.0.0.1")) is None


def test_a_directory_is_set_by_its_path(tmp_path: Path) -> None:
    given = settings(tmp_path, HOMA_REDIS_URL="redis://10.0.0.1", HOMA_BLOBS=str(tmp_path / "my blobs"))
    found = open_blobs(given)
    assert found is not None
    found.put("x", b"1")
    assert (tmp_path / "my blobs" / "x").exists()


def test_a_scheme_that_nobody_knows_is_refused_with_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)blobs.*HOMA_BLOBS.*expected a directory, or s3://"):
        settings(tmp_path, HOMA_BLOBS="ftp://host/blobs")


def test_buckets_of_three_clouds_are_opened_without_a_word_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    for url in ("s3://bucket/prefix", "az://container/prefix"):
        assert blobs_at(url).url == url


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as an upload needs, over plain http."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"any"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_an_endpoint_of_ones_own_may_speak_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "any")
        blobs_at("s3://bucket").put("p", b"1")
        server.shutdown()
        thread.join()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/blobs.*cannot be opened"):
        blobs_at((tmp_path / "file" / "blobs").as_uri())


@pytest.fixture
def without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("obstore"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_missing_part_names_its_install_line(without_obstore: None, tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"s3://bucket.*pip install 'homa-queue\[blobs\]'"):
        open_blobs(settings(tmp_path, HOMA_BLOBS="s3://bucket"))


def test_without_it_and_without_a_setting_media_stay_in_the_embedded_store(
    without_obstore: None, tmp_path: Path
) -> None:
    assert open_blobs(settings(tmp_path)) is None


async def test_a_store_that_is_away_says_what_to_check(tmp_path: Path) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise OSError("no route to host\nDebug source: secrets")

    blobs = ObjectBlobs("s3://bucket", Away())
    blobs._obstore = Away()  # type: ignore[assignment]
    for call in (
        lambda: blobs.put("p", b""),
        lambda: blobs.get("p"),
        lambda: blobs.delete("p"),
        lambda: list(blobs.listing("homa")),
    ):
        with pytest.raises(BlobsUnavailable, match="s3://bucket cannot be used: no route to host; check HOMA_BLOBS"):
            call()
    for answer in (blobs.put_async("p", b""), blobs.get_async("p"), blobs.delete_async("p")):
        with pytest.raises(BlobsUnavailable) as caught:
            await answer
        assert "secrets" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://AKIA:SECRET@bucket/x?sig=SECRET", "nowhere://me:SECRET@bucket/x"])
def test_credentials_in_an_address_are_shown_nowhere(url: str) -> None:
    try:
        said = blobs_at(url).url
    except ConfigError as error:
        said = str(error)
    assert "bucket/x" in said
    assert "SECRET" not in said
