// Arithmetic of a model card for one patient: the formulas of omop_scorer/model/kernel.py in the
// same order of terms. It reads no page and no network. Source of the formulas: Rudrapatna et al.,
// npj Digital Medicine 2025;8:327. tests/functional/test_calculator_scores.py compares the two.
"use strict";

window.omopScorer = (() => {
// Special functions ------------------------------------------------------------------------------

// Standard normal distribution: a series near 0, a continued fraction (Lentz) in the tails.
function normalCdf(z) {
  const x = Math.abs(z) / Math.SQRT2;
  let tail;
  if (x < 2.5) {
    let term = x, sum = x;
    for (let n = 1; term > 1e-18 * sum; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    tail = 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  } else {
    let fraction = 0;
    for (let n = 80; n > 0; n--) fraction = (n / 2) / (x + fraction);
    tail = Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
  }
  return z < 0 ? tail / 2 : 1 - tail / 2;
}

// Logarithm of the gamma function (Lanczos, g = 7), for x > 0.
function logGamma(x) {
  const c = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
    -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
    1.5056327351493116e-7];
  const t = x + 6.5;
  const sum = c.reduce((total, each, i) => (i ? total + each / (x - 1 + i) : each));
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

// Regularised incomplete beta function I_x(a, b) of x and y = 1 - x, by its continued fraction.
function incompleteBeta(a, b, x, y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, y, x);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) +
    a * Math.log(x) + b * Math.log(y)) / a;
  const tiny = 1e-300;
  let c = 1, d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let h = d;
  for (let m = 1; m < 10000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let step = 1;
    for (const term of [even, odd]) {
      d = 1 + term * d;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = 1 + term / c;
      if (Math.abs(c) < tiny) c = tiny;
      step = c * d;
      h *= step;
    }
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return front * h;
}

// P(|T| >= |t|) of Student's t, from t squared divided by the degrees of freedom.
function twoSidedP(squaredRatio, df) {
  return incompleteBeta(df / 2, 0.5, 1 / (1 + squaredRatio), squaredRatio / (1 + squaredRatio));
}

// The t whose two-sided p-value is alpha, by bisection; it depends on the model alone.
const knownT = new Map();
function criticalT(alpha, df) {
  if (!knownT.has(df)) knownT.set(df, bisectedT(alpha, df));
  return knownT.get(df);
}

function bisectedT(alpha, df) {
  let low = 0, high = 1;
  while (twoSidedP((high * high) / df, df) > alpha && high < 1e15) high *= 2;
  for (let i = 0; i < 200 && high - low > 1e-13 * high; i++) {
    const middle = (low + high) / 2;
    if (twoSidedP((middle * middle) / df, df) > alpha) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Share of a chi-squared distribution above a value (series of the incomplete gamma function).
function chiSquaredAbove(value, df) {
  const a = df / 2, x = value / 2;
  if (x > 500 + 10 * a) return 0;
  let term = 1 / a, sum = term;
  for (let n = 1; n < 10000 && term > 1e-17 * sum; n++) sum += term *= x / (a + n);
  const below = x > 0 ? sum * Math.exp(-x + a * Math.log(x) - logGamma(a)) : 0;
  return Math.min(1, Math.max(0, 1 - below));
}

// Linear algebra ---------------------------------------------------------------------------------

// Lower triangular L with LL' = matrix.
function cholesky(matrix) {
  const L = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j];
      for (let k = 0; k < j; k++) sum -= L[i][k] * L[j][k];
      L[i][j] = i === j ? Math.sqrt(sum) : sum / L[j][j];
    }
  }
  return L;
}

const dot = (weights, x) => {
  let sum = weights[0] * x[0];
  for (let i = 1; i < x.length; i++) sum += weights[i] * x[i];
  return sum;
};

// x'LL'x, a sum of squares, so that a variance is never negative.
function quadratic(L, x) {
  let sum = 0;
  for (let j = 0; j < x.length; j++) {
    let column = L[j][j] * x[j];
    for (let i = j + 1; i < x.length; i++) column += L[i][j] * x[i];
    sum += column * column;
  }
  return sum;
}

// The scorer -------------------------------------------------------------------------------------

// Return {model, score, assess, ...} of a model card with the models of its variants file.
function makeScorer(model) {
  const covariates = model.covariates;
  const names = covariates.map((each) => each.name);
  const columnOf = (covariate) => covariate.column ?? covariate.name;

  // The numbers of a fit in the card's order; fixed terms are added to the intercept.
  function form(fit, fixedTerms, kept, mean, covariance) {
    const size = kept.length + 1;
    const place = fit.terms.map((term) =>
      Object.hasOwn(fixedTerms, term) || term === "intercept" ? 0 : kept.indexOf(term) + 1);
    const factor = fit.terms.map((term) => Object.hasOwn(fixedTerms, term)
      ? fixedTerms[term].value - fixedTerms[term].centre : 1);
    const coefficients = Array(size).fill(0);
    const matrix = coefficients.map(() => Array(size).fill(0));
    fit.terms.forEach((_, i) => {
      coefficients[place[i]] += factor[i] * mean[i];
      fit.terms.forEach((_, j) => {
        matrix[place[i]][place[j]] +=
          (factor[i] * factor[j] * (covariance[i][j] + covariance[j][i])) / 2;
      });
    });
    return { coefficients, L: cholesky(matrix) };
  }

  // The models of the card, or of one of its variants, ready for use.
  function prepare(leftOut, placebo, fitOf) {
    const kept = names.filter((name) => !leftOut.includes(name));
    const both = (fit, fixed) => ({
      analytic: form(fit, fixed, kept, fit.beta, fit.covariance),
      spread: fit.trial_variance + fit.residual_variance,
      df: fit.degrees_of_freedom,
    });
    return {
      kept,
      centre: kept.map((name) => covariates[names.indexOf(name)].centre),
      placebo: both(placebo, model.placebo.fixed_terms),
      classes: model.classes.map((each) => {
        const fit = fitOf(each), fixed = each.fixed_terms;
        const bootstrap = form(fit, fixed, kept, fit.bootstrap_mean, fit.bootstrap_covariance);
        return { ...both(fit, fixed), bootstrap };
      }),
    };
  }
  const whole = prepare([], model.placebo, (each) => each);
  const reduced = (model.reduced_models ?? []).map((each) => ({
    leftOut: each.left_out,
    models: prepare(each.left_out, each.placebo, (drugClass) => each.classes[drugClass.key]),
  }));

  // Score one patient whose values (by name of covariate) are all known or imputed.
  // Returns effects, intervals, probabilities, ranking, contrasts and the label.
  function assess(values, options = {}, models = whole) {
    const { uncertainty = "bootstrap", exclude = [] } = options;
    refuseBadOptions(uncertainty, exclude);
    const x = [1, ...models.kept.map((name, i) => values[name] - models.centre[i])];
    const respond = (total, fitted) => normalCdf((total - model.response_threshold) /
      Math.sqrt(quadratic(fitted.analytic.L, x) + fitted.spread));
    const placebo = dot(models.placebo.analytic.coefficients, x);
    const classes = model.classes.map((each, i) => {
      const fitted = models.classes[i];
      const effect = dot(fitted[uncertainty].coefficients, x);
      const error = Math.sqrt(quadratic(fitted[uncertainty].L, x));
      const margin = criticalT(model.alpha, fitted.df) * error;
      return {
        key: each.key, label: each.label, title: each.title, effect, error,
        low: effect - margin, high: effect + margin, total: placebo + effect,
        probability: respond(dot(fitted.analytic.coefficients, x) + placebo, fitted),
        df: fitted.df, rank: null,
      };
    });
    if (![placebo, ...classes.flatMap((c) => [c.total, c.error, c.probability])].every(isFinite)) {
      throw new RangeError("the score is not finite");
    }

    // A tie goes to the class that the card names first: sort() keeps the order of equals.
    const ranked = classes.filter((each) => !exclude.includes(each.key));
    const order = [...ranked].sort((a, b) => b.effect - a.effect);
    order.forEach((each, i) => { each.rank = i + 1; });
    const contrasts = order.flatMap((a, i) => order.slice(i + 1).map((b) => contrast(a, b)));
    const p = (a, b) => contrasts.find((each) => each.first === a && each.second === b).p;

    // Neighbours that do not differ significantly share a group; the first group is the best.
    const groups = [];
    order.forEach((each, i) => {
      if (i && !(p(order[i - 1], each) < model.alpha)) groups.at(-1).push(each);
      else groups.push([each]);
    });
    const last = order.at(-1);
    const isWorstRuledOut = order.length > 2 && groups.length === 1 &&
      p(order[0], last) < model.alpha;
    const label = groups.map((group) => {
      const labels = classes.filter((each) => group.includes(each)).map((each) => each.label);
      return labels.length > 1 ? `(${labels.join(" = ")})` : labels[0];
    }).join(" > ");
    return {
      uncertainty, placebo, placeboProbability: respond(placebo, models.placebo), classes, order,
      groups, contrasts, p, label: label || null, isWorstRuledOut,
    };
  }

  function contrast(first, second) {
    const difference = first.effect - second.effect, df = first.df + second.df;
    const variance = first.error * first.error + second.error * second.error;
    const margin = criticalT(model.alpha, df) * Math.sqrt(variance);
    return {
      first, second, difference, low: difference - margin, high: difference + margin,
      p: twoSidedP((difference * difference) / (variance * df), df),
    };
  }

  function refuseBadOptions(uncertainty, exclude) {
    if (!["bootstrap", "analytic"].includes(uncertainty)) {
      throw new Error("uncertainty: allowed: bootstrap, analytic");
    }
    const keys = model.classes.map((each) => each.key);
    if (exclude.some((key) => !keys.includes(key))) {
      throw new Error(`exclude: allowed: ${keys.join(", ")}`);
    }
  }

  // Return {values, isKnown} by name of covariate from inputs by column; null is unknown.
  function read(inputs) {
    const values = {}, isKnown = {}, faults = [];
    for (const covariate of covariates) {
      const column = columnOf(covariate);
      const given = inputs[column];
      isKnown[covariate.name] = given !== null;
      values[covariate.name] = given === null ? covariate.imputed_value : number(covariate, given);
      const value = values[covariate.name];
      const [low, high] = ends(covariate.plausible_range);
      if (given === undefined) faults.push(`${column}: missing; write null if it is unknown`);
      else if (value === null) faults.push(`${column}: unknown; it is never imputed`);
      else if (!Number.isFinite(value)) faults.push(`${column}: not a number`);
      else if (covariate.kind === "yes_no" && value !== 0 && value !== 1) {
        faults.push(`${column}: allowed: 0, 1, ${Object.keys(words(covariate)).join(", ")}`);
      } else if (value < low || value > high) {
        faults.push(`${column}: outside ${low} to ${high} ${covariate.unit}`);
      }
    }
    if (faults.length) throw new Error(faults.join("; "));
    return { values, isKnown };
  }

  function number(covariate, given) {
    if (covariate.kind === "yes_no" && typeof given === "boolean") return Number(given);
    if (covariate.kind === "yes_no" && typeof given === "string") {
      return words(covariate)[given.trim().toLowerCase()] ?? NaN;
    }
    return typeof given === "number" ? given : NaN;
  }

  // True, false, or null if it is unknown whether the patient resembles the trials' participants.
  function withinTrialRange(values, isKnown) {
    const isOutside = (each) => isKnown[each.name] && isOutsideTrials(each, values[each.name]);
    if (covariates.some(isOutside)) return false;
    return !model.activity_covariate || isKnown[model.activity_covariate] ? true : null;
  }

  function isOutsideTrials(covariate, value) {
    const [low, high] = ends(covariate.within_trial_range);
    return value < low || value > high;
  }

  // Score one patient: names of a `score` CSV in, names of its output columns out.
  function score(inputs, options = {}) {
    const { values, isKnown } = read(inputs);
    const found = assess(values, options);
    const [first, second, third] = found.order;
    const p = (a, b) => (a && b ? found.p(a, b) : null);
    const columns = { placebo_effect: found.placebo };
    for (const each of found.classes) {
      columns[`${each.key}_effect`] = each.effect;
      columns[`${each.key}_standard_error`] = each.error;
      columns[`${each.key}_response_probability`] = each.probability;
    }
    const top = found.classes.filter((each) => found.groups[0]?.includes(each));
    return {
      ...columns,
      subgroup: found.label,
      first_class: first?.key ?? null,
      second_class: second?.key ?? null,
      third_class: third?.key ?? null,
      p_first_second: p(first, second),
      p_second_third: p(second, third),
      p_first_third: p(first, third),
      worst_class_ruled_out: found.isWorstRuledOut,
      n_imputed: names.filter((name) => !isKnown[name]).length,
      within_trial_range: withinTrialRange(values, isKnown),
      on_top: top.map((each) => each.label).join(" = ") || "no class left",
      out_of_range: null,
    };
  }

  // Share of a normal population with the moments of the trials that lies farther from its mean.
  function shareFarther(values) {
    const { mean, covariance } = model.training_population;
    const L = cholesky(covariance), solved = [];
    names.forEach((name, j) => {
      let z = values[name] - mean[name];
      for (let i = 0; i < j; i++) z -= L[j][i] * solved[i];
      solved.push(z / L[j][j]);
    });
    return chiSquaredAbove(solved.reduce((sum, z) => sum + z * z, 0), names.length);
  }

  // The model fitted without these covariates, or null if the card has none.
  function withoutCovariates(leftOut) {
    const found = reduced.find((each) => each.leftOut.length === leftOut.length &&
      leftOut.every((name) => each.leftOut.includes(name)));
    return found ? found.models : null;
  }

  return {
    model, score, assess, read, withinTrialRange, isOutsideTrials, shareFarther, withoutCovariates,
  };
}

// The ends of a range of the card; an open end is infinite.
function ends(range) {
  return [range?.[0] ?? -Infinity, range?.[1] ?? Infinity];
}

// The value, 0 or 1, of each word of a yes/no covariate, in lower case.
function words(covariate) {
  const coding = covariate.coding ?? { yes: 1, true: 1, 1: 1, no: 0, false: 0, 0: 0 };
  const entries = Object.entries(coding);
  return Object.fromEntries(entries.map(([word, value]) => [word.toLowerCase(), value]));
}

return makeScorer(JSON.parse(document.getElementById("model").textContent));
})();
