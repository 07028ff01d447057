"""Files of a workspace that nobody should trust."""

import json

ABOUT = {"name": "x", "pictures": "shapes", "created": 1, "preset": "mlp", "size": 16}


DEEP = "[" * 100_000


def run(workspace, name="x", about=None, saved=True, **files):
    """A run's folder as somebody may have made it; a value is a file's text or what it holds as JSON."""
    folder = workspace / "runs" / name
    folder.mkdir(parents=True)
    files["job.json"] = ABOUT if about is None else about
    for file, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / file.replace("_json", ".json")).write_text(text)
    if saved:
        (folder / "state.safetensors").touch()
    return folder


POISON = {
    "a command as the folder": {"folder": "pipe:touch harm; cat x.tar"},
    "a command as the name": {"pictures": "pipe:touch harm; cat x.tar"},
    "an address": {"pictures": "https://elsewhere.example/{00..11}.tar"},
    "a set of a library": {"pictures": "hf:somebody/something"},
    "an option": {"pictures": "--preset"},
    "a folder elsewhere": {"pictures": "/etc"},
    "a folder above": {"pictures": "../.."},
    "options": {"arguments": ["--from", "/etc/passwd", "--track", "wandb"], "limits": ["--out", "/srv"]},
    "a plan with a path": {"plan": {"pictures": "shapes", "settings": {"data.themes": "/etc/passwd"}}},
    "a plan with a preset's file": {"plan": {"pictures": "shapes", "preset": "/etc/passwd.toml"}},
    "a plan with a model elsewhere": {"plan": {"pictures": "shapes", "begin_with": "/etc"}},
    "a plan with what is not known": {"plan": {"pictures": "shapes", "track": "wandb"}},
    "a plan without end": {"plan": {"pictures": "shapes", "minutes": 1e999}},
}  # fmt: skip


DAMAGED = {
    "no JSON": "rubbish", "nested": DEEP, "a list": [], "half": '{"name": "x", "pict',
    "types": ABOUT | {"name": []},
    "endless": ABOUT | {"created": float("inf")}, "long": ABOUT | {"name": "x" * 2_000_000},
    "a number of its own": ABOUT | {"size": 10**30}, "nothing": "",
}  # fmt: skip


BESIDE = {
    "a surrogate": {"about": ABOUT | {"name": "\ud800", "preset": "\udfff"}},
    "process types": {"process_json": {"pid": "x", "began": []}},
    "process range": {"process_json": {"pid": 10**30, "began": "x"}},
    "process nested": {"process_json": DEEP},
    "config nested": {"config_json": DEEP},
    "events": {"events.jsonl": f'{DEEP}\n{{"event": "progress", "images_seen": "x"}}\n{{"event": []}}\n'
        '{"event": "stopped", "unix_time": [], "condition": {}}\n{"event": "a", "images_seen": 1e999}\n'},
}  # fmt: skip
