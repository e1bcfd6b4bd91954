"""Names of what is no recording and no file of anybody's making: marks of systems, programs and downloads."""

from __future__ import annotations

import re

HIDDEN = "hidden files and folders (names that begin with .)"
UNDER_WAY = "downloads and uploads under way (.part, .crdownload, .tmp, …)"

_RULES: tuple[tuple[str, str], ...] = (
    (
        "files of Windows, macOS, a NAS or a desktop (@eaDir, Thumbs.db, $RECYCLE.BIN, …)",
        r"@(eadir|recycle|recently-snapshot|sharebin|tmp)|[#@~]snapshots?|#recycle|\$recycle\.bin|recycler"
        r"|system volume information|(eh)?thumbs(_vista)?\.db|desktop\.ini|icon[\r\uf00d]?|__macosx"
        r"|network trash folder|temporary items|\$mft.*|pagefile\.sys|syno(eastream|resource|filesystem).*"
        r"|.*[:\uf03a](zone\.identifier|smartscreen|afp_.*|com\.apple\..*|com\.dropbox\..*|encryptable)"
        r"([:\uf03a]\$data)?|.*@syno(eastream|resource)",
    ),
    (
        "files of Spark and Hadoop (_SUCCESS, _delta_log, …)",
        r"_(success|temporary|metadata|common_metadata|delta_log"
        r"|spark_metadata|committed_.*|started_.*|\$folder\$)|.*_\$folder\$|.*\._copying_",
    ),
    (
        UNDER_WAY,
        r".*\.(part|partial|filepart|crdownload|download|opdownload|downloading|uploading|inprogress|incomplete"
        r"|tmp|temp|aria2|ytdl|dtapart|bc!|!ut|!qb|!bt|fdmdownload|td|idm)|.*\.part\d+|.*\.part-frag\d+.*|~\$.*",
    ),
    (HIDDEN, r"\..*"),
)
_COMPILED = tuple((what, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for what, pattern in _RULES)


def clutter(name: str) -> str | None:
    """Return what a file or folder of this name is, in the plural, if it is clutter; None if it is not.

    The names are those that NAS and operating systems, browsers, file transfers and Spark give.
    """
    return next((what for what, pattern in _COMPILED if pattern.fullmatch(name)), None)
