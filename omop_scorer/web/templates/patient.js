// The page of one patient: it computes the stored scores again, shows any difference, and shows the
// result for overridden inputs. Nothing is sent, and nothing is written back.
"use strict";

(() => {
const scorer = window.omopScorer, { model, element } = scorer;
const $ = (id) => document.getElementById(id);
const stored = JSON.parse($("patient").textContent);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)$/;
const TOLERANCE = 1e-9;
const UNKNOWN = ["imputed", "left_out"];

// The inputs of the run ---------------------------------------------------------------------------

const statusOf = (covariate) => stored.status[covariate.name] ?? "left_out";
const leftOut = model.covariates.filter((each) => statusOf(each) === "left_out").map((each) => each.name);
const values = {}, isKnown = {};
for (const each of model.covariates) {
  values[each.name] = stored.values[each.name] ?? each.imputed_value;
  isKnown[each.name] = !UNKNOWN.includes(statusOf(each));
}

const hasModel = (without) => !without.length || scorer.withoutCovariates(without) !== null;

// Score with the model that the run used for these inputs: the whole one, or one without some.
function assess(inputs, without, uncertainty = stored.uncertainty) {
  const models = without.length ? scorer.withoutCovariates(without) : undefined;
  return scorer.assess(inputs, { uncertainty }, models);
}

// The check ---------------------------------------------------------------------------------------

// Sentences on what differs between the stored scores and those computed here.
function differencesOf(found) {
  const lines = [];
  const compare = (name, here, there) => {
    const bothNull = (here ?? null) === null && (there ?? null) === null;
    const isEqual = typeof here === "number" && typeof there === "number"
      ? Math.abs(here - there) <= TOLERANCE * Math.max(1, Math.abs(there)) : here === there;
    if (!bothNull && !isEqual) lines.push(`${name}: stored ${there}, computed ${here}`);
  };
  compare("label", found.label, stored.subgroup);
  compare("placebo effect", found.placebo, stored.placebo_effect);
  compare("worst class ruled out", found.isWorstRuledOut, stored.worst_class_ruled_out);
  compare("within the trials’ range", scorer.withinTrialRange(values, isKnown), stored.within_trial_range);
  const [first, second, third] = found.order;
  ["first_class", "second_class", "third_class"].forEach((name, i) =>
    compare(name.replace("_", " "), found.order[i]?.key, stored[name]));
  const p = (a, b) => (a && b ? found.p(a, b) : null);
  compare("p first-second", p(first, second), stored.p_first_second);
  compare("p second-third", p(second, third), stored.p_second_third);
  compare("p first-third", p(first, third), stored.p_first_third);
  for (const each of found.classes) {
    const row = stored.classes[each.key];
    if (!row) lines.push(`${each.title}: not stored`);
    else {
      compare(`${each.title}, drug part`, each.effect, row.attributable_effect);
      compare(`${each.title}, standard error`, each.error, row.standard_error);
      compare(`${each.title}, expected`, each.total, row.expected_reduction);
      compare(`${each.title}, probability of response`, each.probability, row.response_probability);
      compare(`${each.title}, rank`, each.rank, row.preference_rank);
    }
  }
  return lines;
}

function check(found) {
  const lines = differencesOf(found);
  document.body.dataset.check = lines.length ? "different" : "equal";
  $("stored").open = lines.length > 0;
  $("check").textContent = lines.length
    ? "This page’s own result differs from what the run stored. Do not use either before it is explained."
    : "Computed again in this browser from the inputs: equal to what the run stored.";
  $("check").className = lines.length ? "differs" : "note";
  $("differences").replaceChildren(...(lines.length
    ? [element("ul", { class: "differs" }, lines.map((text) => element("li", {}, text)))] : []));
}

// Overrides ---------------------------------------------------------------------------------------

// Return {value}, {fault} or {} of an override.
function readOverride(covariate, text) {
  const written = text.trim();
  if (written === "") return {};
  if (covariate.kind === "yes_no") return { value: Number(written) };
  if (written.includes(",")) return { fault: "Write a decimal point, not a comma." };
  if (!NUMBER.test(written)) return { fault: "Not a number." };
  const [low, high] = covariate.accepted_range ?? covariate.plausible_range ?? [];
  const value = Number(written);
  if (value < (low ?? -Infinity) || value > (high ?? Infinity)) {
    const ends = low == null ? `up to ${high}` : high == null ? `from ${low}` : `${low} to ${high}`;
    return { fault: `Allowed: ${ends} ${covariate.unit}.` };
  }
  return { value };
}

function overrides() {
  const found = [];
  for (const field of document.querySelectorAll("[data-override]")) {
    const covariate = model.covariates.find((each) => each.name === field.dataset.override);
    if (!covariate) continue;
    const { value, fault } = readOverride(covariate, field.value);
    field.setAttribute("aria-invalid", String(Boolean(fault)));
    const question = field.closest("[data-covariate]");
    question.querySelector(".message").textContent = fault ?? "";
    question.classList.toggle("overridden", value !== undefined);
    if (fault) found.push({ covariate, fault });
    else if (value !== undefined) found.push({ covariate, value });
  }
  return found;
}

function overriddenSentence(given) {
  const parts = given.map(({ covariate, value }) => {
    const before = isKnown[covariate.name] || values[covariate.name] != null
      ? scorer.shown(covariate, values[covariate.name]) : "unknown";
    const how = isKnown[covariate.name] ? "" : " (not known)";
    return `${scorer.covariateLabel(covariate)} ${scorer.shown(covariate, value)} instead of ${before}${how}`;
  });
  return `Overridden: ${parts.join("; ")}. This is not the score of the run, and nothing is written back.`;
}

// The answer --------------------------------------------------------------------------------------

const say = (text) => {
  if ($("headline").textContent !== text) $("headline").textContent = text;
};

function certainty(inputs, known, without) {
  if (!without.length) return scorer.certaintyParts(inputs, known, [], stored.uncertainty);
  const names = without.map((name) =>
    scorer.covariateLabel(model.covariates.find((each) => each.name === name)));
  const both = ["bootstrap", "analytic"].map((uncertainty) => assess(inputs, without, uncertainty));
  return [
    element("p", {}, `Scored by the model without: ${names.join("; ")}.`),
    scorer.table("Drug part under both uncertainties", ["", "Bootstrap", "Analytic"],
      [["Answer", ...both.map(scorer.headline)], ...both[0].order.map((each) =>
        [scorer.upper(each.title), ...both.map((found) => {
          const same = found.classes.find((other) => other.key === each.key);
          return `${scorer.points(same.effect)} (${scorer.between(same.low, same.high)})`;
        })])]),
    ...scorer.extrapolations(inputs, known).map((text) => element("p", { class: "outside" }, text)),
  ];
}

if (!hasModel(leftOut)) throw new Error("the card has no model without these inputs");
const base = assess(values, leftOut);

// Show no result, so that none of other inputs stands beside these.
function showNone(headline, reason) {
  say(headline);
  $("overridden").textContent = reason;
  for (const id of ["result", "certainty"]) $(id).replaceChildren();
  $("certainty-section").hidden = true;
}

function update() {
  const given = overrides(), faults = given.filter((each) => each.fault);
  const inputs = { ...values }, known = { ...isKnown };
  for (const { covariate, value, fault } of given) {
    if (fault) continue;
    inputs[covariate.name] = value;
    known[covariate.name] = true;
  }
  const without = leftOut.filter((name) => !known[name]);
  document.body.classList.toggle("has-override", given.length > 0);
  $("overridden").hidden = given.length === 0;
  // That the run's own score was computed again says nothing of this one.
  $("check").hidden = given.length > 0 && document.body.dataset.check === "equal";
  if (faults.length) {
    const names = faults.map((each) => scorer.covariateLabel(each.covariate));
    showNone(`No result: check ${names.join("; ")}.`, "An override cannot be read.");
    return;
  }
  if (!hasModel(without)) {
    const names = without.map((name) =>
      scorer.covariateLabel(model.covariates.find((each) => each.name === name)));
    showNone(`No result: override ${names.join("; ")} too.`,
      "The card has no model without the inputs that are still not known.");
    return;
  }
  const answer = scorer.ifFinite(() => {
    const found = given.length ? assess(inputs, without) : base;
    return { found, parts: certainty(inputs, known, without) };
  });
  if (!answer) {
    showNone("No result: a number is too large to be scored.", "The override cannot be scored.");
    return;
  }
  const { found, parts } = answer;
  say(`${scorer.headline(found)}${given.length ? " (with overridden inputs)" : ""}.`);
  $("overridden").textContent = given.length ? overriddenSentence(given) : "";
  $("result").replaceChildren(...scorer.resultParts(found, {}));
  if (given.length) {
    $("result").querySelector(".strip").replaceWith(scorer.strip(found.order, base.order),
      element("p", { class: "note" }, "Filled: with the override. Hollow: the score of the run."));
  }
  $("certainty").replaceChildren(...parts);
  $("certainty-section").hidden = false;
}

document.addEventListener("input", update);
window.addEventListener("pageshow", update);
check(base);
update();
})();
