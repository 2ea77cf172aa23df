"""The app: pages on the patients of the latest run, the report, and two answers in JSON.

Every page is read-only and made on the server from the results; no page changes anything.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from omop_scorer.errors import OmopScorerError, ScoringError
from omop_scorer.results.patient_record import PAGE_ROWS
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide
from omop_scorer.web.access_log import AccessLog
from omop_scorer.web.api import patient_document, score_document
from omop_scorer.web.frame import own_file, policy_of
from omop_scorer.web.guard import App, report
from omop_scorer.web.lookup import Lookup
from omop_scorer.web.openapi import description
from omop_scorer.web.patient_page import SCRIPTS, render_patient
from omop_scorer.web.start_page import filters_of, groups_of, render_message, render_start

_PERSON_ID = re.compile(r"-?[0-9]{1,19}", re.ASCII)

_PAGE = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)

#: The report has its style in attributes too, and neither scripts nor links.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)

_NOT_FOUND = "Not found, or not for you."

_RETRY_SECONDS = "60"

_Page: TypeAlias = Callable[[Request], Response]


class NotFoundError(Exception):
    """The page does not exist, or is not for this user."""


class Pages:
    """The pages of the app."""

    def __init__(self, lookup: Lookup, log: AccessLog) -> None:
        self._lookup = lookup
        self._log = log

    def start(self, request: Request) -> Response:
        """Show the search and a page of the work list."""
        query = request.query_params
        wanted = query.get("page", "1")
        page = int(wanted) if _PAGE.fullmatch(wanted) else 1
        found = self._lookup.work_list(
            lambda run: filters_of(query, groups_of(self._lookup.model(run))),
            PAGE_ROWS * (page - 1),
        )
        text = render_start(found, self._lookup.model(found.run), page, _today())
        persons = [row["person_id"] for row in found.rows]
        self._write(request, "list", persons, "shown", found.run.run_id)
        return _html(text)

    def search(self, request: Request) -> Response:
        """Go to the page of a patient."""
        person_id = _person_id(request.query_params.get("person_id", "").strip())
        return RedirectResponse(f"/patients/{person_id}", 303)

    def patient(self, request: Request) -> Response:
        """Show one patient."""
        person_id = _person_id(request.path_params["person_id"])
        run, record = self._lookup.record(person_id)
        if record is None:
            self._write(request, "patient", [person_id], "not found", run.run_id)
            raise NotFoundError
        text = render_patient(record, self._lookup.model(run), _today(), is_served=True)
        self._write(request, "patient", [person_id], "shown", run.run_id)
        return _html(text, SCRIPTS)

    def api_patient(self, request: Request) -> Response:
        """Return one patient as JSON."""
        person_id = _person_id(request.path_params["person_id"])
        run, record = self._lookup.record(person_id)
        outcome = "not found" if record is None else "shown"
        document = record and patient_document(record, self._lookup.model(run))
        self._write(request, "api", [person_id], outcome, run.run_id)
        if document is None:
            raise NotFoundError
        return JSONResponse(document)

    async def api_score(self, request: Request) -> Response:
        """Score one patient of a JSON body."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return _problems(415, "the content type is not application/json")
        try:
            content = json.loads(
                await request.body(),
                parse_constant=_refuse_constant,
                object_pairs_hook=_unique,
            )
        except (ValueError, RecursionError):
            return _problems(422, "the body is not JSON, or has a name twice")
        try:
            return JSONResponse(score_document(content))
        except ScoringError as error:
            return _problems(422, *error.problems)

    def report(self, request: Request) -> Response:
        """Show the report of the run."""
        del request
        page = self._lookup.report()
        return HTMLResponse(page, headers={"content-security-policy": _REPORT_POLICY})

    def health(self, request: Request) -> Response:
        """Return whether the nightly runs succeed: 200 or 503."""
        del request
        found = self._lookup.health()
        return JSONResponse(found, 200 if found["is_healthy"] else 503)

    def openapi(self, request: Request) -> Response:
        """Return the description of the two answers in JSON."""
        del request
        return JSONResponse(description())

    def _write(
        self,
        request: Request,
        page: str,
        person_ids: Sequence[int],
        outcome: str,
        run_id: int,
    ) -> None:
        self._log.write(
            user=request.scope["omop_scorer.user"],
            client=request.scope["omop_scorer.address"],
            page=page,
            person_ids=person_ids,
            outcome=outcome,
            run_id=run_id,
        )


def application(lookup: Lookup, log: AccessLog) -> App:
    """Return the app without its guard."""
    pages = Pages(lookup, log)
    routes = [
        Route("/", _safe(pages.start)),
        Route("/patients", _safe(pages.search)),
        Route("/patients/{person_id}", _safe(pages.patient)),
        Route("/report", _safe(pages.report)),
        Route("/health", _safe(pages.health)),
        Route("/openapi.json", _safe(pages.openapi)),
        Route("/api/patients/{person_id}", _safe(pages.api_patient)),
        Route("/api/score", pages.api_score, methods=["POST"]),
    ]

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = getattr(error, "headers", None)
        text = _NOT_FOUND if status == 404 else "This page cannot be asked for in this way."
        return _message(request, status, "Not found" if status == 404 else "Refused", text, headers)

    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    app.router.redirect_slashes = False
    return app


def _safe(page: _Page) -> _Page:
    """Turn every failure of a page into a reply that shows no value of a patient."""

    @wraps(page)
    def safe(request: Request) -> Response:
        try:
            return page(request)
        except NotFoundError:
            return _message(request, 404, "Not found", _NOT_FOUND)
        except OmopScorerError as error:
            for problem in error.problems:
                sys.stderr.write(f"error: {one_line(hide(problem))}\n")
            text = (
                "The results cannot be read now, perhaps because a run is writing them. Try again."
            )
            wait = {"retry-after": _RETRY_SECONDS}
            return _message(request, 503, "Try again later", text, wait)
        except Exception as error:
            report(error)
            text = "The page cannot be shown. Who runs omop-scorer finds the reason in its log."
            return _message(request, 500, "Failed", text)

    return safe


def _message(request: Request, status: int, title: str, text: str, headers: Any = None) -> Response:
    if request.url.path.startswith(("/api/", "/health", "/openapi.json")):
        return JSONResponse({"problems": [text]}, status, headers=headers)
    response = _html(render_message(title, text))
    response.status_code = status
    response.headers.update(headers or {})
    return response


def _html(text: str, scripts: Sequence[str] = ()) -> Response:
    policy = policy_of([own_file(name) for name in scripts])
    return HTMLResponse(text, headers={"content-security-policy": policy})


def _problems(status: int, *problems: str) -> Response:
    return JSONResponse({"problems": list(problems)}, status)


def _person_id(text: str) -> int:
    if not _PERSON_ID.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise NotFoundError
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears more than once")
    return found


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and infinities are not JSON")


def _today() -> Any:
    return datetime.now(UTC).date()
