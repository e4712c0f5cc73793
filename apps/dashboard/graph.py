"""The dependency graph: as a picture and as a list, what there is to know about one node, and the picture as a file."""

from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

from apps.core.errors import DomainError
from apps.dashboard.access import PageRequest, page
from apps.dashboard.graph_node import panel_of, picture_of
from apps.dashboard.graph_page import told_of, wanted_of
from apps.dashboard.pictures import Picture, as_mermaid, as_svg
from apps.dashboard.respond import attempt, show
from apps.functions.graph import find_node, read_graph, select_drawable
from apps.workspaces.roles import Permission


@page(Permission.VIEW)
def graph(request: PageRequest) -> HttpResponse:
    whole = attempt(request, lambda: read_graph(actor=request.membership))
    if isinstance(whole, DomainError):
        return show(request, "graph/index.html", {"too_large": whole.message}, part="results")
    return show(request, "graph/index.html", told_of(request, whole), part="results")


@page(Permission.VIEW)
def graph_data(request: PageRequest) -> HttpResponse:
    """For the script that draws the picture: the same part of the graph as the page of the same query."""
    return JsonResponse(_picture(request).as_json())


@page(Permission.VIEW)
def graph_node(request: PageRequest) -> HttpResponse:
    """The panel beside the picture; empty while no key says of what."""
    key = request.GET.get("key", "")
    panel = None
    if key:
        whole = read_graph(actor=request.membership)
        panel = panel_of(whole, find_node(whole, key))
    return show(request, "graph/_panel.html", {"panel": panel})


@page(Permission.VIEW)
def graph_svg(request: PageRequest) -> HttpResponse:
    return _file(request, as_svg(_picture(request)), "svg", "image/svg+xml")


@page(Permission.VIEW)
def graph_mermaid(request: PageRequest) -> HttpResponse:
    return _file(request, as_mermaid(_picture(request)), "mmd", "text/plain; charset=utf-8")


def _file(request: PageRequest, text: str, ending: str, media_type: str) -> HttpResponse:
    response = HttpResponse(text, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{request.workspace.slug}-graph.{ending}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _picture(request: PageRequest) -> Picture:
    part = select_drawable(read_graph(actor=request.membership), wanted_of(request))
    title = f"What uses what in {request.workspace.name}"
    return picture_of(part, title=title, panel_url=reverse("graph-node", args=[request.workspace.slug]))


urlpatterns = [
    path("graph/", graph, name="graph"),
    path("graph/data", graph_data, name="graph-data"),
    path("graph/node", graph_node, name="graph-node"),
    path("graph/export.svg", graph_svg, name="graph-svg"),
    path("graph/export.mmd", graph_mermaid, name="graph-mermaid"),
]
