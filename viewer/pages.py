"""Files of the page."""

from importlib import resources

from fastapi.responses import JSONResponse, Response

TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def page_file(name: str) -> Response:
    """A file of the page by its name; 404 for any other name."""
    folder = resources.files("head3d.viewer") / "page"
    known = {one.name: one for one in folder.iterdir()}
    if name not in known:
        return JSONResponse({"error": "There is no such page.", "hint": ""}, status_code=404)
    return Response(known[name].read_bytes(), media_type=TYPES.get(name.rpartition(".")[2], "text/plain"))
