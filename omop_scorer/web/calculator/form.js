// The form of the calculator: it reads the inputs, and on every change shows the answer anew or
// removes it. Nothing is stored, and nothing leaves the page.
"use strict";

(() => {
const scorer = window.omopScorer, { model, element } = scorer;
const $ = (id) => document.getElementById(id);
const NOT_FINITE = "A number is too large to be scored";
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)$/;
const ranges = (covariate) => {
  const [low, high] = covariate.accepted_range ?? covariate.plausible_range ?? [];
  return [low ?? -Infinity, high ?? Infinity];
};
// Covariates whose value was computed on this page, and units that were confirmed for a value.
const computed = new Map(), confirmed = new Map();

// Reading ----------------------------------------------------------------------------------------

// Return {value}, {isUnknown: true}, {isMissing: true}, {fault} or {question} of one covariate.
function readInput(covariate) {
  const id = `c-${covariate.name}`;
  if (covariate.kind === "yes_no") {
    const chosen = document.querySelector(`input[name="${id}"]:checked`)?.value;
    if (chosen === undefined) return { isMissing: true };
    return chosen === "unknown" ? { isUnknown: true } : { value: Number(chosen) };
  }
  if ($(`${id}-unknown`)?.checked) return { isUnknown: true };
  const select = $(`${id}-unit`);
  return readNumber(covariate, $(id).value, select ? Number(select.value) : 1);
}

// Read a number in the covariate's unit, or in another one of which it has `factor`.
function readNumber(covariate, text, factor = 1) {
  const written = text.trim();
  if (written === "") return { isMissing: true };
  if (written.includes(",")) return { fault: "Write a decimal point, not a comma." };
  if (!NUMBER.test(written)) return { fault: "Not a number." };
  const value = Number(written) * factor, [low, high] = ranges(covariate);
  const other = scorer.textsOf(covariate).other_unit;
  const unit = factor === 1 ? covariate.unit.replace("m2", "m²") : other.unit;
  const isOdd = other && (factor === 1 ? value > 0 && value < other.ask_below
    : Number(written) > other.ask_above);
  const swapped = factor === 1 ? Number(written) * (other?.factor ?? 1) : Number(written);
  const mayBeOther = isOdd && swapped >= low && swapped <= high;
  const isConfirmed = confirmed.get(covariate.name) === `${written} ${unit}`;
  if (mayBeOther && !isConfirmed) {
    return { question: { written, unit, other: factor === 1 ? other.unit : covariate.unit } };
  }
  if (!(value >= low && value <= high)) {
    const ends = [low, high].map((end) => Number((end / factor).toPrecision(6)));
    const allowed = low === -Infinity ? `up to ${ends[1]}` : high === Infinity ? `from ${ends[0]}`
      : `${ends[0]} to ${ends[1]}`;
    return { fault: `Allowed: ${allowed} ${unit}.` };
  }
  return { value };
}

function readAll() {
  const inputs = model.covariates.map((covariate) => ({ covariate, ...readInput(covariate) }));
  const values = {}, isKnown = {};
  for (const { covariate, value, isUnknown } of inputs) {
    values[covariate.name] = isUnknown ? covariate.imputed_value : value;
    isKnown[covariate.name] = value !== undefined;
  }
  const excluded = {};
  for (const select of document.querySelectorAll("[data-class]")) {
    if (select.value) excluded[select.dataset.class] = select.value;
  }
  const open = inputs.filter((each) => each.isMissing || each.fault || each.question);
  return { inputs, values, isKnown, excluded, exclude: Object.keys(excluded), open };
}

// Parts of an input ------------------------------------------------------------------------------

// Fill a field from its parts, or empty it when they no longer give a value.
function computeFromParts(covariate, parts) {
  const field = $(`c-${covariate.name}`), message = parts.querySelector(".message");
  const entries = [...parts.querySelectorAll("input, select")];
  const found = entries.every((each) => each.value.trim() === "") ? {}
    : parts.dataset.from === "items" ? fromItems(covariate, entries) : fromHeightAndWeight(entries);
  message.textContent = found.message ?? "";
  if (found.value !== undefined) {
    field.value = String(Number(found.value.toFixed(1)));
    if ($(`${field.id}-unknown`)) $(`${field.id}-unknown`).checked = false;
    computed.set(covariate.name, parts.querySelector("summary").textContent.toLowerCase());
  } else if (computed.has(covariate.name)) {
    field.value = "";
    computed.delete(covariate.name);
  }
}

function fromHeightAndWeight(entries) {
  const limits = [[120, 230], [25, 350]];
  const [height, weight] = entries.map((each, i) => {
    const value = NUMBER.test(each.value.trim()) ? Number(each.value) : NaN;
    return value >= limits[i][0] && value <= limits[i][1] ? value : null;
  });
  if (height === null || weight === null) {
    return { message: "Needs a height of 120 to 230 cm and a weight of 25 to 350 kg." };
  }
  return { value: weight / (height / 100) ** 2, message: "Computed." };
}

function fromItems(covariate, entries) {
  const items = scorer.textsOf(covariate).items;
  let sum = 0;
  const faults = [];
  items.forEach((item, i) => {
    const text = entries[i].value.trim(), value = NUMBER.test(text) ? Number(text) : NaN;
    const [low, high] = item.range;
    const name = item.text.split(/[,(:]/)[0].trim();
    if (!(value >= low && value <= high)) faults.push(`${name}: ${low} to ${high}`);
    else if (!item.subtract_from) sum += item.weight * value;
    else {
      const by = model.covariates.find((each) => each.name === item.subtract_from.covariate);
      const side = readInput(by).value;
      if (side === undefined) faults.push(`${name}: answer “${scorer.covariateLabel(by)}” first`);
      else sum += item.weight * (item.subtract_from[side ? "yes" : "no"] - value);
    }
  });
  if (faults.length) return { message: `Still needed: ${faults.join("; ")}.` };
  return { value: Math.max(0, Math.round(sum)), message: `Sum: ${Math.max(0, Math.round(sum))}.` };
}

// Messages at an input ---------------------------------------------------------------------------

function showMessage(input) {
  const { covariate, fault, question, value } = input;
  const message = $(`c-${covariate.name}-message`);
  const field = $(`c-${covariate.name}`);
  if (field) field.setAttribute("aria-invalid", String(Boolean(fault || question)));
  message.className = `message ${fault || question ? "fault" : "outside"}`;
  message.replaceChildren();
  if (fault) message.append(fault);
  else if (question) askUnit(message, covariate, question);
  else if (value !== undefined) {
    if (computed.has(covariate.name)) message.append(`Computed ${computed.get(covariate.name)}. `);
    message.append(scorer.extrapolation(covariate, value));
  }
}

function askUnit(message, covariate, { written, unit, other }) {
  const button = (text, action) => {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", () => {
      action();
      update();
      $(`c-${covariate.name}`).focus();
    });
    return made;
  };
  message.append(`${written} ${unit}? It looks like a value in ${other}. `,
    button(`It is ${unit}`, () => confirmed.set(covariate.name, `${written} ${unit}`)), " ",
    button(`It is ${other}`, () => {
      const select = $(`c-${covariate.name}-unit`);
      select.value = [...select.options].find((each) => each.textContent === other).value;
      confirmed.set(covariate.name, `${written} ${other}`);
    }));
}

// The answer -------------------------------------------------------------------------------------

let last = null;

const say = (text) => {
  if ($("headline").textContent !== text) $("headline").textContent = text;
};

function unmet() {
  return [...document.querySelectorAll("[data-tick]")].filter((each) => !each.checked)
    .map((each) => model.calculator.eligibility[Number(each.dataset.tick)].otherwise);
}

function answerTo({ values, isKnown, exclude }) {
  const found = scorer.assess(values, { exclude });
  const certainty = found.order.length ? scorer.certaintyParts(values, isKnown, exclude) : [];
  return { found, certainty };
}

// Show the answer to the inputs as they are now; without a complete set of inputs, no answer.
function update() {
  const state = readAll();
  state.inputs.forEach(showMessage);
  for (const select of document.querySelectorAll("[data-class]")) {
    select.closest(".class").classList.toggle("out", select.value !== "");
  }
  last = null;
  for (const id of ["result", "certainty"]) $(id).replaceChildren();
  // Everything is computed before anything is shown, so that no part is of other inputs.
  const isOpen = state.open.length > 0;
  const answer = isOpen ? null : scorer.ifFinite(() => answerTo(state));
  for (const id of ["certainty-section", "what-if"]) $(id).hidden = !answer;
  $("print").disabled = $("copy").disabled = !answer;
  $("copied").textContent = "";
  document.querySelector(".answer").classList.toggle("empty", !answer);
  if (!answer) {
    const names = state.open.map((each) => scorer.covariateLabel(each.covariate));
    say(`No result yet. ${isOpen ? `To answer: ${names.join("; ")}` : NOT_FINITE}.`);
    whatIf();
    return;
  }
  const { found, certainty } = answer;
  last = { ...state, found, unmet: unmet() };
  const greyed = last.unmet.length > 0;
  document.querySelector(".answer").classList.toggle("greyed", greyed);
  say(`${greyed ? "Does not apply to this patient as ticked. " : ""}${scorer.headline(found)}.`);
  $("result").replaceChildren(
    ...(greyed ? [element("ul", { class: "unmet" }, last.unmet.map((text) => element("li", {}, text)))] : []),
    ...scorer.resultParts(found, state.excluded), ...inputsUsed(last));
  $("certainty").replaceChildren(...certainty);
  whatIf();
}

function inputLines(state) {
  return state.inputs.map(({ covariate }) => {
    const value = scorer.shown(covariate, state.values[covariate.name]);
    const how = !state.isKnown[covariate.name] ? `unknown, taken as ${value}`
      : computed.has(covariate.name) ? `${value}, computed ${computed.get(covariate.name)}` : value;
    return [scorer.covariateLabel(covariate), how];
  });
}

function inputsUsed(state) {
  const lines = inputLines(state).map(([name, how]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, how)));
  return [element("p", { class: "inputs-title" }, "Inputs"), element("dl", { class: "inputs" }, lines)];
}

// What if ----------------------------------------------------------------------------------------

function whatIfField(covariate) {
  if (covariate.kind !== "yes_no") {
    return [element("input", {
      type: "text", inputmode: "decimal", autocomplete: "off", id: "w-input",
      "aria-label": `${scorer.covariateLabel(covariate)}, ${covariate.unit}`,
    }), ` ${covariate.unit.replace("m2", "m²")}`];
  }
  return [element("select", { id: "w-input", autocomplete: "off", "aria-label": scorer.covariateLabel(covariate) },
    element("option", { value: "" }), [1, 0].map((value) =>
      element("option", { value: String(value) }, scorer.shown(covariate, value))))];
}

function whatIf() {
  const covariate = model.covariates.find((each) => each.name === $("w-covariate").value);
  $("w-message").textContent = "";
  $("w-result").replaceChildren();
  const text = $("w-input")?.value ?? "";
  if (!last || !covariate || text === "") return;
  const read = covariate.kind === "yes_no" ? { value: Number(text) } : readNumber(covariate, text);
  if (read.value === undefined) {
    $("w-message").textContent = read.fault ?? "Check the unit: the value is unusual.";
    return;
  }
  const values = { ...last.values, [covariate.name]: read.value };
  const found = scorer.ifFinite(() => scorer.assess(values, { exclude: last.exclude }));
  if (!found) {
    $("w-message").textContent = `${NOT_FINITE}.`;
    return;
  }
  $("w-message").textContent = `With ${scorer.covariateLabel(covariate)} ${scorer.shown(covariate, read.value)}: ` +
    `${scorer.headline(found)}. ${scorer.extrapolation(covariate, read.value)}`;
  $("w-result").replaceChildren(
    element("p", { class: "note" }, "Filled: this other patient. Hollow: the entered patient. Effect beyond placebo:"),
    scorer.strip(found.order, last.found.order),
    scorer.table("Entered and other patient", ["Class", "Entered", "Other"], found.order.map((each) => {
      const entered = last.found.classes.find((other) => other.key === each.key);
      const cell = (one) => `${scorer.points(one.effect)} (${scorer.between(one.low, one.high)})`;
      return [scorer.upper(each.title), cell(entered), cell(each)];
    })));
}

// Text for the record ----------------------------------------------------------------------------

const today = () => {
  const now = new Date(), two = (n) => String(n).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
};

function plainText() {
  const { found, excluded, exclude, unmet: reasons, values, isKnown } = last;
  const classes = scorer.byRank(found).map((each) => {
    const drugs = model.classes.find((known) => known.key === each.key).drugs.join(", ");
    const why = each.key in excluded ? `; ${excluded[each.key]}, not ranked` : "";
    return `- ${each.title} (${drugs})${why}: expected ${scorer.points(each.total)}, placebo part ` +
      `${scorer.points(found.placebo)}, drug part ${scorer.points(each.effect)} (${scorer.INTERVAL} ` +
      `${scorer.between(each.low, each.high)}), ${scorer.ofHundred(each.probability)} of 100 respond`;
  });
  const contrasts = found.contrasts.map((each) => `- ${each.first.title} minus ${each.second.title}: ` +
    `${scorer.points(each.difference)} (${scorer.between(each.low, each.high)}), ${scorer.pValue(each.p)}`);
  const other = found.order.length
    ? [`By the analytic uncertainty: ${scorer.headline(scorer.assess(values, { uncertainty: "analytic", exclude }))}.`]
    : [];
  return [
    document.title, $("headline").textContent, ...reasons, "",
    "Inputs", ...inputLines(last).map(([name, how]) => `- ${name}: ${how}`),
    ...scorer.extrapolations(values, isKnown), "",
    `${model.outcome.title}, ${model.outcome.unit}`, ...classes,
    `- placebo alone: ${scorer.points(found.placebo)}, ${scorer.ofHundred(found.placeboProbability)} of 100 respond`,
    ...contrasts, ...other, "",
    model.limits.line,
    `Model ${model.id}, SHA-256 ${model.sha256}, omop-scorer ${model.tool_version}, ${today()}.`,
    "Informs, does not decide. Not a medical device.",
  ].join("\n");
}

async function copy() {
  const text = plainText();
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { "aria-label": "Result as text" });
    area.value = text;
    document.body.append(area);
    area.select();
    isCopied = document.execCommand("copy");
    area.remove();
  }
  $("copied").textContent = isCopied ? "Copied." : "This browser does not allow copying; print instead.";
}

// Events -----------------------------------------------------------------------------------------

function startAgain() {
  for (const each of document.querySelectorAll("input, select")) {
    if (each.type === "checkbox" || each.type === "radio") each.checked = false;
    else if (each.tagName === "SELECT") each.selectedIndex = 0;
    else each.value = "";
  }
  for (const each of document.querySelectorAll("details")) each.open = false;
  for (const each of document.querySelectorAll(".parts .message")) each.textContent = "";
  computed.clear();
  confirmed.clear();
  $("w-value").replaceChildren();
  update();
  window.scrollTo(0, 0);
}

function onInput(event) {
  const question = event.target.closest?.("[data-covariate]");
  const covariate = model.covariates.find((each) => each.name === question?.dataset.covariate);
  if (covariate) {
    const parts = event.target.closest(".parts");
    const unknown = $(`c-${covariate.name}-unknown`);
    if (parts) computeFromParts(covariate, parts);
    else if (event.target === unknown && unknown.checked) {
      $(`c-${covariate.name}`).value = "";
      emptyParts(covariate, question);
    } else if (event.target.id === `c-${covariate.name}`) {
      // A value typed by hand replaces one that was computed, and the choice `Unknown`.
      emptyParts(covariate, question);
      if (unknown && event.target.value !== "") unknown.checked = false;
    }
    recompute(covariate);
  }
  if (event.target.id === "w-covariate") {
    const chosen = model.covariates.find((each) => each.name === event.target.value);
    $("w-value").replaceChildren(...(chosen ? whatIfField(chosen) : []));
  }
  update();
}

function emptyParts(covariate, question) {
  computed.delete(covariate.name);
  for (const each of question.querySelectorAll(".parts input, .parts select")) each.value = "";
  for (const each of question.querySelectorAll(".parts .message")) each.textContent = "";
}

// Compute the fields again whose items depend on a covariate, such as the haematocrit on the sex.
function recompute(changed) {
  for (const covariate of model.covariates) {
    const parts = $(`c-${covariate.name}`)?.closest("[data-covariate]").querySelector('[data-from="items"]');
    const items = scorer.textsOf(covariate).items ?? [];
    const depends = items.some((item) => item.subtract_from?.covariate === changed.name);
    if (parts && depends) computeFromParts(covariate, parts);
  }
}

document.addEventListener("input", onInput);
// A browser may bring back a page with its inputs; the answer is always that of the inputs.
window.addEventListener("pageshow", update);
$("again").addEventListener("click", startAgain);
$("print").addEventListener("click", () => window.print());
$("copy").addEventListener("click", copy);
$("today").textContent = `${today()}.`;
update();
})();
