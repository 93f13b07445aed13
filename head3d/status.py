"""What is done in a subject folder, for people and for programs."""

from pathlib import Path
from typing import Any

from head3d.console import format_seconds
from head3d.errors import FormatError
from head3d.stages import Stage
from head3d.subject import Subject


def status_of(path: Path) -> dict[str, Any]:
    """Stages with their state, seconds and memory; photos with their verdicts; consent; where the results are."""
    from head3d.pipeline import STAGES

    subject = Subject(path).require()
    ledger = subject.ledger()
    return {
        "subject": str(path),
        "created": ledger.created,
        "consent": vars(ledger.consent),
        "photos": _photos(subject),
        "stages": {stage.name: _stage(subject, stage) for stage in STAGES},
        "contact_sheet": str(subject.contact_sheet) if subject.contact_sheet.exists() else None,
        "report": str(subject.report) if subject.report.exists() else None,
        "megabytes": round(sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) / 1e6, 1),
    }


def status_text(status: dict[str, Any]) -> str:
    """The same for a person."""
    consent = status["consent"]
    agreed = f"consent by {consent['by']} on {consent['date']} ({consent['scope']})"
    lines = [f"{status['subject']}: {status['megabytes']} MB, {agreed}"]
    for photo in status["photos"]:
        note = "; ".join(photo["reasons"] or photo["warnings"])
        lines.append(
            f"  {'used    ' if photo['accepted'] else 'not used'}  {photo['name']}" + (f": {note}" if note else "")
        )
    for name, stage in status["stages"].items():
        words = [stage["state"]]
        if stage["seconds"] is not None:
            words.append(f"{format_seconds(stage['seconds'])}, {stage['peak_rss_mb']:.0f} MB on {stage['device']}")
        if stage["damaged"]:
            words.append(f"{stage['damaged'][0]} is missing or was edited")
        lines.append(f"  {name:<11} {', '.join(words)}")
    if status["contact_sheet"]:
        lines.append(f"contact sheet: {status['contact_sheet']}")
    if status["report"]:
        lines.append(f"report:        {status['report']}")
    return "\n".join(lines)


def _stage(subject: Subject, stage: Stage) -> dict[str, Any]:
    ledger = subject.ledger()
    record = ledger.stages.get(stage.name)
    if record is None:
        return {"state": "to do", "seconds": None, "peak_rss_mb": None, "device": None, "damaged": []}
    damaged = subject.damaged(record)
    state = "damaged" if damaged else "done" if record.version == stage.version else "out of date"
    return {
        "state": state,
        "seconds": record.seconds,
        "peak_rss_mb": record.peak_rss_mb,
        "device": record.device,
        "damaged": damaged,
    }


def _photos(subject: Subject) -> list[dict[str, Any]]:
    try:
        verdicts = subject.verdicts()
    except FormatError:  # not read yet, or damaged: the stages say so
        return []
    return [
        {"name": one.name, "accepted": one.accepted, "reasons": list(one.reasons), "warnings": list(one.warnings)}
        for one in verdicts
    ]
