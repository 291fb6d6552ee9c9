/* What the explorer knows of its rows, and may say of them together: filters, means, ranks. Nothing here draws. */

window.crosscorpus.scores = (data) => {
  const TASK = ["source", "protocol", "head", "folds", "train_corpus", "test_corpus", "emotions"];
  const ALIKE = ["emotions", "source", "protocol", "folds"]; // what scores that are averaged must share

  const facets = Object.keys(data.facets);
  const n = data.numbers.value.length;
  const keep = new Uint8Array(n);
  const text = (column, i) => data.texts[column].values[data.texts[column].rows[i]];
  const number = (column, i) => data.numbers[column][i];
  const isOurs = (i) => data.ours.includes(text("source", i));
  const taskOf = (i) => TASK.map((column) => data.texts[column].rows[i]).join();
  const published = (i) => (isOurs(i) ? number("published", i) : number("value", i));
  const ours = (i) => (isOurs(i) ? number("value", i) : null);

  const shown = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  const signed = (value) =>
    value === null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", "−");
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

  // Return the rows that are kept (also in `keep`), and of each value of each facet, how many rows it would give
  // with the other filters as they are. `chosen` is a set of values for each facet.
  function filter(score, chosen) {
    const wanted = data.texts.score.values.indexOf(score);
    const allowed = facets.map((facet) =>
      chosen[facet]?.size ? data.texts[facet].values.map((value) => chosen[facet].has(value)) : null,
    );
    const codes = facets.map((facet) => data.texts[facet].rows);
    const counts = facets.map((facet) => new Uint32Array(data.texts[facet].values.length));
    const kept = [];
    for (let i = 0; i < n; i++) {
      let against = data.texts.score.rows[i] === wanted ? 0 : 2;
      let last = -1;
      for (let f = 0; f < facets.length && against < 2; f++) {
        if (allowed[f] && !allowed[f][codes[f][i]]) [against, last] = [against + 1, f];
      }
      keep[i] = against ? 0 : 1;
      if (!against) {
        kept.push(i);
        for (let f = 0; f < facets.length; f++) counts[f][codes[f][i]]++;
      } else if (against === 1) counts[last][codes[last][i]]++;
    }
    return { kept, counts };
  }

  // Why these rows have no mean; "" where they have one.
  function unlike(rows) {
    for (const column of ALIKE) {
      const codes = data.texts[column].rows;
      if (rows.every((i) => codes[i] === codes[rows[0]])) continue;
      const [what, why] =
        column === "emotions"
          ? ["label sets", "other emotions are another task"]
          : [`kinds of ${data.facets[column]}`, "unlike scores are not put together"];
      const many = new Set(rows.map((i) => codes[i])).size;
      return `No mean: ${many} different ${what} (${why}). Choose one under “${data.facets[column]}”.`;
    }
    return "";
  }

  // Return why there are no ranks or "", then mean and mean rank of the models that have the most cells, over the
  // cells that all of them have, and a sentence on these.
  function ranked(rows) {
    const why = unlike(rows);
    if (why) return [why, [], ""];
    const blocks = new Map();
    const has = new Map();
    for (const i of rows) {
      const model = text("model", i);
      const task = taskOf(i);
      if (!blocks.has(task)) blocks.set(task, new Map());
      blocks.get(task).set(model, number("value", i));
      has.set(model, (has.get(model) ?? 0) + 1);
    }
    const most = Math.max(...has.values());
    const models = [...has.keys()].filter((name) => has.get(name) === most);
    const left = [...has.keys()].filter((name) => has.get(name) < most);
    const common = [...blocks.values()].filter((block) => models.every((name) => block.has(name)));
    if (has.size < 2) return ["No ranks: one model only.", [], ""];
    if (models.length < 2) return [`No ranks: no model has all cells of ${models[0]}.`, [], ""];
    if (!common.length) return ["No ranks: no cell has all models.", [], ""];
    const found = models.map((model) => {
      const ranks = common.map((block) => {
        const others = models.map((name) => block.get(name));
        const equal = others.filter((value) => value === block.get(model)).length;
        return 1 + others.filter((value) => value > block.get(model)).length + (equal - 1) / 2;
      });
      const values = common.map((block) => block.get(model));
      const first = ranks.filter((rank) => rank === 1).length;
      return { model, n: common.length, mean: mean(values), rank: mean(ranks), first };
    });
    found.sort((x, y) => x.rank - y.rank || y.mean - x.mean);
    const out = left.length ? ` Left out, because they lack cells that others have: ${left.join(", ")}.` : "";
    const over = `${plural(models.length, "model")} over ${plural(common.length, "cell")} that all of them have`;
    return ["", found, `${over}, all of the same emotions.${out}`];
  }

  // What is said of one row.
  function said(i) {
    const pair = [`trained on ${text("train_corpus", i)}`, `tested on ${text("test_corpus", i)}`];
    const value = `${shown(number("value", i))} (${text("kind", i)}, ${text("source", i)})`;
    const parts = [`${[text("model", i), ...pair, text("head", i), text("folds", i)].join(", ")}: ${value}`];
    if (number("sd", i) !== null) parts.push(`± ${shown(number("sd", i))} over ${number("n_folds", i)} folds`);
    if (number("low", i) !== null) {
      const ends = `${shown(number("low", i))} to ${shown(number("high", i))}`;
      parts.push(`all test utterances together ${shown(number("together", i))}, 95 % interval ${ends}`);
    }
    parts.push(
      number("n", i) === null
        ? "interval and number of utterances not published"
        : `${number("n", i)} test utterances`,
    );
    parts.push(`rank ${number("rank", i)} of ${plural(number("of", i), "model")} on this task`);
    if (text("note", i)) parts.push(text("note", i));
    return parts.join("; ");
  }

  // What is said of a selection.
  function summary(kept) {
    const parts = [`${plural(kept.length, "row")} of ${n.toLocaleString("en")}`];
    const compared = kept.filter((i) => number("difference", i) !== null);
    const over = plural(compared.length, "row");
    if (compared.length && unlike(compared)) {
      parts.push(`difference in ${over}, no mean: not of one source, protocol, folds and label set`);
    } else if (compared.length) {
      const points = signed(mean(compared.map((i) => number("difference", i))));
      parts.push(`mean difference ${points} points over ${over}`);
    }
    return parts;
  }

  // A row as it is downloaded.
  function everything(i) {
    const row = {};
    for (const facet of facets) if (facet !== "cells") row[facet] = text(facet, i);
    Object.assign(row, { score: text("score", i), published: published(i), ours: ours(i) });
    for (const column of ["difference", "rank", "of", "together", "low", "high", "sd", "n_folds", "n"]) {
      row[column] = number(column, i);
    }
    return { ...row, kind: text("kind", i), note: text("note", i) };
  }

  const task = (i) => Object.fromEntries(TASK.map((column) => [column, text(column, i)]));
  const known = { n, keep, facets, text, number, isOurs, taskOf, task, published, ours };
  return { ...known, shown, signed, plural, mean, filter, unlike, ranked, said, summary, everything };
};
