"""What the API does with generations."""

from __future__ import annotations

from sync_async._request import CREATE_PATH, Answer, Endpoint, Repeat
from sync_async.types.generations import EstimatedGenerationCost, Generation

CREATE = Endpoint[Generation]("POST", CREATE_PATH, Repeat.KEYED, Generation)
GET = Endpoint[Generation]("GET", "/v2/generate/{id}", Repeat.SAFE, Generation)
LIST = Endpoint[list[Generation]]("GET", "/v2/generations", Repeat.SAFE, list[Generation])
ESTIMATE = Endpoint[list[EstimatedGenerationCost]](
    "POST", "/v2/analyze/cost", Repeat.SAFE, list[EstimatedGenerationCost], one_or_many=True
)
LINK = Endpoint[str]("GET", "/v2/generations/{id}/download", Repeat.SAFE, answer=Answer.TEXT)
