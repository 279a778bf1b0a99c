"""What a bucket's answers mean, in words that say what to do, without its credentials and its debug output."""

from __future__ import annotations

import re

from homa_shared.store.buckets import first_line

#: In the order in which they are looked for: what stands in an error's text, and what it means.
_MEANINGS = (
    ("ExpiredToken", "its credentials have expired: fetch new ones (for S3, `aws sso login` or a new session token)"),
    ("TokenRefreshRequired", "its credentials have expired: fetch new ones"),
    ("token is expired", "its credentials have expired: fetch new ones"),
    ("RequestTimeTooSkewed", "this machine's clock is wrong, so that its signatures are refused: set it"),
    ("NoSuchBucket", "there is no such bucket"),
    ("ContainerNotFound", "there is no such container"),
    ("InvalidAccessKeyId", "its access key is not known there"),
    ("SignatureDoesNotMatch", "its secret key is wrong"),
    ("without LOCATION", "it lies in another region: set AWS_REGION to the bucket's"),
    ("PermanentRedirect", "it lies in another region: set AWS_REGION to the bucket's"),
    ("AuthorizationHeaderMalformed", "it lies in another region: set AWS_REGION to the bucket's"),
    ("IllegalLocationConstraint", "it lies in another region: set AWS_REGION to the bucket's"),
    ("AccessDenied", "this process has no permission for it, with the credentials of its environment"),
    ("403 Forbidden", "this process has no permission for it, with the credentials of its environment"),
    (
        "lacked the necessary privileges",
        "this process has no permission for it, with the credentials of its environment",
    ),
    ("401 Unauthorized", "it wants other credentials than this process has"),
    ("lacked valid authentication", "it wants other credentials than this process has"),
)
#: What shows that this process found no credentials, and asked the machine in a cloud that it takes itself for.
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|instance.?metadata|ConfigCredential")
_WHERE = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for public buckets",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for public buckets",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true for public ones",
}


def meaning(error: Exception, scheme: str) -> str | None:
    """Why a bucket refuses this process for good; None where it might answer another time.

    Args:
        scheme: of the bucket's address.
    """
    text = str(error).partition("Debug source:")[0]
    found = next((what for sign, what in _MEANINGS if sign in text), None)
    if found is not None:
        return found
    if _NO_CREDENTIALS.search(text) or "must be specified" in text or "Missing" in text:
        return f"this process has no credentials for it: set {_WHERE[scheme]}"
    if "400 Bad Request" in text:
        return f"it refuses the request ({first_line(error)})"
    return None
