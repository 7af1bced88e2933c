"use strict";
// Draws the charts of the page from the data in it, with uPlot. Without this
// script the page shows the same charts as pictures.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const color = model => data.styles[model][dark.matches ? "dark" : "light"];
  const steps = {
    "req/s": [[1, "/s"], [1e3, "k/s"], [1e6, "M/s"]],
    "s": [[1e-9, " ns"], [1e-6, " µs"], [1e-3, " ms"], [1, " s"]],
    "B": [[1, " B"], [1024, " KiB"], [1048576, " MiB"], [1073741824, " GiB"]],
    "": [[1, ""], [1e3, "k"], [1e6, "M"]],
  };
  const format = (unit, v) => {
    if (v == null) return "–";
    if (unit === "%") return +(100 * (1 - 1 / v)).toPrecision(6) + "%";
    if (v < 0) return "−" + format(unit, -v);
    if (v === 0) return "0";
    if (unit === "" && Number.isInteger(v)) return v.toLocaleString("en");
    let best = steps[unit][0];
    for (const s of steps[unit]) if (v >= s[0] * 0.9995) best = s;
    const x = v / best[0];
    return x.toFixed(x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2) + best[1];
  };

  const plots = []; // {plot, panel}
  const shown = new Map(Object.keys(data.styles).map(m => [m, true]));

  const show = (model, on) => {
    shown.set(model, on);
    for (const b of document.querySelectorAll(".toggles button[data-model]"))
      if (b.dataset.model === model) b.setAttribute("aria-pressed", on);
    for (const {plot, panel} of plots)
      panel.series.forEach((s, i) => {
        if (s.model === model && plot.series[i + 1].show !== on) plot.setSeries(i + 1, {show: on}, false);
      });
  };

  const openCell = () => {
    const id = location.hash.slice(1);
    for (const d of document.querySelectorAll("details.here")) d.classList.remove("here");
    const d = id && document.getElementById(id);
    if (!d || d.tagName !== "DETAILS") return;
    d.open = true;
    d.classList.add("here");
    d.scrollIntoView();
  };

  // A doubt is shown wherever its value is.
  const doubt = (s, i) => {
    const v = s.verdicts.length > 1 || s.cells.length === s.x.length ? s.verdicts[i] : s.verdicts[0];
    return v === "valid" ? "" : " (" + (v || "not measured") + ")";
  };
  const cellOf = (s, i) => s.cells.length === s.x.length ? s.cells[i] : s.cells[0];

  const draw = (panel, into) => {
    for (const s of panel.series) // the record leaves out an end of an interval that equals the value
      for (const end of ["lo", "hi"]) s[end] = s.y.map((y, i) => s[end]?.[i] ?? y);
    const xs = [...new Set(panel.series.flatMap(s => s.x))].sort((a, b) => a - b);
    // For each x, the index of a line's point, or undefined. uPlot breaks a line at null,
    // but not at undefined.
    const at = panel.series.map(s => { const of = new Map(s.x.map((x, i) => [x, i])); return xs.map(x => of.get(x)); });
    // Interpolates between two points of a line: points that nobody would see are left out.
    const between = (s, x) => {
      const i = s.x.findIndex(v => v > x), log = panel.x.log ? Math.log : v => v;
      if (panel.marks || i < 1 || s.y[i] == null || s.y[i - 1] == null) return "";
      const part = (log(x) - log(s.x[i - 1])) / (log(s.x[i]) - log(s.x[i - 1])), a = s.y[i - 1], b = s.y[i];
      return format(panel.y.unit, panel.y.log ? a * (b / a) ** part : a + part * (b - a));
    };
    const lines = panel.series.map((s, k) => at[k].map(i => i === undefined ? undefined : s.y[i]));

    const clip = (u, f) => {
      const c = u.ctx, b = u.bbox;
      c.save(); c.beginPath(); c.rect(b.left, b.top, b.width, b.height); c.clip(); f(c, b); c.restore();
    };
    const px = (u, x) => u.valToPos(x, "x", true);
    const py = (u, y) => u.valToPos(panel.y.log ? Math.max(y, panel.y.min) : y, "y", true);
    const ratio = () => devicePixelRatio || 1;
    const visible = (u, k) => u.series[k + 1].show;

    const tiers = u => clip(u, (c, b) => {
      c.font = `${11 * ratio()}px system-ui, sans-serif`;
      c.textAlign = "center"; c.textBaseline = "top";
      for (const t of panel.bands || []) {
        const from = px(u, t.from), to = px(u, t.to);
        if (t.shade) { c.fillStyle = css("--panel"); c.fillRect(from, b.top, to - from, b.height); }
        if (t.name && c.measureText(t.name).width + 4 < to - from) {
          c.fillStyle = css("--quiet"); c.fillText(t.name, (from + to) / 2, b.top + 3);
        }
      }
    });
    const events = u => clip(u, (c, b) => {
      c.font = `${11 * ratio()}px system-ui, sans-serif`;
      c.textBaseline = "top";
      (panel.events || []).forEach((e, i) => {
        const from = px(u, e.from), to = px(u, e.to);
        c.fillStyle = css("--panel"); c.fillRect(from, b.top, to - from, b.height);
        c.strokeStyle = c.fillStyle = css("--quiet"); c.lineWidth = ratio(); c.setLineDash([4 * ratio(), 3 * ratio()]);
        c.beginPath(); c.moveTo(from, b.top); c.lineTo(from, b.top + b.height); c.stroke(); c.setLineDash([]);
        const left = from + 4 * ratio() + c.measureText(e.name).width > b.left + b.width;
        c.textAlign = left ? "right" : "left";
        c.fillText(e.name, from + (left ? -4 : 4) * ratio(), b.top + (3 + 13 * i) * ratio());
      });
    });
    const intervals = u => clip(u, c => panel.series.forEach((s, k) => {
      if (!visible(u, k)) return;
      c.fillStyle = c.strokeStyle = color(s.model);
      let part = [];
      const flush = () => {
        if (part.length > 1) {
          c.globalAlpha = panel.series.length > 4 ? 0.1 : 0.16;
          c.beginPath();
          part.forEach(i => c.lineTo(px(u, s.x[i]), py(u, s.hi[i])));
          part.reverse().forEach(i => c.lineTo(px(u, s.x[i]), py(u, s.lo[i])));
          c.closePath(); c.fill();
        } else if (part.length) {
          const i = part[0], x = px(u, s.x[i]), r = 3 * ratio();
          c.globalAlpha = 1; c.lineWidth = ratio();
          c.beginPath(); c.moveTo(x, py(u, s.lo[i])); c.lineTo(x, py(u, s.hi[i]));
          for (const y of [s.lo[i], s.hi[i]]) { c.moveTo(x - r, py(u, y)); c.lineTo(x + r, py(u, y)); }
          c.stroke();
        }
        part = [];
      };
      s.x.forEach((_, i) => { s.y[i] == null ? flush() : part.push(i); if (s.apart) flush(); });
      flush();
    }));
    const markers = u => {
      if (!panel.marks) return;
      const c = u.ctx, rings = new Map(), r = 3.6 * ratio();
      c.save();
      panel.series.forEach((s, k) => {
        if (!visible(u, k)) return;
        if (s.curve) return; // fitted, not measured
        s.x.forEach((x, i) => {
          const X = px(u, x);
          c.lineWidth = 1.6 * ratio(); c.strokeStyle = color(s.model);
          if (s.y[i] == null) { // a crossed ring on the axis, above the rings already there
            const n = rings.get(x) || 0, Y = u.bbox.top + u.bbox.height - (6 + n * 12) * ratio(), d = r * 0.6;
            rings.set(x, n + 1);
            c.fillStyle = css("--ground");
            c.beginPath(); c.arc(X, Y, r * 1.15, 0, 7); c.fill(); c.stroke();
            c.beginPath(); c.moveTo(X - d, Y - d); c.lineTo(X + d, Y + d); c.moveTo(X - d, Y + d); c.lineTo(X + d, Y - d); c.stroke();
            return;
          }
          c.fillStyle = s.verdicts[i] === "suspect" ? css("--ground") : color(s.model);
          c.beginPath(); c.arc(X, py(u, s.y[i]), r, 0, 7); c.fill(); c.stroke();
        });
      });
      c.restore();
    };

    const scale = a => ({time: false, distr: a.log ? 3 : 1, range: () => [a.min, a.max]});
    const axis = (a, more) => ({
      stroke: () => css("--quiet"), font: "12px system-ui, sans-serif",
      ticks: {show: false},
      splits: () => a.ticks.map(t => t.at), filter: (_, splits) => splits,
      values: u => {
        // Leave out names that would touch, powers of ten last.
        const ten = v => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9;
        const names = a.ticks.map(() => ""), taken = [];
        if (a !== panel.x) return a.ticks.map(t => t.name);
        const width = t => 7.5 * t.name.length + 8;
        for (const pass of [t => ten(t.at), () => true])
          a.ticks.forEach((t, i) => {
            const p = u.valToPos(t.at, "x"), w = width(t) / 2;
            if (names[i] || !pass(t) || taken.some(([q, v]) => Math.abs(p - q) < w + v)) return;
            taken.push([p, w]); names[i] = t.name;
          });
        return names;
      },
      ...more,
    });
    const grid = {stroke: () => css("--line"), width: 1};
    const widest = Math.max(...panel.y.ticks.map(t => t.name.length));
    const height = () => innerWidth < 720 ? 220 : 270;

    const u = new uPlot({
      width: into.clientWidth, height: height(),
      scales: {x: scale(panel.x), y: scale(panel.y)},
      axes: [
        axis(panel.x, {grid: {show: false}, size: 24, label: panel.x.title, labelSize: 16, labelFont: "12px system-ui, sans-serif", labelGap: 0, gap: 3}),
        axis(panel.y, {grid, size: 14 + 7 * widest, gap: 4}),
      ],
      series: [
        {label: panel.x.title, value: (_, v) => format(panel.x.unit === "%" ? "%" : panel.x.unit, v)},
        ...panel.series.map((s, k) => ({
          label: s.model + (s.suspect ? " (suspect)" : "") + (s.curve ? " (fitted" + (s.peak ? ", peak " + Math.round(s.peak) : "") + ")" : ""), show: shown.get(s.model),
          stroke: () => color(s.model), width: s.apart ? 0 : 2, dash: data.styles[s.model].dash, points: {show: false},
          value: (u, v, _, i) => {
            const j = i == null ? undefined : at[k][i];
            if (j === undefined) return i == null ? "" : between(s, xs[i]);
            if (s.y[j] == null) return doubt(s, j).trim();
            const unit = panel.y.unit, iv = s.lo[j] < s.hi[j] ? ` [${format(unit, s.lo[j])} – ${format(unit, s.hi[j])}]` : "";
            return format(unit, s.y[j]) + iv + (panel.marks && !s.curve ? doubt(s, j) : "");
          },
        })),
      ],
      cursor: {sync: {key: panel.x.title, scales: ["x", null], setSeries: false}, focus: {prox: 30}, drag: {x: false, y: false, click: () => {}}, y: false, points: {size: 9}},
      focus: {alpha: 1},
      hooks: {
        drawClear: [tiers, events], drawAxes: [intervals], draw: [markers],
        setSeries: [(u, k, opts) => { if (k && opts.show !== undefined) show(panel.series[k - 1].model, opts.show); }],
      },
    }, [xs, ...lines], into);

    // A click leads to the cell whose point is nearest.
    u.over.addEventListener("click", () => {
      const {left, top} = u.cursor;
      let best = null;
      panel.series.forEach((s, k) => {
        if (!visible(u, k)) return;
        s.x.forEach((x, i) => {
          const X = u.valToPos(x, "x"), Y = s.y[i] == null ? u.over.clientHeight : u.valToPos(s.y[i], "y");
          const d = Math.hypot(X - left, Y - top);
          if (!best || d < best.d) best = {d, cell: cellOf(s, i)};
        });
      });
      if (!best || best.d >= 60) return;
      if (location.hash === "#cell-" + best.cell) openCell(); // the hash does not change, so there is no event
      else location.hash = "cell-" + best.cell;
    });
    plots.push({plot: u, panel});
    new ResizeObserver(() => u.setSize({width: into.clientWidth, height: height()})).observe(into);
  };

  document.documentElement.classList.add("js");
  document.querySelectorAll(".panels").forEach((el, i) => {
    try {
      for (const panel of data.charts[i].panels) one(panel, el);
    } catch (e) { // the picture shows the same chart
      el.closest("figure").classList.add("undrawn");
      console.error(e);
    }
  });
  function one(panel, el) {
    const box = document.createElement("div"), title = document.createElement("h4"), plot = document.createElement("div");
    box.className = "panel";
    title.textContent = panel.title;
    box.append(title, plot);
    el.append(box);
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", panel.title);
    draw(panel, plot);
  }
  for (const b of document.querySelectorAll(".toggles button[data-model]"))
    b.addEventListener("click", () => show(b.dataset.model, b.getAttribute("aria-pressed") !== "true"));
  for (const b of document.querySelectorAll(".toggles button[data-all]"))
    b.addEventListener("click", () => { for (const m of shown.keys()) show(m, true); });
  dark.addEventListener("change", () => plots.forEach(({plot}) => plot.redraw(false, true)));
  addEventListener("hashchange", openCell);
  addEventListener("beforeprint", () => document.querySelector(".verdict details")?.setAttribute("open", ""));
  openCell();
})();
