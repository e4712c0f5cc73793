"""The dependency graph: what uses what, and what is wrong with it."""

from ninja import Query, Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.graph_schemas import GraphOut, GraphWanted
from apps.functions.graph import read_graph, select_drawable

router = Router()


@router.get("", response=GraphOut, summary="The dependency graph, or the part of it that is asked for")
@in_scope
def show(request: ApiRequest, wanted: Query[GraphWanted]) -> GraphOut:
    return GraphOut.of(select_drawable(read_graph(actor=request.membership), wanted.selection()))
