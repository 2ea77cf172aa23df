// One patient's answer in words, pictures and tables. It reads no form, so every page can use it.
"use strict";

Object.assign(window.omopScorer, (() => {
const scorer = window.omopScorer, { model } = scorer;
const UNIT = model.outcome.unit;
const INTERVAL = `${Math.round(100 * (1 - model.alpha))}% interval`;
const UNCERTAINTIES = {
  bootstrap: "Trials as they were (bootstrap)",
  analytic: "Trials could differ (analytic)",
};
const MOST_ANSWERS = 4;
const colour = (each) => `c${model.classes.findIndex((known) => known.key === each.key)}`;

// Elements ---------------------------------------------------------------------------------------

// Return an element; texts become text nodes, so no text of a card is ever read as HTML.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

function table(caption, head, rows) {
  return element("div", { class: "table", tabindex: "0", role: "group", "aria-label": caption },
    element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell, i) =>
        (i ? element("td", {}, cell) : element("th", { scope: "row" }, cell))))))));
}

// Return what `compute` returns, or null if a score of it is not finite.
function ifFinite(compute) {
  try {
    return compute();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

// Numbers in words -------------------------------------------------------------------------------

const minus = (text) => text.replace("-", "−");
const points = (value) => minus(String(Math.round(value) || 0));
const between = (low, high) =>
  (points(low) === points(high) ? points(low) : `${points(low)} to ${points(high)}`);
const upper = (text) => text[0].toUpperCase() + text.slice(1);

function ofHundred(probability) {
  if (probability < 0.005) return "fewer than 1";
  if (probability > 0.995) return "more than 99";
  return String(Math.round(100 * probability));
}

// A p-value with as many digits as it takes to see on which side of alpha it is.
function pValue(p) {
  if (p < 0.001) return "p < 0.001";
  let digits = p < 0.1 ? 3 : 2;
  while (digits < 15 && Number(p.toFixed(digits)) < model.alpha !== p < model.alpha) digits++;
  return `p = ${p.toFixed(digits)}`;
}

function list(items, word = "and") {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${word} ${items.at(-1)}`;
}

const titles = (classes) => list(classes.map((each) => each.title));

// The answer in one sentence. `better` is said only of classes whose own difference is significant.
function headline(found) {
  const { order, groups, p } = found;
  if (!order.length) return "No class is left: every class is excluded";
  if (order.length === 1) return `Only ${order[0].title} is left, so there is nothing to compare`;
  const [top, ...rest] = groups, below = rest.flat();
  if (!below.length) {
    if (found.isWorstRuledOut) return `Not told apart, but ${order.at(-1).title} is ruled out`;
    return `The models cannot tell these ${order.length === 2 ? "two " : ""}apart`;
  }
  const isBetter = (a) => (b) => p(a, b) < model.alpha;
  if (top.length === 1) {
    const sure = below.filter(isBetter(top[0]));
    const unsure = below.filter((each) => !sure.includes(each));
    const all = { 1: titles(sure), 2: "both others" }[below.length] ?? "all others";
    const others = unsure.length ? `${titles(sure)}, but not told apart from ${titles(unsure)}` : all;
    return upper(`${top[0].title} is better than ${others}`);
  }
  const worse = below.map((each) => [top.filter((a) => isBetter(a)(each)), each]);
  const together = `${titles(top)} are not told apart`;
  if (worse.every(([better]) => better.length === top.length)) {
    return upper(`${together}; ${top.length === 2 ? "both" : "all"} are better than ${titles(below)}`);
  }
  const parts = worse.filter(([better]) => better.length).map(([better, each]) =>
    `${titles(better)} ${better.length === 1 ? "is" : "are"} better than ${each.title}`);
  return upper([together, ...parts].join("; "));
}

// Pictures ---------------------------------------------------------------------------------------

// Dots and intervals of the drug part, on one scale; `before` are the classes of the entered patient.
function strip(rows, before = []) {
  const all = [...rows, ...before].flatMap((each) => [each.low, each.high, 0]);
  const low = Math.min(...all), span = Math.max(...all) - low || 1;
  const at = (value) => `${(100 * (value - low)) / span}%`;
  const placed = (name, from, to = from) => {
    const mark = element("i", { class: name });
    mark.style.left = at(from);
    if (to !== from) mark.style.width = `${(100 * (to - from)) / span}%`;
    return mark;
  };
  return element("div", { class: "strip", "aria-hidden": "true" }, rows.map((each) => {
    const ghost = before.find((other) => other.key === each.key);
    return element("div", { class: `row ${colour(each)}` },
      element("span", {}, each.title),
      element("div", { class: "track" }, placed("zero", 0),
        ghost ? [placed("ghost-bar", ghost.low, ghost.high), placed("ghost", ghost.effect)] : [],
        placed("bar", each.low, each.high), placed("dot", each.effect)));
  }), element("div", { class: "row" }, element("span"), element("div", { class: "track axis" },
    [0, ...(low < -span / 5 ? [low] : []), low + span].map((value) => {
      const tick = element("b", {}, points(value));
      tick.style.left = at(value);
      return tick;
    }))));
}

// A hundred dots, as many filled as patients of a hundred who respond.
function hundred(probability, name, title) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 100 100", class: `hundred ${name}`, role: "img",
    "aria-label": `${title}: ${ofHundred(probability)} of 100 respond`,
  })) svg.setAttribute(key, value);
  for (let i = 0; i < 100; i++) {
    const dot = document.createElementNS(svg.namespaceURI, "circle");
    dot.setAttribute("cx", String(5 + 10 * (i % 10)));
    dot.setAttribute("cy", String(5 + 10 * Math.floor(i / 10)));
    dot.setAttribute("r", "3.6");
    if (i < Math.round(100 * probability)) dot.setAttribute("class", "full");
    svg.append(dot);
  }
  return svg;
}

// Parts of the page ------------------------------------------------------------------------------

const drugs = (each) => model.classes.find((known) => known.key === each.key).drugs.join(", ");

function named(each, excluded) {
  const name = [element("strong", {}, each.title), " ", element("small", {}, drugs(each))];
  if (!(each.key in excluded)) return name;
  return [element("s", {}, name), element("em", { class: "why" }, ` ${excluded[each.key]}, not ranked`)];
}

// Classes in the order of the ranking; excluded ones last.
const byRank = (found) => [...found.order, ...found.classes.filter((each) => !each.rank)];

// The result: per class the expected fall, its parts, the dots, and the differences.
function resultParts(found, excluded) {
  const rows = byRank(found);
  const threshold = `${model.response_threshold} ${UNIT} or more`;
  const dots = element("ul", { class: "hundreds" },
    rows.map((each) => element("li", { class: each.key in excluded ? "out" : "" },
      hundred(each.probability, colour(each), each.title),
      element("span", {}, element("b", {}, ofHundred(each.probability)), " ",
        each.key in excluded ? element("s", {}, each.title) : each.title))),
    element("li", {}, hundred(found.placeboProbability, "placebo", "placebo alone"),
      element("span", {}, element("b", {}, ofHundred(found.placeboProbability)), " placebo alone")));
  const note = (text) => element("p", { class: "note" }, text);
  return [
    element("div", { class: "pictures" },
      element("div", {}, note(`Effect of the drug beyond placebo, ${UNIT}, with its ${INTERVAL}:`),
        strip(found.order)),
      element("div", {}, note(`Of 100 such patients, how many respond (fall of ${threshold}):`), dots)),
    table(`${model.outcome.title}, ${UNIT}`,
      ["Class", "Expected", "Placebo", `Drug (${INTERVAL})`, "Of 100 respond"],
      [...rows.map((each) => [element("span", {}, named(each, excluded)), points(each.total),
        points(found.placebo), `${points(each.effect)} (${between(each.low, each.high)})`,
        ofHundred(each.probability)]),
      ["Placebo alone", points(found.placebo), points(found.placebo), "–",
        ofHundred(found.placeboProbability)]]),
    found.contrasts.length ? table(`Differences, ${UNIT}`, ["Classes", `Difference (${INTERVAL})`, "Test"],
      found.contrasts.map((each) => [`${upper(each.first.title)} minus ${each.second.title}`,
        `${points(each.difference)} (${between(each.low, each.high)})`, pValue(each.p)])) : [],
  ].flat();
}

// How sure: both uncertainties, the unknown inputs, and the distance from the trials.
function certaintyParts(values, isKnown, exclude, ofResult = "bootstrap") {
  const both = Object.keys(UNCERTAINTIES).map((uncertainty) =>
    scorer.assess(values, { uncertainty, exclude }));
  const rows = both[0].order.map((each) => [upper(each.title), ...both.map((found) => {
    const same = found.classes.find((other) => other.key === each.key);
    return `${points(same.effect)} (${between(same.low, same.high)})`;
  })]);
  return [
    table(`Drug part under both uncertainties, ${UNIT}`, ["Uncertainty", ...Object.values(UNCERTAINTIES)],
      [["Answer", ...both.map(headline)], ...rows]),
    element("p", { class: "note" }, "No interval includes the error of the placebo part."),
    ...unknownParts(values, isKnown, exclude, ofResult), ...nearnessParts(values, isKnown),
  ];
}

// Every answer that the unknown inputs allow: quartiles of the trials, yes and no, reduced models.
function unknownAnswers(values, isKnown, exclude, uncertainty = "bootstrap") {
  const unknown = model.covariates.filter((each) => !isKnown[each.name]);
  const allowed = unknown.map((each) => {
    const known = model.training_population.percentiles[each.name] ?? {};
    const quartiles = [25, 50, 75].map((share) => known[share]).filter((q) => q !== undefined);
    return each.kind === "yes_no" ? [0, 1] : quartiles.length ? quartiles : [values[each.name]];
  });
  // Up to seven unknown inputs in every combination; of more, one at a time.
  const combined = unknown.length <= 7;
  let cases = [{}];
  unknown.forEach((each, i) => {
    const added = allowed[i].map((value) => ({ [each.name]: value }));
    cases = combined ? cases.flatMap((one) => added.map((other) => ({ ...one, ...other })))
      : [...cases, ...added];
  });
  const answers = cases.map((one) => {
    const found = scorer.assess({ ...values, ...one }, { uncertainty, exclude });
    return { given: one, found, text: headline(found) };
  });
  const left = unknown.map((each) => each.name);
  const models = left.length ? scorer.withoutCovariates(left) : null;
  const reduced = models && scorer.assess(values, { uncertainty, exclude }, models);
  const settles = !combined ? [] : unknown.filter((each) => allowed[unknown.indexOf(each)].every((value) =>
    new Set(answers.filter((a) => a.given[each.name] === value).map((a) => a.text)).size === 1));
  return { unknown, answers, reduced, settles };
}

function unknownParts(values, isKnown, exclude, uncertainty) {
  const { unknown, answers, reduced, settles } = unknownAnswers(values, isKnown, exclude, uncertainty);
  if (!unknown.length) return [element("p", {}, "No input is unknown.")];
  const current = headline(scorer.assess(values, { uncertainty, exclude }));
  // The values taken need not be among those tried.
  const texts = new Set([current, ...answers.map((each) => each.text)]);
  if (reduced) texts.add(headline(reduced));
  const used = unknown.map((each) => `${covariateLabel(each)}: ${shown(each, values[each.name])}`);
  const assumed = `Unknown, so the result takes: ${used.join("; ")}.`;
  const ranges = model.classes.filter((each) => !exclude.includes(each.key)).map((each) => {
    const all = [...answers.map((a) => a.found), ...(reduced ? [reduced] : [])].map((found) =>
      found.classes.find((other) => other.key === each.key).effect);
    return `${each.title} ${between(Math.min(...all), Math.max(...all))}`;
  });
  const over = `Over the trials’ quartiles${reduced ? " and the model without these inputs" : ""}, ` +
    `the drug part is ${ranges.join("; ")} ${UNIT}.`;
  const parts = [element("p", {}, assumed), element("p", {}, over)];
  if (texts.size === 1) {
    parts.push(element("p", { class: "finding" }, "None of these values changes the answer."));
    return parts;
  }
  // The most frequent ones first, and no more than can be read.
  const count = (text) => answers.filter((each) => each.text === text).length;
  const others = [...texts].filter((text) => text !== current)
    .sort((a, b) => count(b) - count(a));
  const shownOnes = others.slice(0, MOST_ANSWERS), more = others.length - shownOnes.length;
  parts.push(element("p", { class: "finding" }, "The answer may also be:"),
    element("ul", {}, [...shownOnes, ...(more ? [`${more} more`] : [])].map((text) =>
      element("li", {}, text))));
  const names = settles.map(covariateLabel);
  parts.push(element("p", { class: "finding" }, names.length
    ? `Knowing ${list(names, "or")} would settle it.` : "No single input would settle it."));
  return parts;
}

function nearnessParts(values, isKnown) {
  const outside = extrapolations(values, isKnown);
  const parts = outside.map((text) => element("p", { class: "outside" }, text));
  if (model.covariates.every((each) => isKnown[each.name])) {
    const share = ofHundred(scorer.shareFarther(values));
    parts.push(element("p", {}, `About ${share} of 100 trial participants were farther from their ` +
      "average than this patient."));
  } else {
    parts.push(element("p", {}, "With unknown inputs, the distance from the trials’ participants is unknown."));
  }
  return parts;
}

// Sentences on known inputs outside the range of the trials' participants.
function extrapolations(values, isKnown) {
  return model.covariates.filter((each) => isKnown[each.name]).map((each) =>
    extrapolation(each, values[each.name])).filter(Boolean);
}

function extrapolation(covariate, value) {
  const name = covariateLabel(covariate), enrolled = textsOf(covariate).enrolled;
  const texts = [];
  if (scorer.isOutsideTrials(covariate, value)) {
    const [low, high] = covariate.within_trial_range ?? [];
    // The ends are the 1st and the 99th percentile.
    const range = low == null ? `99 of 100 trial participants had up to ${high}`
      : high == null ? `99 of 100 trial participants had ${low} or more`
        : `98 of 100 trial participants had ${low} to ${high}`;
    texts.push(`${name}: extrapolation. ${range} ${unit(covariate)}.`);
  }
  if (enrolled && (value < enrolled[0] || value > enrolled[1])) {
    texts.push(`${name}: the trials enrolled ${enrolled[0]} to ${enrolled[1]}.`);
  }
  return texts.join(" ");
}

// Covariates in words ----------------------------------------------------------------------------

const textsOf = (covariate) => model.calculator?.covariates?.[covariate.name] ?? {};
const covariateLabel = (covariate) => textsOf(covariate).label ?? covariate.title;
const unit = (covariate) => covariate.unit.replace("m2", "m²");

// The word of a yes/no covariate: Yes and No, or the first of the card's coding.
function choice(covariate, value) {
  const coded = Object.entries(covariate.coding ?? {}).find(([, number]) => number === value);
  return coded ? upper(coded[0]) : value ? "Yes" : "No";
}

const decimals = (value) => minus(String(Number(value.toFixed(2))));

const shown = (covariate, value) => (covariate.kind === "yes_no"
  ? choice(covariate, value) : `${decimals(value)} ${unit(covariate)}`);

return {
  element, table, strip, headline, resultParts, certaintyParts, extrapolation, extrapolations,
  unknownAnswers, byRank, covariateLabel, textsOf, shown, upper, points, between, ofHundred, pValue,
  INTERVAL, ifFinite,
};
})());
