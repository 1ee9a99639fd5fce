"use strict";
(() => {
  // the columns of a row, as table.py writes them
  const [SEQ, ID, GROUP, MODEL, JOB, SECONDS, MICRO, PRICE, ATTEMPTS, CODE, ERROR, PATH, BYTES, ACCEPTED, ENDED, LEADER] =
    Array(16).keys();
  const [NOTHING, TOLD, EXPECTED, UNKNOWN] = Array(4).keys(); // what is known of a price
  const A_PAGE = 50;

  const find = (selector) => document.querySelector(selector);
  const meta = JSON.parse(find("#meta").textContent);
  const rows = [];
  for (const piece of document.querySelectorAll("script.rows")) {
    for (const row of JSON.parse(piece.textContent)) rows.push(row);
    piece.remove(); // its text is not needed twice
  }

  const shown = { group: null, code: undefined, text: "", sort: "seq", down: false, page: 0 };
  let found = rows;

  // --- words ---------------------------------------------------------------------------------------------

  const whole = new Intl.NumberFormat("en-US");
  const digits = rows.reduce((most, row) => Math.max(most, digits_of(row[MICRO] ?? 0)), 2);
  const amount = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

  // as many behind the point as any amount needs, so that all points are beneath each other
  function digits_of(micro) {
    if (micro % 10_000 === 0) return 2;
    return micro % 1_000 === 0 ? 3 : 4;
  }

  const dollars = (micro) => (micro > 0 && micro < 100 ? "under $0.0001" : `$${amount.format(micro / 1e6)}`);

  function cost(row) {
    if (row[PRICE] === NOTHING) return "–";
    if (row[PRICE] === UNKNOWN) return "unknown";
    return (row[PRICE] === EXPECTED ? "~" : "") + dollars(row[MICRO]);
  }

  function length(seconds) {
    if (seconds === null) return "–";
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60), rest = Math.floor(seconds % 60);
    return `${minutes}:${String(rest).padStart(2, "0")} min`;
  }

  function moment(seconds) {
    const text = new Date((seconds + meta.ahead) * 1000).toISOString();
    return `${text.slice(0, 10)} ${text.slice(11, 19)} ${meta.zone}`;
  }

  function size(bytes) {
    for (const [unit, of] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
      if (bytes >= of) return `${(bytes / of).toFixed(1)} ${unit}`;
    }
    return `${bytes} bytes`;
  }

  const address = (path) => meta.base + path.split("/").map(encodeURIComponent).join("/");

  // --- elements: what comes out of rows is always text -----------------------------------------------------

  function element(name, fields = {}, ...children) {
    const made = Object.assign(document.createElement(name), fields);
    made.append(...children);
    return made;
  }

  // --- which rows, and in which order ----------------------------------------------------------------------

  const collator = new Intl.Collator("en", { numeric: true });
  const names = (list) => (column) => (row) => (row[column] === null ? null : list[row[column]]);
  const KEYS = {
    seq: (row) => row[SEQ],
    id: (row) => row[ID],
    group: (row) => row[GROUP],
    model: names(meta.models)(MODEL),
    job: (row) => row[JOB],
    seconds: (row) => row[SECONDS],
    cost: (row) => row[MICRO],
    attempts: (row) => row[ATTEMPTS],
    result: (row) => (row[CODE] === null ? row[PATH] : meta.codes[row[CODE]]),
  };
  const places = {}; // of all rows in the order of a column, made when it is first asked for

  function places_by(column) {
    if (!places[column]) {
      const key = KEYS[column];
      const keys = rows.map(key);
      const by = (a, b) => (typeof a === "string" ? collator.compare(a, b) : a - b);
      const order = Uint32Array.from(rows.keys());
      order.sort((a, b) => {
        const [left, right] = [keys[a], keys[b]];
        if (left === null || right === null) return (left === null) - (right === null) || a - b;
        return by(left, right) || a - b;
      });
      const known = keys.reduce((count, value) => count + (value !== null), 0);
      places[column] = { order, known }; // rows without a value stand last, whichever way
    }
    return places[column];
  }

  function ordered() {
    const { order, known } = places_by(shown.sort);
    const turned = Array.from(order, (place) => rows[place]);
    return shown.down ? [...turned.slice(0, known).reverse(), ...turned.slice(known)] : turned;
  }

  function is_wanted(row) {
    if (shown.group !== null && row[GROUP] !== shown.group) return false;
    if (shown.code !== undefined && (row[CODE] === null ? "" : meta.codes[row[CODE]]) !== shown.code) return false;
    if (!shown.text) return true;
    return row[ID].toLowerCase().includes(shown.text) || (row[JOB] !== null && row[JOB].includes(shown.text));
  }

  // --- the table -----------------------------------------------------------------------------------------

  const body = find(".items tbody");

  function line(row) {
    const cells = {
      seq: whole.format(row[SEQ]),
      id: row[ID],
      group: element("span", { className: `state g${row[GROUP]}` }, meta.groups[row[GROUP]]),
      model: row[MODEL] === null ? "–" : meta.models[row[MODEL]],
      job: row[JOB] ?? "–",
      seconds: length(row[SECONDS]),
      cost: cost(row),
      attempts: whole.format(row[ATTEMPTS]),
    };
    const made = element("tr");
    for (const [name, value] of Object.entries(cells)) {
      made.append(element("td", { className: `c-${name}`, title: typeof value === "string" ? value : "" }, value));
    }
    made.append(element("td", { className: "c-result" }, ...result(row, made)));
    return made;
  }

  function result(row, at) {
    const open = element("button", { type: "button", className: "open" }, row[PATH] === null ? "More" : "Play");
    open.ariaExpanded = "false";
    open.onclick = () => toggle(row, at, open);
    if (row[CODE] !== null || row[ERROR] !== null) {
      const code = element("b", {}, row[CODE] === null ? "" : meta.codes[row[CODE]]);
      return [open, " ", element("span", { className: "error", title: row[ERROR] ?? "" }, code, ` ${row[ERROR] ?? ""}`)];
    }
    return [open, " ", element("span", { className: "about" }, row[PATH] ?? "")];
  }

  function toggle(row, at, open) {
    const is_open = open.ariaExpanded === "true";
    open.ariaExpanded = String(!is_open);
    if (is_open) {
      at.nextSibling.remove();
      return;
    }
    const cell = element("td", { colSpan: Object.keys(KEYS).length }, detail(row));
    at.after(element("tr", { className: "detail" }, cell));
    const video = cell.querySelector("video");
    if (video) video.play().catch(() => {}); // its own error tells, and its controls are there
  }

  function detail(row) {
    const box = element("div");
    if (row[PATH] !== null) box.append(player(row, box));
    const facts = {
      Item: row[ID],
      Job: row[JOB],
      Error: row[ERROR],
      "Same as": row[LEADER] === null ? null : `row ${whole.format(row[LEADER])}, bought once`,
      Accepted: row[ACCEPTED] === null ? null : moment(row[ACCEPTED]),
      Ended: row[ENDED] === null ? null : moment(row[ENDED]),
      Took: row[ACCEPTED] === null || row[ENDED] === null ? null : length(Math.max(0, row[ENDED] - row[ACCEPTED])),
      Size: row[BYTES] === null ? null : size(row[BYTES]),
    };
    const list = element("dl");
    for (const [name, value] of Object.entries(facts)) {
      if (value !== null) list.append(element("dt", {}, name), element("dd", {}, value));
    }
    if (row[PATH] !== null) {
      const link = element("a", { href: address(row[PATH]) }, row[PATH]);
      list.append(element("dt", {}, "File"), element("dd", {}, link));
    }
    box.append(list);
    return box;
  }

  function player(row, box) {
    const video = element("video", { controls: true, preload: "none", playsInline: true, src: address(row[PATH]) });
    video.onerror = () => {
      const text = `${row[PATH]} cannot be played; is it still beside this page, where it was written?`;
      video.replaceWith();
      box.prepend(element("p", { className: "gone" }, text));
    };
    return video;
  }

  // --- what is on the page ---------------------------------------------------------------------------------

  function select() {
    found = ordered().filter(is_wanted);
    shown.page = 0;
    draw();
  }

  function draw() {
    const first = shown.page * A_PAGE, page = found.slice(first, first + A_PAGE);
    body.replaceChildren(...page.map(line));
    find(".where").textContent = page.length
      ? `${whole.format(first + 1)}–${whole.format(first + page.length)} of ${whole.format(found.length)}`
      : "no such row";
    find(".pager .back").disabled = shown.page === 0;
    find(".pager .on").disabled = first + A_PAGE >= found.length;
    for (const button of document.querySelectorAll(".states button")) {
      button.ariaPressed = String(button.dataset.group === String(shown.group ?? ""));
    }
    for (const head of document.querySelectorAll(".items th")) {
      const is_sorted = head.firstChild.dataset.sort === shown.sort;
      head.ariaSort = is_sorted ? (shown.down ? "descending" : "ascending") : null;
    }
    const only = find(".only");
    only.hidden = shown.code === undefined;
    only.firstChild.textContent = shown.code ? `Only ${shown.code}` : "Only rows without a code";
  }

  function turn(by) {
    shown.page += by;
    draw();
    find("#rows").scrollIntoView();
  }

  function states() {
    const counts = meta.groups.map(() => 0);
    for (const row of rows) counts[row[GROUP]] += 1;
    const button = (name, group, count) => {
      const made = element("button", { type: "button" }, `${name} `, element("b", {}, whole.format(count)));
      made.dataset.group = group ?? "";
      made.onclick = () => {
        Object.assign(shown, { group, code: undefined });
        select();
      };
      return made;
    };
    const some = meta.groups.map((name, group) => [name, group, counts[group]]).filter(([, , count]) => count);
    return [button("All", null, rows.length), ...some.map((each) => button(...each))];
  }

  find(".states").append(...states());
  find(".only").append("", element("button", { type: "button" }, "Show all"));
  find(".only button").onclick = () => {
    Object.assign(shown, { group: null, code: undefined });
    select();
  };
  find(".tools input").oninput = (event) => {
    shown.text = event.target.value.trim().toLowerCase();
    select();
  };
  find(".pager .back").onclick = () => turn(-1);
  find(".pager .on").onclick = () => turn(1);
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.onclick = () => {
      const column = button.dataset.sort;
      Object.assign(shown, { sort: column, down: shown.sort === column && !shown.down });
      select();
    };
  }
  for (const button of document.querySelectorAll(".reasons .rows")) {
    button.onclick = () => {
      Object.assign(shown, { group: Number(button.dataset.group), code: button.dataset.code });
      select();
      find("#rows").scrollIntoView();
    };
  }
  for (const part of document.querySelectorAll(".tools, .items, .pager")) part.hidden = false;
  select();
})();
