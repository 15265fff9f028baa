"""What all passes have done together, and what nginx has answered by its access log: sums for metrics that outlive a pruner.

    <cache>/prune/state         the member `totals` of what the pruner keeps
    <cache>/prune/answered      JSON: requests by answer, namespace and class of status, and how far the log was counted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from renderer.pruning.access_log import Replay
from renderer.pruning.log_lines import Logged
from renderer.pruning.log_positions import counts_beside


def added(totals: Any, evicted: Mapping[str, int], evicted_bytes: int, seconds: float = 0.0, passes: int = 0) -> dict[str, Any]:
    """`totals` as the state has them, whatever stands there, and one pass or emergency more."""
    before: dict[str, Any] = totals if isinstance(totals, dict) else {}
    reasons = Counter({str(reason): count for reason, count in dict(before.get("evicted") or {}).items()})
    reasons.update(evicted)
    return {
        "passes": before.get("passes", 0) + passes,
        "evicted": dict(reasons),
        "evicted_bytes": before.get("evicted_bytes", 0) + evicted_bytes,
        "seconds": round(before.get("seconds", 0.0) + seconds, 3),
    }


def count_answers(log: Path, folder: Path, served: Path, namespaces: Collection[str]) -> None:
    """Add what came to nginx's access log since the last time. OSError when it cannot be read, or the sums cannot be written;
    then nothing was counted. One at a time.

    A hit, a miss, or neither (`other`: refused, or no picture); of what namespace, where a file of it was looked up.
    """
    sums: Counter[str] = Counter()
    for logged in Replay(log, folder / "answered", beside=sums):
        answer = "miss" if logged.is_miss else "hit" if logged.is_visit else "other"
        sums[f"{answer} {_namespace(logged, f'{served}/', namespaces)} {logged.status // 100}xx"] += 1


def answers(folder: Path) -> dict[str, int]:
    """`<answer> <namespace> <class of status>` to how many; empty where nothing was counted."""
    return {key: count for key, count in counts_beside(folder / "answered").items() if key.count(" ") == 2}


def _namespace(logged: Logged, served: str, namespaces: Collection[str]) -> str:
    """files/<generation>/<namespace>/…"""
    if not logged.filename.startswith(served):
        return "none"
    name = logged.filename[len(served) :].split("/", 2)[1:2]
    return name[0] if name and name[0] in namespaces else "other"
