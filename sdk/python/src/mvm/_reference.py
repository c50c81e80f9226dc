"""OCI references, read as the compiler reads them: what is wrong with one, fit to follow "because "."""

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_TAG = _LOWER + _LOWER.upper() + "_.-"


def misfit(text: "str") -> "str | None":
    """Why a text is no reference, or `None`."""
    if not text:
        return "it is empty"
    if "://" in text:
        return "it is a URL; a reference has no scheme"
    if any(c.isspace() for c in text):
        return "it holds white space"
    rest, at, digest = text.partition("@")
    why = wrong_digest(digest) if at else None
    if why:
        return why
    directory, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and (not tag or len(tag) > 128 or tag.strip(_TAG) or tag[0] in ".-"):
        return "its tag is not letters, digits, `_`, `.` and `-`"
    return _wrong_name(directory + slash + last)


def _wrong_name(name: "str") -> "str | None":
    if not 0 < len(name.encode()) <= 255:
        return "it has no name, or one longer than 255 characters"
    host, slash, path = name.partition("/")
    parts = name.split("/")
    if (slash and any(c in host for c in ".:")) or host == "localhost":
        if not (host.rpartition(":")[0] if ":" in host else host):
            return "its registry has no host"
        parts = path.split("/") if slash else []
    for part in parts:
        if any("A" <= c <= "Z" for c in part):
            return "a repository's name is in lower case"
        if not part or part[0] not in _LOWER or part[-1] not in _LOWER or part.strip(_LOWER + "._-"):
            held = "a\u2013z, 0\u20139 and single `.`, `_`, `-` between them"
            return f"a part of its name is empty or holds more than {held}"
    return None


def wrong_digest(digest: "str") -> "str | None":
    """Why a text pins no image, or `None`."""
    if not digest.startswith("sha256:"):
        return "its digest does not begin with `sha256:`"
    if len(digest.encode()) != 71:
        return "its digest does not have the algorithm's length (64 hex digits for sha256)"
    if digest[7:].strip("0123456789abcdef"):
        return "its digest is not lower-case hex"
    return None
