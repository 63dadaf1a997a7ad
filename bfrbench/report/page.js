"use strict";
const $ = (id) => document.getElementById(id);
const read = (id) => JSON.parse($(id).textContent);
const data = read("data");
const names = data.runs.map((run) => run.name);
const colours = ["#3b82d0", "#d9722e", "#3a9d5d", "#b0529e", "#8a7a22", "#c44545", "#4aa3a3", "#7a6bd0"];
const colour = (index) => colours[index % colours.length];
const PAGE = 20;
let small = null, large = null, shown = [], drawn = 0, current = 0, sorted = { key: null, up: false };

const pictures = (id) => {
  small ??= read("small");
  large ??= read("large");
  return large[id] ?? small[id] ?? [];
};
const source = (code) => code ? `data:image/webp;base64,${code}` : "";
const text = (value) => value === null || value === undefined ? "–" : Number(value).toPrecision(4).replace(/\.?0+(e|$)/, "$1");
const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key === "class" ? made.className = value : made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const draw = (tag, attributes, content) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  return made;
};
const goodness = (metric, value) => {
  const facts = data.metrics[metric];
  if (value === null) return null;
  return facts.ideal !== null ? -Math.abs(value - facts.ideal) : facts.higher ? value : -value;
};

function table() {
  const metrics = Object.keys(data.metrics);
  const head = make("tr", {}, make("th", { scope: "col" }, heading("restorer", "name")));
  for (const name of metrics) head.append(make("th", { scope: "col" }, heading(`${name} ${data.metrics[name].arrow}`, name)));
  head.append(make("th", { scope: "col" }, heading("s/image", "seconds")), make("th", { scope: "col" }, heading("failed", "failures")));
  const value = (run) => sorted.key in data.metrics ? run.metrics[sorted.key][0] : run[sorted.key];
  const runs = [...data.runs];
  if (sorted.key) runs.sort((a, b) => (value(a) > value(b) ? 1 : value(a) < value(b) ? -1 : 0) * (sorted.up ? 1 : -1));
  for (const [index, key] of [...head.children].entries()) {
    const own = ["name", ...metrics, "seconds", "failures"][index];
    key.setAttribute("aria-sort", own === sorted.key ? (sorted.up ? "ascending" : "descending") : "none");
  }
  const best = Object.fromEntries(metrics.map((name) => [name, Math.max(...data.runs.map((run) => goodness(name, run.metrics[name][0]) ?? -Infinity))]));
  const body = make("tbody");
  for (const run of runs) {
    const row = make("tr", {}, make("td", {}, run.name, run.status === "complete" ? "" : make("small", {}, run.status)));
    for (const name of metrics) {
      const [number, low, high] = run.metrics[name];
      const cell = make("td", { class: number !== null && goodness(name, number) === best[name] ? "best" : "" }, text(number));
      if (low !== null) cell.append(make("small", {}, `${text(low)} … ${text(high)}`));
      row.append(cell);
    }
    row.append(make("td", {}, text(run.seconds)), make("td", {}, String(run.failures)));
    body.append(row);
  }
  $("numbers").replaceChildren(make("thead", {}, head), body);
}
function heading(label, key) {
  const button = make("button", { type: "button", "data-key": key }, label);
  button.onclick = () => {
    sorted = { key, up: sorted.key === key ? !sorted.up : key === "name" };
    table();
    document.querySelector(`#numbers [data-key="${CSS.escape(key)}"]`).focus();
  };
  return button;
}

const WIDTH = 420, HEIGHT = 200, LEFT = 52, BOTTOM = 28;
function frame(label, low, high) {
  const svg = draw("svg", { width: WIDTH, height: HEIGHT, role: "img", "aria-label": label });
  svg.append(draw("line", { class: "axis", x1: LEFT, y1: HEIGHT - BOTTOM, x2: WIDTH, y2: HEIGHT - BOTTOM }));
  for (const share of [0, 0.5, 1]) {
    const y = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 10);
    svg.append(draw("text", { x: LEFT - 4, y: y + 4, "text-anchor": "end" }, text(low + share * (high - low))));
  }
  return svg;
}
function spread(metric) {
  const columns = data.rows[metric];
  if (!columns) return make("p", {}, "This number is a distance between sets: single images have none.");
  const all = columns.flat().filter((value) => value !== null).sort((a, b) => a - b);
  if (!all.length) return make("p", {}, "No image has a number.");
  const [low, high] = [all[0], all[all.length - 1]], bins = 40, span = high - low || 1;
  const counts = columns.map((column) => {
    const bin = new Array(bins).fill(0);
    for (const value of column) if (value !== null) bin[Math.min(bins - 1, Math.floor((value - low) / span * bins))] += 1;
    return bin;
  });
  const most = Math.max(...counts.flat(), 1);
  const svg = frame(`Histogram of ${metric} by restorer`, 0, most);
  const x = (share) => LEFT + share * (WIDTH - LEFT - 10);
  for (const [index, bin] of counts.entries()) {
    const points = bin.map((count, at) => `${x((at + 0.5) / bins)},${HEIGHT - BOTTOM - count / most * (HEIGHT - BOTTOM - 10)}`);
    svg.append(draw("polyline", { points: points.join(" "), fill: "none", stroke: colour(index), "stroke-width": 2 }));
  }
  for (const share of [0, 0.5, 1]) svg.append(draw("text", { x: x(share), y: HEIGHT - 8, "text-anchor": share === 1 ? "end" : share ? "middle" : "start" }, text(low + share * span)));
  return svg;
}
function breakdown(metric, by) {
  const cells = data.runs.map((run) => run.breakdowns.filter((cell) => cell.by === by));
  const numbers = cells.flat().flatMap((cell) => (cell.metrics[metric] ?? []).slice(0, 3)).filter((value) => value !== null);
  if (!numbers.length) return null;
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)], span = high - low || 1;
  const svg = frame(`${metric} by ${by}`, low, high);
  const bins = cells[0].length, x = (at) => LEFT + (at + 0.5) / bins * (WIDTH - LEFT - 10);
  const y = (value) => HEIGHT - BOTTOM - (value - low) / span * (HEIGHT - BOTTOM - 10);
  for (const [index, own] of cells.entries()) {
    const points = [];
    for (const [at, cell] of own.entries()) {
      const [value, bottom, top] = cell.metrics[metric] ?? [null, null, null];
      if (value === null) continue;
      const shift = x(at) + (index - data.runs.length / 2) * 4;
      points.push(`${shift},${y(value)}`);
      if (bottom !== null) svg.append(draw("line", { x1: shift, x2: shift, y1: y(bottom), y2: y(top), stroke: colour(index) }));
      svg.append(draw("circle", { cx: shift, cy: y(value), r: 3, fill: colour(index) }));
    }
    svg.append(draw("polyline", { points: points.join(" "), fill: "none", stroke: colour(index) }));
  }
  for (const [at, cell] of cells[0].entries()) svg.append(draw("text", { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, `${cell.bin} (${cell.n})`));
  return make("figure", {}, make("figcaption", {}, `by ${by}`), svg);
}
function charts() {
  const metric = $("metric").value;
  $("spread").replaceChildren(spread(metric));
  const kinds = [...new Set(data.runs[0].breakdowns.map((cell) => cell.by))];
  $("breakdowns").replaceChildren(...kinds.map((by) => breakdown(metric, by)).filter(Boolean));
  $("legend").replaceChildren(...names.map((name, index) => make("span", {}, make("i", { style: `background:${colour(index)}` }), name)));
}

function choose() {
  const order = $("order").value, metric = $("metric").value, find = $("find").value.toLowerCase();
  const [one, other] = [Number($("one").value), Number($("other").value)];
  $("other-label").hidden = order !== "apart";
  const columns = data.rows[metric] ?? [];
  const value = (run, index) => columns[run] ? goodness(metric, columns[run][index]) : null;
  let indices = data.ids.map((_, index) => index).filter((index) => data.ids[index].toLowerCase().includes(find));
  if (order === "failed") indices = indices.filter((index) => data.status[one][index] !== "ok");
  if (order === "worst" || order === "best") {
    indices = indices.filter((index) => value(one, index) !== null);
    indices.sort((a, b) => (value(one, a) - value(one, b)) * (order === "worst" ? 1 : -1) || a - b);
  }
  if (order === "apart") {
    const apart = (index) => Math.abs(value(one, index) - value(other, index));
    indices = indices.filter((index) => value(one, index) !== null && value(other, index) !== null);
    indices.sort((a, b) => apart(b) - apart(a) || a - b);
  }
  shown = indices;
  drawn = 0;
  $("count").textContent = `${shown.length} images`;
  $("gallery").replaceChildren();
  more();
}
function told(index, name) {
  const run = names.indexOf(name), metric = $("metric").value, columns = data.rows[metric];
  if (run < 0) return "";
  if (data.status[run][index] !== "ok") return data.status[run][index];
  return columns ? `${metric} ${text(columns[run][index])}` : "";
}
function labels(index) {
  return Object.entries(data.labels).map(([name, values]) => `${name} ${typeof values[index] === "number" ? text(values[index]) : values[index] ?? "–"}`).join(", ");
}
const loading = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    loading.unobserve(entry.target);
    const index = Number(entry.target.dataset.index), found = (small ??= read("small"))[data.ids[index]] ?? [];
    for (const [at, image] of [...entry.target.querySelectorAll("img")].entries()) if (found[at]) image.src = source(found[at]);
  }
}, { rootMargin: "600px" });
function more() {
  for (const [place, index] of shown.slice(drawn, drawn + PAGE).entries()) {
    const row = make("div", { class: "row" });
    for (const name of data.sources) {
      const note = told(index, name);
      row.append(make("div", { class: "shot" }, make("img", { alt: `${data.ids[index]}, ${name}${note ? `, ${note}` : ""}`, width: 128, height: 128 }), name, make("br"), note));
    }
    const card = make("button", { type: "button", class: "card", "data-index": index }, make("strong", {}, data.ids[index]), ` ${labels(index)}`, row);
    const at = drawn + place;
    card.onclick = () => view(at);
    $("gallery").append(card);
    loading.observe(card);
  }
  drawn = Math.min(drawn + PAGE, shown.length);
  $("more").hidden = drawn >= shown.length;
}

function view(at) {
  current = Math.max(0, Math.min(at, shown.length - 1));
  const index = shown[current], id = data.ids[index], found = pictures(id);
  $("viewer-title").textContent = id;
  for (const [image, select] of [[$("under"), $("left")], [$("over"), $("right")]]) {
    const name = data.sources[Number(select.value)] ?? "nothing";
    image.src = source(found[Number(select.value)]);
    image.alt = `${id}, ${name}, ${told(index, name)}`;
  }
  $("viewer-numbers").textContent = [labels(index), ...names.map((name) => `${name}: ${told(index, name)}`)].join(" · ");
  divide();
  if (!$("viewer").open) $("viewer").showModal();
}
function divide() {
  $("over").style.clipPath = `inset(0 0 0 ${$("slider").value}%)`;
  const zoom = Number($("zoom").value), share = Number($("slider").value) / 100;
  $("stage").style.setProperty("--zoom", zoom);
  if (zoom > 1) {
    const centre = parseFloat($("stage").style.getPropertyValue("--x") || "50") / 100;
    const at = (share - centre) / zoom + centre;
    $("over").style.clipPath = `inset(0 0 0 ${Math.max(0, Math.min(1, at)) * 100}%)`;
  }
}

function start() {
  const options = (select, list, chosen) => {
    $(select).replaceChildren(...list.map((name, index) => make("option", { value: index }, name)));
    $(select).value = String(Math.max(0, chosen));
  };
  $("metric").replaceChildren(...Object.keys(data.metrics).map((name) => make("option", { value: name }, `${name} ${data.metrics[name].arrow}`)));
  options("one", names, 0);
  options("other", names, Math.min(1, names.length - 1));
  options("left", data.sources, 0);
  options("right", data.sources, Math.min(1, data.sources.length - 1));
  table();
  charts();
  choose();
  $("metric").onchange = () => { charts(); choose(); };
  for (const id of ["order", "one", "other"]) $(id).onchange = choose;
  $("find").oninput = choose;
  $("filter").onsubmit = (event) => event.preventDefault();
  $("more").onclick = more;
  for (const id of ["left", "right"]) $(id).onchange = () => view(current);
  for (const id of ["slider", "zoom"]) $(id).oninput = divide;
  $("stage").onpointermove = (event) => {
    const box = $("stage").getBoundingClientRect();
    $("stage").style.setProperty("--x", `${(event.clientX - box.left) / box.width * 100}%`);
    $("stage").style.setProperty("--y", `${(event.clientY - box.top) / box.height * 100}%`);
    divide();
  };
  $("previous").onclick = () => view(current - 1);
  $("next").onclick = () => view(current + 1);
  $("close").onclick = () => $("viewer").close();
  $("viewer").onkeydown = (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    if (event.key === "ArrowLeft") view(current - 1);
    if (event.key === "ArrowRight") view(current + 1);
  };
  const root = document.documentElement;
  const dark = () => root.style.colorScheme ? root.style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const offer = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
  $("theme").onclick = () => { root.style.colorScheme = dark() ? "light" : "dark"; offer(); };
  offer();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}
start();
