"""The calculator in a browser: a page that fails on any complaint or request, and its controls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

#: A patient whose inputs are all known and within the range of the trials.
PATIENT = {
    **{"cdai": "310", "age": "55", "bmi": "27", "crp": "22", "prior_anti_tnf": "0", "male": "0"},
    **{"steroid": "1", "immunomodulator": "0", "ileal": "1"},
}

_FILL = """([answers, ticks]) => {
  const change = (element, key, value) => {
    element[key] = value;
    element.dispatchEvent(new Event('input', { bubbles: true }));
  };
  for (const each of document.querySelectorAll('[data-tick]')) {
    if (ticks && !each.checked) change(each, 'checked', true);
  }
  for (const [name, value] of Object.entries(answers)) {
    const radio = document.querySelector(`input[name="c-${name}"][value="${value}"]`);
    const unknown = document.getElementById(`c-${name}-unknown`);
    if (radio) change(radio, 'checked', true);
    else if (value === 'unknown') change(unknown, 'checked', true);
    else change(document.getElementById(`c-${name}`), 'value', value);
  }
}"""


@dataclass
class Calculator:
    """A page, and what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> "Calculator":
        """Keep what the page asks for and complains of from now on."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return self

    def open(self, path: Path) -> "Calculator":
        """Open the file."""
        self.page.goto(path.as_uri(), wait_until="load")
        return self

    def give(self, name: str, value: str) -> None:
        """Answer one question; `unknown` is an answer, and an empty text takes a number away."""
        radio = self.page.locator(f'input[name="c-{name}"][value="{value}"]')
        if radio.count():
            radio.check()
        elif value == "unknown":
            self.page.check(f"#c-{name}-unknown")
        else:
            unknown = self.page.locator(f"#c-{name}-unknown")
            if value == "" and unknown.count():
                unknown.uncheck()
            self.page.fill(f"#c-{name}", value)

    def fill(self, answers: Mapping[str, str] = PATIENT, ticks: bool = True) -> "Calculator":
        """Answer all questions at once, with the events of a user but faster than one."""
        self.page.evaluate(_FILL, [dict(answers), ticks])
        return self

    def text(self, selector: str) -> str:
        """Return the text of an element as it is read."""
        return " ".join((self.page.locator(selector).text_content() or "").split())

    @property
    def headline(self) -> str:
        """The first line of the result."""
        return self.text("#headline")

    @property
    def has_result(self) -> bool:
        """True if an answer is shown anywhere on the page."""
        parts = ("#result", "#certainty", "#w-result")
        is_empty = [self.text(part) == "" for part in parts]
        assert is_empty[0] == self.headline.startswith("No result yet")
        return not all(is_empty)

    def message(self, name: str) -> str:
        """Return the message at a question."""
        return self.text(f"#c-{name}-message")
